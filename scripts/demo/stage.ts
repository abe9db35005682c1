import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { computeAddress } from "ethers";

import { AggregatorAgent } from "../../agents/aggregator/agent.ts";
import { connect, type Connection } from "../../agents/chain/connection.ts";
import { DerAgent } from "../../agents/der/agent.ts";
import { energyWs, sum } from "../../agents/metering/source.ts";
import { type Feeder, OperatorAgent } from "../../agents/operator/agent.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { ReadingStore } from "../../agents/store/store.ts";
import { type Member, developmentKey } from "./cast.ts";
import { ChainClock } from "./chain-clock.ts";
import { type Addresses, Deployment } from "./deployment.ts";
import type { GasLog } from "./gas-log.ts";
import { startNode } from "./node.ts";
import { BASELINE_PERCENT, DERS_PER_FEEDER, FEEDER_GAIN_PPM, GWEI, PROMISED_PERCENT } from "./terms.ts";
import type { Timetable } from "./timetable.ts";

const OPERATOR_KEY = developmentKey(1);
const AGGREGATOR_KEY = developmentKey(2);
/** The owner's, who deploys. */
const GUARDIAN_KEY = developmentKey(0);
const LOOPBACK = { host: "127.0.0.1", port: 0 };
/** Coins each party starts with, in wei: for deposits, bonds, energy and gas. */
const PURSE = 1_000n * GWEI * GWEI;

/** The local node, the contracts on it, and all parties' agents. */
export interface Stage {
  readonly url: string;
  readonly clock: ChainClock;
  readonly deployment: Deployment;
  readonly addresses: Addresses;
  readonly operator: OperatorAgent;
  readonly aggregator: AggregatorAgent;
  readonly ders: readonly { readonly member: Member; readonly agent: DerAgent }[];
  close(): Promise<void>;
}

export interface StageOptions {
  readonly members: readonly Member[];
  readonly timetable: Timetable;
  readonly sweepEvery: number;
  readonly gas: GasLog;
}

/** Sets everything up: the node, the contracts by Ignition, then each party with its own wallet, link and store. */
export async function setStage(options: StageOptions): Promise<Stage> {
  const undo: (() => Promise<void> | void)[] = [];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    return await built(options, undo, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function built(
  { members, timetable, sweepEvery, gas }: StageOptions,
  undo: (() => Promise<void> | void)[],
  close: () => Promise<void>,
): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), "proof-of-flow-"));
  undo.push(() => {
    rmSync(folder, { recursive: true });
  });
  const node = await startNode();
  undo.push(() => node.stop());
  const clock = new ChainClock(node.url);
  undo.push(() => {
    clock.close();
  });

  /** A party's own store, and its link to the chain. */
  const opened = async (
    name: string,
    privateKey: string,
    registry: string,
  ): Promise<{ connection: Connection; store: ReadingStore }> => {
    const store = openSqliteStore(join(folder, `${name}.sqlite`));
    const { transactions } = store;
    const options = { rpcUrl: node.url, privateKey, registry, transactions, onReceipt: gas.note };
    const connection = await connect(options);
    await clock.endow(connection.wallet.address, PURSE);
    return { connection, store };
  };
  const parties = {
    operator: computeAddress(OPERATOR_KEY),
    aggregator: computeAddress(AGGREGATOR_KEY),
    guardian: computeAddress(GUARDIAN_KEY),
  };
  const deployment = new Deployment(node.url, parties);
  undo.push(() => {
    deployment.close();
  });
  const addresses = await deployment.community();

  const aggregator = new AggregatorAgent({
    ...(await opened("aggregator", AGGREGATOR_KEY, addresses.registry)),
    startBlock: 0,
    policy: { epochsPerSweep: sweepEvery, figuresPerRequest: 20_000, promisedPercent: PROMISED_PERCENT },
    connected: connectedTo(members),
    listen: LOOPBACK,
  });
  undo.push(() => aggregator.close());
  const evidence = new Map([[parties.aggregator, await aggregator.serve()]]);

  const ders: { member: Member; agent: DerAgent }[] = [];
  for (const member of members) {
    const agent = new DerAgent({
      ...(await opened(member.name, member.walletKey, addresses.registry)),
      startBlock: 0,
      meterKey: member.meterKey,
      source: member.ownMeter,
      gainPpm: member.ownGainPpm,
      wishes: {
        powerW: member.powerW,
        price: member.price,
        leaveAtEpoch: member.part === "leaver" ? timetable.departure : undefined,
      },
      listen: LOOPBACK,
    });
    undo.push(() => agent.close());
    evidence.set(member.address, await agent.serve());
    ders.push({ member, agent });
  }

  const operatorLink = await opened("operator", OPERATOR_KEY, addresses.registry);
  const operator = operatorOf(operatorLink, members, timetable, evidence);
  undo.push(() => operator.close());
  return { url: node.url, clock, deployment, addresses, operator, aggregator, ders, close };
}

function operatorOf(
  link: { readonly connection: Connection; readonly store: ReadingStore },
  members: readonly Member[],
  { epochs, epochSeconds }: Timetable,
  evidence: ReadonlyMap<string, string>,
): OperatorAgent {
  // The misfit is refused, so it is not connected to the feeder.
  const connected = members.filter(({ part }) => part !== "misfit");
  const forecast = sum(connected.map((member) => member.forecast));
  const baselineWh = (epoch: number): bigint =>
    (energyWs(forecast, epoch * epochSeconds, (epoch + 1) * epochSeconds) * BASELINE_PERCENT) / 360_000n;
  const inspected = new Set(members.map(({ meterAddress }) => meterAddress));
  const target = costOf(
    epochs.reduce((total, epoch) => total + baselineWh(epoch), 0n),
    members,
  );
  return new OperatorAgent({
    ...link,
    startBlock: 0,
    policy: {
      funds: { minimum: target / 2n, target },
      epochsPerOrder: epochs.length,
      firstEpoch: epochs[0] ?? 0,
      untilEpoch: undefined,
    },
    feeders: feedersOf(connected),
    baselineWh,
    inspected: (meter) => inspected.has(meter),
    evidenceUrl: (party) => evidence.get(party),
  });
}

/** A feeder meter for each neighbourhood: the fewer DERs behind one, the better it can tell who is right. */
function feedersOf(members: readonly Member[]): Feeder[] {
  return Array.from({ length: Math.ceil(members.length / DERS_PER_FEEDER) }, (_, i) => {
    const behind = members.slice(i * DERS_PER_FEEDER, (i + 1) * DERS_PER_FEEDER);
    const addresses = new Set(behind.map(({ address }) => address));
    return {
      source: sum(behind.map(({ fed }) => fed)),
      gainPpm: FEEDER_GAIN_PPM,
      feeds: (der) => addresses.has(der),
    };
  });
}

/** Enough for all the energy at the highest price, fees included. */
function costOf(energyWh: bigint, members: readonly Member[]): bigint {
  const highest = members.reduce((most, { price }) => (price > most ? price : most), 0n);
  return (energyWh * highest * 11n) / 10_000n + 1n;
}

function connectedTo(
  members: readonly Member[],
): ConstructorParameters<typeof AggregatorAgent>[0]["connected"] {
  const byAddress = new Map(
    members.map(({ address, aggregatorMeter, forecast, aggregatorGainPpm }) => [
      address,
      { source: aggregatorMeter, forecast, gainPpm: aggregatorGainPpm },
    ]),
  );
  return (der) => byAddress.get(der);
}
