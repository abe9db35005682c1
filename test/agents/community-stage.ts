/** A small community on a real local node, for the tests of the agents: everything but the chain's time is real. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { computeAddress } from "ethers";

import { AggregatorAgent } from "../../agents/aggregator/agent.ts";
import { connect, type Connection } from "../../agents/chain/connection.ts";
import { DerAgent } from "../../agents/der/agent.ts";
import type { Device } from "../../agents/metering/devices/device.ts";
import { energyWs, type MeterSource, sum } from "../../agents/metering/source.ts";
import { OperatorAgent } from "../../agents/operator/agent.ts";
import type { Log } from "../../agents/runtime/log.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { ReadingStore } from "../../agents/store/store.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { ChainClock } from "../../scripts/demo/chain-clock.ts";
import { type Addresses, Deployment } from "../../scripts/demo/deployment.ts";
import { type LocalNode, startNode } from "../../scripts/demo/node.ts";

export const EPOCH_SECONDS = 900;
export const COIN = 10n ** 18n;
/** How much of its forecast a DER is asked for. */
export const PROMISED_PERCENT = 80n;
/** When blocks are mined in an epoch: the agents look at the first, the meters count up to the last. */
export const [FIRST_BLOCK_AT, LAST_BLOCK_AT] = [5, 895];

const OPERATOR_KEY = developmentKey(1);
export const AGGREGATOR_KEY = developmentKey(2);
const GUARDIAN_KEY = developmentKey(0);
export const LOOPBACK = { host: "127.0.0.1", port: 0 };

/** A DER, as the test has it. Powers are multiples of 3600 W: 1 Wh a second, so that no meter ever rounds. */
export interface Plant {
  readonly name: string;
  readonly powerW: bigint;
  readonly price: bigint;
  /** What it is expected to feed. */
  readonly forecast: MeterSource;
  readonly fed: MeterSource;
  /** What the Aggregator's meter at its connection is shown. */
  readonly aggregatorSees: MeterSource;
  /** What its own meter is shown, if not what it feeds. */
  readonly ownMeterSees?: MeterSource;
  /** The device that its own meter reads, if that is not simulated; opened each time its agent is started. */
  readonly device?: () => Device;
  /** Whether it is behind no feeder meter. */
  readonly remote?: boolean;
}

export function constant(powerW: bigint): MeterSource {
  return { stepSeconds: EPOCH_SECONDS, powerW: () => powerW };
}

/** The source, but for one epoch. */
export function except(source: MeterSource, epoch: number, powerW: bigint): MeterSource {
  return {
    stepSeconds: EPOCH_SECONDS,
    powerW: (instant) => (Math.floor(instant / EPOCH_SECONDS) === epoch ? powerW : source.powerW(instant)),
  };
}

/** The node and the contracts on it. */
export interface Chain {
  readonly node: LocalNode;
  readonly clock: ChainClock;
  readonly deployment: Deployment;
  readonly addresses: Addresses;
  /** A link of one key, which is given coins. */
  link(key: string): Promise<Connection>;
  close(): Promise<void>;
}

export async function startChain(): Promise<Chain> {
  const node = await startNode();
  const clock = new ChainClock(node.url);
  const deployment = new Deployment(node.url, {
    operator: computeAddress(OPERATOR_KEY),
    aggregator: computeAddress(AGGREGATOR_KEY),
    guardian: computeAddress(GUARDIAN_KEY),
  });
  const close = async (): Promise<void> => {
    deployment.close();
    clock.close();
    await node.stop();
  };
  try {
    const addresses = await deployment.community();
    const link = async (key: string): Promise<Connection> => {
      await clock.endow(computeAddress(key), 1_000n * COIN);
      return connect({ rpcUrl: node.url, privateKey: key, registry: addresses.registry });
    };
    return { node, clock, deployment, addresses, link, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** All parties' agents, each with its own key, link and store. */
export class Community {
  readonly chain: Chain;
  readonly plants: readonly Plant[];
  operator!: OperatorAgent;
  aggregator!: AggregatorAgent;
  readonly #ders = new Map<Plant, DerAgent>();
  readonly #evidence = new Map<string, string>();
  readonly #folder = mkdtempSync(join(tmpdir(), "community-"));

  constructor(chain: Chain, plants: readonly Plant[]) {
    this.chain = chain;
    this.plants = plants;
  }

  /**
   * @param baselineWh what the Operator orders in each epoch from `firstEpoch` on
   * @param aggregatorsLink what stands between the Aggregator's agent and the chain
   * @param figuresPerRequest of the Aggregator
   */
  async start(
    baselineWh: bigint,
    firstEpoch: number,
    epochsPerOrder: number,
    aggregatorsLink = (link: Connection): Connection => link,
    figuresPerRequest = 1_000,
  ): Promise<void> {
    const { chain, plants } = this;
    const byAddress = new Map(plants.map((plant) => [this.addressOf(plant), plant]));
    this.aggregator = new AggregatorAgent({
      connection: aggregatorsLink(await chain.link(AGGREGATOR_KEY)),
      store: this.openStore("aggregator"),
      startBlock: 0,
      policy: { epochsPerSweep: 1, figuresPerRequest, promisedPercent: PROMISED_PERCENT },
      connected: (der) => {
        const plant = byAddress.get(der);
        return plant && { source: plant.aggregatorSees, forecast: plant.forecast };
      },
      listen: LOOPBACK,
    });
    this.#evidence.set(this.aggregator.address, await this.aggregator.serve());
    for (const plant of plants) await this.startDer(plant);
    this.operator = new OperatorAgent({
      connection: await chain.link(OPERATOR_KEY),
      store: this.openStore("operator"),
      startBlock: 0,
      policy: {
        funds: { minimum: 1_000_000n, target: 2_000_000n },
        epochsPerOrder,
        firstEpoch,
        untilEpoch: undefined,
      },
      feeders: [
        {
          source: sum(plants.filter(({ remote }) => remote !== true).map(({ fed }) => fed)),
          feeds: (der) => byAddress.get(der)?.remote !== true,
        },
      ],
      baselineWh: () => baselineWh,
      inspected: () => true,
      evidenceUrl: (party) => this.#evidence.get(party),
    });
  }

  /** Starts a DER's agent, on the store it had before if it had one. */
  async startDer(plant: Plant, meterKey = this.meterKeyOf(plant), log?: Log): Promise<DerAgent> {
    const agent = new DerAgent({
      connection: await this.chain.link(this.#key(plant, 100)),
      store: this.openStore(plant.name),
      startBlock: 0,
      meterKey,
      source: plant.device?.() ?? plant.ownMeterSees ?? plant.fed,
      wishes: { powerW: plant.powerW, price: plant.price, leaveAtEpoch: undefined },
      listen: LOOPBACK,
      ...(log && { log }),
    });
    this.#ders.set(plant, agent);
    this.#evidence.set(agent.address, await agent.serve());
    return agent;
  }

  /** Lets the Operator ask somewhere else for a party's evidence. @returns where it asked before */
  reroute(party: string, url: string): string {
    const before = this.#evidence.get(party) ?? "";
    this.#evidence.set(party, url);
    return before;
  }

  walletKeyOf(plant: Plant): string {
    return this.#key(plant, 100);
  }

  derOf(plant: Plant): DerAgent {
    return this.#ders.get(plant)!;
  }

  addressOf(plant: Plant): string {
    return computeAddress(this.#key(plant, 100));
  }

  /** Where a party serves its evidence. */
  urlOf(party: string): string {
    return this.#evidence.get(party) ?? "";
  }

  meterKeyOf(plant: Plant): string {
    return this.#key(plant, 200);
  }

  openStore(name: string): ReadingStore {
    return openSqliteStore(this.storeFile(name));
  }

  storeFile(name: string): string {
    return join(this.#folder, `${name}.sqlite`);
  }

  /** Everybody looks at the chain and acts: the Aggregator first, the Operator last. */
  async look(): Promise<void> {
    await this.aggregator.advance();
    for (const plant of this.plants) await this.derOf(plant).advance();
    await this.operator.advance();
  }

  /** Lets an epoch pass, in which everybody looks once. */
  async play(epoch: number): Promise<void> {
    await this.chain.clock.moveTo(epoch * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await this.look();
    await this.chain.clock.moveTo(epoch * EPOCH_SECONDS + LAST_BLOCK_AT);
  }

  async close(): Promise<void> {
    await this.aggregator.close();
    for (const agent of this.#ders.values()) await agent.close();
    await this.operator.close();
    rmSync(this.#folder, { recursive: true });
  }

  #key(plant: Plant, first: number): string {
    return developmentKey(first + this.plants.indexOf(plant));
  }
}

/** Wh that a meter counts in an epoch: from the last block before it to the last block in it. */
export function meteredWh(source: MeterSource, epoch: number): bigint {
  const last = epoch * EPOCH_SECONDS + LAST_BLOCK_AT;
  return energyWs(source, last - EPOCH_SECONDS, last) / 3_600n;
}
