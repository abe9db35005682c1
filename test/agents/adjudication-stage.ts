/** A community in which somebody cheats in every epoch, each time in another way; for the tests of automatic rulings. */

import { expect } from "chai";
import { type JsonRpcProvider, toQuantity, Wallet } from "ethers";

import { blocksAt } from "../../agents/chain/blocks.ts";
import type { Connection } from "../../agents/chain/connection.ts";
import { ChainFollower } from "../../agents/chain/follower.ts";
import { nodeAt } from "../../agents/chain/node.ts";
import type { Dispute } from "../../agents/chain/service-view.ts";
import { readingsOf } from "../../agents/evidence/bundle.ts";
import { bundleJson, parseBundle } from "../../agents/evidence/format.ts";
import { type FlowStatement, signStatement, type Venue } from "../../agents/evidence/statement.ts";
import type { MeterSource } from "../../agents/metering/source.ts";
import type { Ruling } from "../../agents/operator/agent.ts";
import { packShortfalls, unpackShortfalls } from "../../agents/settlement/rows.ts";
import { proofOf } from "../../agents/settlement/tree.ts";
import { openSqliteReader, openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { startNode } from "../../scripts/demo/node.ts";
import { RULES } from "../../scripts/demo/terms.ts";
import type { ARIA } from "../../types/index.ts";
import {
  type Chain,
  Community,
  EPOCH_SECONDS,
  FIRST_BLOCK_AT,
  LAST_BLOCK_AT,
  type Plant,
  startChain,
} from "./community-stage.ts";
import { forgedBundle, type Material, statementOver } from "./forgery.ts";
import { Intermediary } from "./intermediary.ts";

/** 1800 Wh an epoch, of which 1440 are asked for. */
export const FULL_W = 7_200n;
const POWER_W = 10_000n;
const BASELINE_WH = 6_000n;
/** What one DER feeds in an epoch, what its own meter says and what the Aggregator's does, in W. */
export interface Flow {
  readonly fed?: bigint;
  readonly own?: bigint;
  readonly aggregator?: bigint;
}
export const NAMES = ["x", "y", "z", "remote"] as const;
export type Name = (typeof NAMES)[number];
/** One epoch's flows; who is not named feeds in full and is metered right. */
export type Flows = Partial<Record<Name, Flow>>;

/** By how many Wh the Aggregator sweeps more than it commits to, or less. */
export type Swept = Partial<Record<Name, bigint>>;

/** What a forger makes of its meter's readings: others, and a statement that differs from what they call for. */
export interface Forgery {
  readonly material: Material;
  readonly change?: Partial<FlowStatement>;
  /** Blocks that it stamps readings with, though the chain does not have them. */
  readonly foreign?: readonly ForeignBlock[];
}

/** A block that is in order in itself, but not on the chain. */
export interface ForeignBlock {
  readonly number: number;
  readonly hash: string;
  readonly timestamp: number;
  readonly header: string;
}
export type Forger = (epoch: number, room: Courtroom) => Promise<Forgery>;

/** Meters change at the last block of an epoch, so that what they count in one is its flow alone. */
const STEP_SECONDS = EPOCH_SECONDS - LAST_BLOCK_AT;
/** When the Operator looks for a second time. */
const MIDST_AT = 600;

export class Courtroom {
  readonly chain: Chain;
  readonly community: Community;
  readonly books: ChainFollower;
  readonly first: number;
  readonly toDer = new Intermediary();
  readonly toAggregator = new Intermediary();
  /** By epoch. */
  readonly swept = new Map<number, Swept>();
  /** By the epoch that they lie in. */
  readonly foreigners = new Map<number, ForeignBlock>();
  readonly #x: Connection;
  readonly #auditor: Connection;
  readonly #plants: readonly Plant[];

  private constructor(
    chain: Chain,
    first: number,
    plants: readonly Plant[],
    x: Connection,
    auditor: Connection,
  ) {
    this.chain = chain;
    this.first = first;
    this.#plants = plants;
    this.community = new Community(chain, plants);
    this.#x = x;
    this.#auditor = auditor;
    this.books = new ChainFollower(auditor, openSqliteStore(":memory:"), 0);
  }

  /** @param epochs the flows of each epoch, from the first one on */
  static async open(epochs: readonly Flows[]): Promise<Courtroom> {
    const chain = await startChain();
    const first = Math.floor((await chain.clock.now()) / EPOCH_SECONDS) + 4;
    const plants = NAMES.map((name) => plantOf(name, first, epochs));
    const auditor = await chain.link(developmentKey(9));
    const courtroom = new Courtroom(chain, first, plants, await chain.link(developmentKey(100)), auditor);
    await courtroom.#prepare(epochs.length);
    return courtroom;
  }

  async #prepare(count: number): Promise<void> {
    const { chain, community, first } = this;
    await community.start(BASELINE_WH, first, count, (link) => ({
      ...link,
      ariaAt: (address) => this.#sweepingOtherwise(link.ariaAt(address)),
    }));
    const der = community.addressOf(this.#plants[0]!);
    const [derUrl, aggregatorUrl] = [await this.toDer.listen(), await this.toAggregator.listen()];
    this.toDer.standsFor(community.reroute(der, derUrl));
    this.toAggregator.standsFor(community.reroute(community.aggregator.address, aggregatorUrl));
    await chain.clock.moveTo((first - 2) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    for (const plant of this.#plants) await community.derOf(plant).advance();
    await community.operator.advance();
    await chain.clock.moveTo((first - 1) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await community.operator.advance();
    await community.aggregator.advance();
    await chain.clock.moveTo((first - 1) * EPOCH_SECONDS + LAST_BLOCK_AT);
  }

  /** ARIA for an Aggregator that sweeps other figures than its agent worked out, and committed to. */
  #sweepingOtherwise(aria: ARIA): ARIA {
    const sweepEpoch = {
      populateTransaction: (id: bigint, rows: string, shortfalls: string, root: string) =>
        aria.sweepEpoch.populateTransaction(id, rows, this.#otherShortfalls(id, shortfalls), root),
    };
    return new Proxy(aria, {
      get: (target, name) => (name === "sweepEpoch" ? sweepEpoch : (Reflect.get(target, name) as unknown)),
    });
  }

  #otherShortfalls(requestId: bigint, packed: string): string {
    const { view } = this.books.service;
    const request = view.requests.get(requestId)!;
    const swept = this.swept.get(request.firstEpoch) ?? {};
    const moreWh = new Map(Object.entries(swept).map(([name, wh]) => [this.accountOf(name as Name), wh]));
    const rows = view.rowsOf(request);
    return packShortfalls(
      unpackShortfalls(packed, request.count).map(([wh], i) => [wh! - (moreWh.get(rows[i]!.account) ?? 0n)]),
    );
  }

  /** The accounts and epochs for which the contract fined the Aggregator by a contradiction, and how much. */
  async contradictions(): Promise<{ account: bigint; epoch: number; fine: bigint }[]> {
    const aria = this.#auditor.ariaAt(this.venue.aria);
    const events = await aria.queryFilter(aria.filters.ContradictionProven());
    return events.map(({ args: { disputeId, account, fine } }) => {
      return { account, epoch: Number(disputeId & 0xffff_ffffn), fine };
    });
  }

  /**
   * Lets an epoch pass; as it begins the one before is swept, disputed, and what else is done about it.
   * @param within what is done in the midst of the epoch
   */
  async play(epoch: number, meanwhile?: () => Promise<void>, within?: () => Promise<void>): Promise<void> {
    const { clock } = this.chain;
    const { aggregator, operator } = this.community;
    await clock.moveTo(epoch * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await aggregator.advance();
    for (const plant of this.#plants) await this.community.derOf(plant).advance();
    await this.books.follow();
    await meanwhile?.();
    await this.community.derOf(this.#plants[0]!).advance();
    await operator.advance();
    await within?.();
    await clock.moveTo(epoch * EPOCH_SECONDS + MIDST_AT);
    await operator.advance();
    await clock.moveTo(epoch * EPOCH_SECONDS + LAST_BLOCK_AT);
  }

  /** Makes a block that was on the chain once: the chain is taken back, and will go another way. */
  async orphanBlock(epoch: number): Promise<void> {
    const { provider } = this.#auditor;
    const before: unknown = await provider.send("evm_snapshot", []);
    await this.chain.clock.moveTo(epoch * EPOCH_SECONDS + MIDST_AT - 10);
    const orphan = await newestBlock(provider);
    await provider.send("evm_revert", [before]);
    expect(await provider.getBlockNumber()).to.equal(orphan.number - 1);
    this.foreigners.set(epoch, orphan);
  }

  /** Makes a block of the same number and time, on another chain with the same chain id. */
  async makeBlockElsewhere(epoch: number): Promise<void> {
    const number = (await this.#auditor.provider.getBlockNumber()) + 1;
    const node = await startNode();
    const provider = nodeAt(node.url);
    try {
      await provider.send("hardhat_mine", [toQuantity(number - 1)]);
      await provider.send("evm_mine", [toQuantity(epoch * EPOCH_SECONDS + MIDST_AT)]);
      const foreign = await newestBlock(provider);
      expect(foreign.number).to.equal(number);
      this.foreigners.set(epoch, foreign);
    } finally {
      provider.destroy();
      await node.stop();
    }
  }

  get venue(): Venue {
    return { chainId: this.#x.chainId, aria: this.books.service.address };
  }

  get meterOfX(): Wallet {
    return new Wallet(this.community.meterKeyOf(this.#plants[0]!));
  }

  get addressOfX(): string {
    return this.community.addressOf(this.#plants[0]!);
  }

  accountOf(name: Name): bigint {
    return this.books.ledger.accountOf(this.community.addressOf(this.#plants[NAMES.indexOf(name)]!)) ?? 0n;
  }

  /** What X's meter has of an epoch. */
  async read(epoch: number): Promise<Material> {
    const store = openSqliteReader(this.community.storeFile("x"));
    try {
      const meter = this.meterOfX.address;
      return await readingsOf(store, { meter, epoch, epochSeconds: EPOCH_SECONDS });
    } finally {
      await store.close();
    }
  }

  /** X disputes an epoch with a forged statement, and shows the Operator what it forged. */
  async forge(epoch: number, forger: Forger): Promise<void> {
    const { material, change, foreign = [] } = await forger(epoch, this);
    const headers = new Map(foreign.map(({ number, header }) => [number, header]));
    this.toDer.tamper(epoch, async (honest) =>
      bundleJson(await forgedBundle(parseBundle(honest), material, this.meterOfX, change, headers)),
    );
    const statement = statementOver(this.addressOfX, epoch, material, change);
    await this.#x.deposit(RULES.disputeBond);
    await this.dispute(statement, await signStatement(this.meterOfX, this.venue, statement), epoch);
  }

  /** X raises a dispute about an epoch, whatever the statement says. */
  async dispute(statement: FlowStatement, signature: string, epoch: number): Promise<void> {
    const { view } = this.books.service;
    const account = this.accountOf("x");
    const row = proofOf(view.settledRequest(view.entryOf(account, epoch)!.request), account)!;
    await this.#x.send(
      "raiseDisputeEvent",
      this.#x.ariaAt(this.venue.aria).raiseDisputeEvent.populateTransaction(statement, signature, row),
    );
  }

  /** Anyone proves that X's meter signed two statements of one epoch. */
  async prove(
    first: FlowStatement,
    firstSignature: string,
    second: FlowStatement,
    secondSignature: string,
  ): Promise<void> {
    const account = this.accountOf("x");
    await this.#auditor.send(
      "proveEquivocation",
      this.#auditor
        .ariaAt(this.venue.aria)
        .proveEquivocation.populateTransaction(account, first, firstSignature, second, secondSignature),
    );
  }

  disputeOf(name: Name, epoch: number): Dispute | undefined {
    return this.books.service.view.disputes.get((this.accountOf(name) << 32n) | BigInt(epoch));
  }

  rulingOn(name: Name, epoch: number): Ruling | undefined {
    const account = this.accountOf(name);
    return this.community.operator.rulings.find(
      ({ dispute }) => dispute.account === account && dispute.epoch === epoch,
    );
  }

  async close(): Promise<void> {
    this.toDer.close();
    this.toAggregator.close();
    await this.community.close();
    this.#x.close();
    this.#auditor.close();
    await this.chain.close();
  }
}

async function newestBlock(provider: JsonRpcProvider): Promise<ForeignBlock> {
  const number = await provider.getBlockNumber();
  const { hash, timestamp, rlp } = (await blocksAt(provider, [number])).get(number)!;
  return { number, hash, timestamp, header: rlp! };
}

function plantOf(name: Name, first: number, epochs: readonly Flows[]): Plant {
  const source = (read: (flow: Flow) => bigint | undefined): MeterSource => ({
    stepSeconds: STEP_SECONDS,
    powerW: (instant) => {
      const epoch = Math.floor((instant + STEP_SECONDS) / EPOCH_SECONDS);
      const flow = epochs[epoch - first]?.[name];
      return (flow && (read(flow) ?? flow.fed)) ?? FULL_W;
    },
  });
  return {
    name,
    powerW: POWER_W,
    price: 20_000n + BigInt(NAMES.indexOf(name)),
    forecast: { stepSeconds: STEP_SECONDS, powerW: () => FULL_W },
    fed: source(({ fed }) => fed),
    ownMeterSees: source(({ own }) => own),
    aggregatorSees: source(({ aggregator }) => aggregator),
    remote: name === "remote",
  };
}
