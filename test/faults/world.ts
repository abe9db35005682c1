/** A small community of programs on anvil, each behind a node of its own that can be made to fail. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "chai";
import { computeAddress } from "ethers";

import { connect, type Connection } from "../../agents/chain/connection.ts";
import { ChainFollower } from "../../agents/chain/follower.ts";
import { fee, payment } from "../../agents/settlement/rules.ts";
import { openSqliteReader, openSqliteStore } from "../../agents/store/sqlite.ts";
import { genesisDigest, verifyChain } from "../../agents/metering/reading.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { ChainClock } from "../../scripts/demo/chain-clock.ts";
import { type Addresses, Deployment } from "../../scripts/demo/deployment.ts";
import { RULES } from "../../scripts/demo/terms.ts";
import { FaultyNode } from "../chain/faulty-node.ts";
import { Anvil } from "./anvil.ts";
import { Supervised } from "./supervised.ts";

const EPOCH_SECONDS = Number(RULES.epochSeconds);
const [FIRST_BLOCK_AT, MIDST_AT, LAST_BLOCK_AT] = [5, 300, 895];
const GENESIS = 1_781_913_600;
const CHAIN_ID = 31_337;
const COINS = 1_000n * 10n ** 18n;
const PRICES = [20_000n, 30_000n];
const POWER_W = 7_200;
/** What each DER feeds in an epoch: 7200 W for 900 s. Of this, promisedPercent is asked. */
const FED_WH = 1_800n;
const ASKED_WH = 1_440n;
const WAIT_MS = 240_000;
/** Some polls: all have seen the newest block by then. */
const SEEN_MS = 1_500;

export type Name = "operator" | "aggregator" | "der1" | "der2";
const NAMES: readonly Name[] = ["operator", "aggregator", "der1", "der2"];
const WALLETS: Readonly<Record<Name, string>> = {
  operator: developmentKey(1),
  aggregator: developmentKey(2),
  der1: developmentKey(101),
  der2: developmentKey(102),
};
const METERS = [developmentKey(201), developmentKey(202)];
const DERS = [computeAddress(WALLETS.der1), computeAddress(WALLETS.der2)];

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), "faults-"));
  readonly agents = new Map<Name, Supervised>();
  readonly nodes = new Map<Name, FaultyNode>();
  readonly epochs: readonly number[];
  /** The epoch that the clock was set to last. */
  epoch = 0;
  anvil!: Anvil;
  clock!: ChainClock;
  addresses!: Addresses;
  #deployment!: Deployment;
  #auditor!: Connection;

  /** @param count epochs that are ordered */
  constructor(count: number) {
    const first = Math.floor(GENESIS / EPOCH_SECONDS) + 5;
    this.epochs = Array.from({ length: count }, (_, i) => first + i);
  }

  async open(): Promise<void> {
    this.anvil = await Anvil.start(join(this.folder, "anvil.json"), GENESIS);
    this.clock = new ChainClock(this.anvil.url);
    const guardian = computeAddress(developmentKey(0));
    const [operator, aggregator] = [computeAddress(WALLETS.operator), computeAddress(WALLETS.aggregator)];
    this.#deployment = new Deployment(this.anvil.url, { operator, aggregator, guardian });
    this.addresses = await this.#deployment.community();
    const { registry } = this.addresses;
    this.#auditor = await connect({ rpcUrl: this.anvil.url, registry, privateKey: developmentKey(9) });
    for (const name of NAMES) {
      await this.clock.endow(computeAddress(WALLETS[name]), COINS);
      const node = new FaultyNode(this.anvil.url);
      this.nodes.set(name, node);
      this.agents.set(name, this.#program(name, await node.listen()));
    }
  }

  async close(): Promise<void> {
    for (const agent of this.agents.values()) await agent.stop();
    for (const node of this.nodes.values()) node.close();
    this.#auditor.close();
    this.clock.close();
    await this.anvil.stop();
    this.#deployment.close();
    rmSync(this.folder, { recursive: true });
  }

  agent(name: Name): Supervised {
    return this.agents.get(name)!;
  }

  node(name: Name): FaultyNode {
    return this.nodes.get(name)!;
  }

  configOf(name: Name): string {
    return join(this.folder, `${name}.json`);
  }

  storeOf(name: Name): string {
    return join(this.folder, `${name}.sqlite`);
  }

  envOf(name: Name): Record<string, string> {
    const meter = METERS[Number(name.at(-1)) - 1];
    return { WALLET_KEY: WALLETS[name], ...(meter && { METER_KEY: meter }) };
  }

  /** Starts an agent again, under limits of the shell or under none. */
  async limit(name: Name, limits: string | undefined): Promise<void> {
    await this.agent(name).stop();
    const limited = new Supervised(name, this.configOf(name), this.envOf(name), limits);
    this.agents.set(name, limited);
    limited.start();
  }

  #program(name: Name, rpcUrl: string): Supervised {
    const common = {
      rpcUrl,
      chainId: CHAIN_ID,
      registry: this.addresses.registry,
      store: this.storeOf(name),
      walletKey: "WALLET_KEY",
      pollSeconds: 0.1,
      log: { level: "debug" },
      gas: { bumpAfterSeconds: 3 },
    };
    const source = {
      kind: "battery",
      capacityWh: POWER_W * 24,
      dischargeW: POWER_W,
      windowStartSeconds: 0,
      windowEndSeconds: 86_400,
    };
    const first = this.epochs[0]!;
    const own = {
      operator: {
        funds: { minimum: 100_000_000, target: 200_000_000 },
        epochsPerOrder: this.epochs.length,
        firstEpoch: first,
        untilEpoch: first + this.epochs.length,
        baselinePercent: 100,
        feeders: [{ ders: "all", sources: [source, source] }],
        inspected: "all",
        evidence: [],
      },
      aggregator: { meters: DERS.map((der) => ({ der, source })) },
      der1: { meterKey: "METER_KEY", powerW: 10_000, price: Number(PRICES[0]), source },
      der2: { meterKey: "METER_KEY", powerW: 10_000, price: Number(PRICES[1]), source },
    };
    writeFileSync(this.configOf(name), JSON.stringify({ ...common, ...own[name] }));
    return new Supervised(name, this.configOf(name), this.envOf(name));
  }

  // -------------------------------------------------------------------------------------------------------- The day

  /** Reads the chain anew, with a node that does not fail. */
  async books(): Promise<ChainFollower> {
    const store = openSqliteStore(":memory:");
    try {
      const books = new ChainFollower(this.#auditor, store, 0);
      await books.follow();
      return books;
    } finally {
      await store.close();
    }
  }

  /** Waits until the chain shows it. */
  async until(what: string, holds: (books: ChainFollower) => boolean): Promise<ChainFollower> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      try {
        const books = await this.books();
        if (holds(books)) return books;
      } catch (error) {
        if (!(error instanceof Error && ("code" in error || error.name === "NodeBehindError"))) throw error;
      }
      await sleep(150);
      if (Date.now() > deadline) throw new Error(`it did not come to this: ${what}\n${this.#outputs()}`);
    }
  }

  #outputs(): string {
    return [...this.agents].map(([name, { output }]) => `--- ${name}\n${output.slice(-1_500)}`).join("\n");
  }

  async moveTo(epoch: number, second: number): Promise<void> {
    this.epoch = epoch;
    await this.clock.moveTo(epoch * EPOCH_SECONDS + second);
  }

  /** All join, and the first epoch is requested. */
  async begin(): Promise<void> {
    const first = this.epochs[0]!;
    await this.moveTo(first - 2, FIRST_BLOCK_AT);
    for (const agent of this.agents.values()) agent.start();
    await this.until("all are commissioned, and the bond is posted", ({ service: { view } }) => {
      const active = [...view.agreements.values()].filter(({ status }) => status === "active");
      return active.length === DERS.length && view.bonded;
    });
    await this.moveTo(first - 1, FIRST_BLOCK_AT);
    await this.#requested(first);
    await this.moveTo(first - 1, LAST_BLOCK_AT);
  }

  /**
   * An epoch passes: the one before is swept, and the next one requested.
   * @param midst what happens in the middle of it; there is time then to do again what it undid
   */
  async play(epoch: number, midst?: () => Promise<unknown>): Promise<void> {
    await this.moveTo(epoch, FIRST_BLOCK_AT);
    await this.#dutiesDone(epoch);
    await midst?.();
    await this.moveTo(epoch, MIDST_AT);
    await this.#dutiesDone(epoch);
    await this.moveTo(epoch, LAST_BLOCK_AT);
  }

  /** Other blocks take the place of the last ones, and what was in two of these with transactions is gone. */
  async reorganise(depth: number): Promise<void> {
    const empty = Math.max(depth - 2, 0);
    if (empty > 0) await this.anvil.ask("anvil_mine", empty, 1);
    await sleep(SEEN_MS);
    await this.anvil.ask("anvil_reorg", depth, []);
  }

  async #dutiesDone(epoch: number): Promise<void> {
    if (epoch > this.epochs[0]!) await this.#swept(epoch - 1);
    if (epoch < this.epochs.at(-1)!) await this.#requested(epoch + 1);
  }

  /** The last epoch is swept, and all is paid out. */
  async end(): Promise<void> {
    const last = this.epochs.at(-1)!;
    await this.moveTo(last + 1, FIRST_BLOCK_AT);
    await this.#swept(last);
    await this.moveTo(last + 1, FIRST_BLOCK_AT + Number(RULES.disputeWindowSeconds) + 60);
    await this.until("escrow is released", ({ service: { view } }) =>
      [...view.requests.values()].every(({ released }) => released),
    );
  }

  async day(): Promise<void> {
    await this.begin();
    for (const epoch of this.epochs) await this.play(epoch);
    await this.end();
  }

  async #requested(epoch: number): Promise<void> {
    await this.until(`epoch ${epoch} is requested`, ({ service: { view } }) => view.requestedUntil > epoch);
  }

  async #swept(epoch: number): Promise<void> {
    await this.until(`epoch ${epoch} is swept`, ({ service: { view } }) =>
      [...view.requests.values()].some(
        ({ firstEpoch, sweep }) => firstEpoch === epoch && sweep !== undefined,
      ),
    );
  }

  // ------------------------------------------------------------------------------------------------------ The balance

  /**
   * The day settled: each DER was asked for each epoch once, credited what it fed of it, and paid just that; and all that
   * anybody paid in is still there.
   */
  async expectSettled(): Promise<void> {
    const { ledger, service } = await this.books();
    const { view, terms } = service;
    const requests = [...view.requests.values()];
    expect(requests.map(({ firstEpoch, count }) => [firstEpoch, count])).to.deep.equal(
      this.epochs.map((epoch) => [epoch, 1]),
    );
    expect(view.disputes.size, "nobody has anything to dispute").to.equal(0);
    let paid = 0n;
    for (const [i, der] of DERS.entries()) {
      const account = ledger.accountOf(der)!;
      const entries = this.epochs.map((epoch) => view.entryOf(account, epoch));
      expect(entries.map((entry) => entry?.requestedWh)).to.deep.equal(this.epochs.map(() => ASKED_WH));
      expect(entries.map((entry) => entry?.creditedWh)).to.deep.equal(this.epochs.map(() => ASKED_WH));
      const earned = entries.reduce((sum, entry) => sum + payment(entry?.creditedWh ?? 0n, PRICES[i]!), 0n);
      const [deposited, withdrawn] = [
        ledger.deposited.get(account) ?? 0n,
        ledger.withdrawn.get(account) ?? 0n,
      ];
      expect(ledger.balanceOf(account), `${der} is paid for each kWh once`).to.equal(
        deposited - withdrawn + earned,
      );
      expect(deposited, "it joined once").to.equal(1_050_000n);
      paid += earned;
    }
    const fees =
      BigInt(this.epochs.length) *
      fee(
        PRICES.reduce((sum, price) => sum + payment(ASKED_WH, price), 0n),
        RULES.feeBps,
      );
    const { aggregatorAccount, operatorAccount, escrowAccount } = terms;
    expect(ledger.balanceOf(aggregatorAccount)).to.equal(
      (ledger.deposited.get(aggregatorAccount) ?? 0n) + fees,
    );
    expect(ledger.deposited.get(aggregatorAccount), "one bond").to.equal(RULES.aggregatorBond);
    expect(ledger.balanceOf(operatorAccount)).to.equal(
      (ledger.deposited.get(operatorAccount) ?? 0n) - paid - fees,
    );
    expect(ledger.deposited.get(operatorAccount), "it paid in once").to.equal(200_000_000n);
    expect(ledger.balanceOf(escrowAccount)).to.equal(0n);
    await this.#expectChainAgrees(ledger);
    for (const [i, key] of METERS.entries())
      await this.#expectUnbroken(`der${i + 1}` as Name, computeAddress(key));
  }

  async #expectChainAgrees(ledger: ChainFollower["ledger"]): Promise<void> {
    for (const account of ledger.owners.keys()) {
      expect(await this.#auditor.vault.balanceOf(account)).to.equal(ledger.balanceOf(account));
    }
  }

  /** No reading that was told to anybody is lost, whatever happened. */
  async #expectUnbroken(name: Name, meter: string): Promise<void> {
    const store = openSqliteReader(this.storeOf(name));
    try {
      const readings = await store.readingsBetween(meter, 0, Infinity);
      expect(verifyChain(readings, genesisDigest(meter))).to.deep.equal({ ok: true });
      const [first, last] = [readings[0]!, readings.at(-1)!];
      const seconds = BigInt(last.blockTimestamp - first.blockTimestamp);
      const fed = (FED_WH * seconds) / BigInt(EPOCH_SECONDS);
      const lost = fed - (last.registerWh - first.registerWh);
      expect(lost >= -1n && lost <= BigInt(this.agent(name).starts), `${lost} Wh are lost`).to.be.true;
    } finally {
      await store.close();
    }
  }
}
