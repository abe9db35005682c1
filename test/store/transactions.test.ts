import { expect } from "chai";

import type { Bid, Intent } from "../../agents/store/transactions.ts";
import { describeEachStore, type Stage } from "./each-store.ts";
import { METER } from "./stage.ts";

const SENDER = METER;
const OTHER = "0x00000000000000000000000000000000000000A1";
/** More than 64 bits hold. */
const MUCH = 2n ** 200n;

const hash = (n: number): string => `0x${n.toString(16).padStart(64, "0")}`;
const intent = (nonce: number, sender = SENDER): Intent => ({
  sender,
  nonce,
  kind: "deposit",
  to: OTHER,
  data: nonce === 0 ? "0x" : "0x00ff",
  value: MUCH + BigInt(nonce),
  gasLimit: 21_000n,
});
const bid = (n: number, signedAt = 100): Bid => ({
  hash: hash(n),
  maxFeePerGas: MUCH + BigInt(n),
  maxPriorityFeePerGas: BigInt(n),
  signedAt,
});

describeEachStore("what was signed and sent", function (newStage) {
  let stage: Stage;

  beforeEach(async function () {
    stage = await newStage();
  });

  afterEach(async function () {
    await stage.remove();
  });

  it("is there again after a restart, by nonce, with all bids, the newest last", async function () {
    const second = await stage.store.transactions.addTransaction(intent(1), bid(9));
    const first = await stage.store.transactions.addTransaction(intent(0), bid(2));
    await stage.store.transactions.addTransaction(intent(0, OTHER), bid(3));
    await stage.store.transactions.addBid(second.id, bid(4));
    await stage.reopen();
    const { transactions } = stage.store;
    expect(await transactions.openTransactions(SENDER)).to.deep.equal([
      { ...intent(0), id: first.id, bids: [bid(2)] },
      { ...intent(1), id: second.id, bids: [bid(9), bid(4)] },
    ]);
    expect(await transactions.bidsAt(SENDER, 1)).to.deep.equal([bid(9), bid(4)]);
  });

  it("is open no more once it is known what became of it, but its bids are kept", async function () {
    const { transactions } = stage.store;
    let bids = 0;
    for (const [nonce, outcome] of [
      [0, { status: "mined", blockNumber: 7, cost: MUCH }],
      [1, { status: "displaced" }],
      [1, { status: "forgotten" }],
    ] as const) {
      const { id } = await transactions.addTransaction(intent(nonce), bid((bids += 1)));
      await transactions.closeTransaction(id, outcome);
    }
    expect(await transactions.openTransactions(SENDER)).to.deep.equal([]);
    expect(await transactions.bidsAt(SENDER, 1)).to.have.length(2);
    expect([
      await transactions.lastMinedBlock(SENDER),
      await transactions.lastMinedBlock(OTHER),
    ]).to.deep.equal([7, undefined]);
  });

  it("is open again when the chain drops the block it was in, and costs nothing then", async function () {
    const { transactions } = stage.store;
    for (const nonce of [0, 1, 2]) {
      const { id } = await transactions.addTransaction(intent(nonce), bid(nonce));
      await transactions.closeTransaction(id, { status: "mined", blockNumber: 10 + nonce, cost: 5n });
    }
    await transactions.reopenTransactions(SENDER, 10);
    expect((await transactions.openTransactions(SENDER)).map(({ nonce }) => nonce)).to.deep.equal([1, 2]);
    expect([
      await transactions.lastMinedBlock(SENDER),
      await transactions.costSince(SENDER, 0),
    ]).to.deep.equal([10, 5n]);
  });

  it("costs what was mined of the time, each once however often it was bid for", async function () {
    const { transactions } = stage.store;
    for (const [nonce, signedAt] of [
      [0, 99],
      [1, 100],
      [2, 101],
    ] as const) {
      const { id } = await transactions.addTransaction(intent(nonce), bid(nonce, signedAt));
      await transactions.addBid(id, bid(nonce + 10, signedAt));
      await transactions.closeTransaction(id, { status: "mined", blockNumber: 1, cost: MUCH });
    }
    expect(await transactions.costSince(SENDER, 100)).to.equal(2n * MUCH);
    expect(await transactions.costSince(OTHER, 0)).to.equal(0n);
  });

  it("and blocks that the chain dropped are kept, and told from those that readings are stamped with", async function () {
    const block = { number: 5, hash: hash(5), timestamp: 50 };
    await stage.store.saveOrphans([block, block]);
    await stage.reopen();
    expect(await stage.store.orphans()).to.deep.equal(new Set([hash(5)]));
    expect(await stage.store.stampsFrom(0)).to.deep.equal([]);
  });
});
