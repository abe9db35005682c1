import { expect } from "chai";
import { toQuantity } from "ethers";

import type { Connection } from "../../agents/chain/connection.ts";
import { ChainFollower } from "../../agents/chain/follower.ts";
import { NodeBehindError } from "../../agents/chain/endpoints.ts";
import { Recorder } from "../../agents/metering/recorder.ts";
import { SimulatedMeter } from "../../agents/metering/simulated-meter.ts";
import { genesisDigest, verifyChain } from "../../agents/metering/reading.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { ReadingStore } from "../../agents/store/store.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { type Chain, constant, startChain } from "../agents/community-stage.ts";

const METER = "0x00000000000000000000000000000000000000A1";

describe("A reorganisation", function () {
  this.timeout(120_000);

  let chain: Chain;
  let party: Connection;
  let store: ReadingStore;
  let told: [event: string, fields: Readonly<Record<string, unknown>>][];

  before(async function () {
    chain = await startChain();
  });

  after(async function () {
    await chain.close();
  });

  let keys = 600;
  beforeEach(async function () {
    party = await chain.link(developmentKey((keys += 1)));
    store = openSqliteStore(":memory:");
    told = [];
  });

  afterEach(async function () {
    party.close();
    await store.close();
  });

  const node = (method: string, ...params: unknown[]): Promise<unknown> =>
    party.provider.send(method, params);
  const snapshot = (): Promise<unknown> => node("evm_snapshot");
  const deposit = (amount: bigint): Promise<void> => party.deposit(amount);

  async function mine(blocks: number): Promise<void> {
    for (let i = 0; i < blocks; i += 1) await node("evm_mine");
  }

  function follower(confirmations = 0): ChainFollower {
    return new ChainFollower(party, store, 0, {
      confirmations,
      told: (event, fields) => told.push([event, fields]),
    });
  }

  function balanceIn({ ledger }: ChainFollower): bigint {
    const account = ledger.accountOf(party.wallet.address);
    return account === undefined ? 0n : ledger.balanceOf(account);
  }

  /** What one sees who reads the chain for the first time. */
  async function anew(): Promise<bigint> {
    const fresh = new ChainFollower(party, openSqliteStore(":memory:"), 0);
    await fresh.follow();
    return balanceIn(fresh);
  }

  for (const depth of [1, 5, 64]) {
    it(`of ${depth} blocks undoes what happened in them, and reads what happened instead`, async function () {
      const books = follower();
      await deposit(5n);
      const before = await snapshot();
      await deposit(7n);
      await mine(depth - 1);
      await books.follow();
      expect(balanceIn(books)).to.equal(12n);

      await node("evm_revert", before);
      await node("evm_setNextBlockTimestamp", toQuantity((await chain.clock.now()) + 100));
      await mine(1);
      const again = await chain.link(developmentKey(keys)); // with no memory of what was dropped
      await again.deposit(9n);
      again.close();
      await mine(depth);
      await books.follow();
      expect(told).to.deep.equal([["reorganised", { depth, from: told[0]?.[1]["from"], readAnew: false }]]);
      expect(balanceIn(books)).to.equal(14n);
      expect(balanceIn(books)).to.equal(await anew());
      expect(books.service.address).to.equal(chain.addresses.aria);
      expect(books.head.number).to.equal(await party.provider.getBlockNumber());
    });
  }

  it("after a pause of more blocks than are kept undoes nothing of what was before", async function () {
    const books = follower();
    const aria = party.ariaAt(chain.addresses.aria);
    const value = 1_000_000n * party.unit;
    await party.sender.send("join", aria.join.populateTransaction(10_000n, 30_000n, METER, { value }));
    await books.follow();
    await party.sender.send("leave", aria.leave.populateTransaction());
    await mine(70);
    await books.follow();
    const before = await snapshot();
    await mine(3);
    await books.follow();
    await node("evm_revert", before);
    await node("evm_setNextBlockTimestamp", toQuantity((await chain.clock.now()) + 100));
    await mine(4);
    await books.follow();
    expect(told.map(([event]) => event)).to.deep.equal(["reorganised"]);
    const account = books.ledger.accountOf(party.wallet.address);
    expect(account && books.service.view.agreements.get(account)?.status).to.equal("closed");
  });

  it("that leaves a shorter chain is followed at once", async function () {
    const books = follower();
    const before = await snapshot();
    await deposit(5n);
    await mine(5);
    await books.follow();
    await node("evm_revert", before);
    await node("evm_setNextBlockTimestamp", toQuantity((await chain.clock.now()) + 100));
    await mine(1);
    expect(await books.follow(), "no block is shown twice").to.deep.equal([]);
    expect([balanceIn(books), told.length]).to.deep.equal([0n, 1]);
  });

  it("deeper than is kept lets the chain be read anew", async function () {
    const books = follower();
    const before = await snapshot();
    await deposit(5n);
    await mine(70);
    await books.follow();
    await node("evm_revert", before);
    await node("evm_setNextBlockTimestamp", toQuantity((await chain.clock.now()) + 100));
    await mine(70);
    await books.follow();
    expect([balanceIn(books), told[0]?.[1]["readAnew"]]).to.deep.equal([0n, true]);
  });

  it("is not what a node does that is only behind: it is waited for", async function () {
    const books = follower();
    await mine(3);
    await books.follow();
    const { number } = books.head;
    const before = await snapshot();
    await mine(70);
    await books.follow();
    await node("evm_revert", before);
    await books.follow().then(
      () => expect.fail("it is too far behind to tell"),
      (error: unknown) => expect(error).to.be.instanceOf(NodeBehindError),
    );
    expect([books.head.number, told.length]).to.deep.equal([number + 70, 0]);
  });

  it("marks the readings that are stamped with dropped blocks, and the meter goes on in an unbroken chain", async function () {
    const books = follower();
    const recorder = new Recorder(store);
    recorder.add(new SimulatedMeter({ address: METER, source: constant(3_600n) }));
    await recorder.record(await books.follow());
    await mine(3);
    await recorder.record(await books.follow());
    const before = await snapshot();
    await mine(4);
    await recorder.record(await books.follow());
    const stamped = (await store.readingsBetween(METER, 0, Infinity))
      .slice(-4)
      .map(({ blockHash }) => blockHash);

    await node("evm_revert", before);
    await node("evm_setNextBlockTimestamp", toQuantity((await chain.clock.now()) + 100));
    await mine(9);
    await recorder.record(await books.follow());
    expect(await store.orphans()).to.deep.equal(new Set(stamped));
    const readings = await store.readingsBetween(METER, 0, Infinity);
    expect(verifyChain(readings, genesisDigest(METER))).to.deep.equal({ ok: true });
    expect(readings.at(-1)?.blockNumber).to.equal(await party.provider.getBlockNumber());
    const seconds = BigInt(readings.at(-1)!.blockTimestamp - readings[0]!.blockTimestamp);
    expect(readings.at(-1)!.registerWh - readings[0]!.registerWh, "no energy is lost").to.equal(seconds);
  });

  it("while nobody looked is found at the next start", async function () {
    const recorder = new Recorder(store);
    recorder.add(new SimulatedMeter({ address: METER, source: constant(3_600n) }));
    const before = await snapshot();
    await mine(2);
    const books = follower();
    await recorder.record(await books.follow());
    await mine(2);
    await recorder.record(await books.follow());
    const stamped = (await store.readingsBetween(METER, 0, Infinity)).map(({ blockHash }) => blockHash);
    await node("evm_revert", before);
    await node("evm_setNextBlockTimestamp", toQuantity((await chain.clock.now()) + 100));
    await mine(9);
    await follower().follow();
    expect([...(await store.orphans())]).to.have.members(stamped);
  });

  it("not deeper than the confirmations is not even noticed", async function () {
    const books = follower(3);
    await deposit(5n);
    await mine(3);
    const before = await snapshot();
    await mine(3);
    await books.follow();
    expect(balanceIn(books)).to.equal(5n);
    await node("evm_revert", before);
    await node("evm_setNextBlockTimestamp", toQuantity((await chain.clock.now()) + 100));
    await mine(4);
    await books.follow();
    expect([told, books.head.number]).to.deep.equal([[], (await party.provider.getBlockNumber()) - 3]);
  });
});
