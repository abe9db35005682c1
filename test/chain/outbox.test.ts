import { expect } from "chai";

import { gasLimitOf, nextStep, outbidding, type Standing } from "../../agents/chain/outbox.ts";

const FEES = { maxFeePerGas: 100n, maxPriorityFeePerGas: 10n };
const BID = { ...FEES, hash: "0x", signedAt: 1_000 };
const INTENT = { nonce: 7, gasLimit: 50n, bids: [BID] };
const PATIENCE = { bumpAfterSeconds: 45, unknownAfterSeconds: 5 };
const WAITING: Standing = { mined: false, count: 7, pooled: true, market: FEES };

describe("What is done about a transaction that was signed", function () {
  const step = (standing: Partial<Standing>, age: number, budget?: bigint): object =>
    nextStep(INTENT, { ...WAITING, ...standing }, PATIENCE, budget, BID.signedAt + age);

  it("nothing but waiting, as long as the node has it and it is young", function () {
    expect(step({}, 0)).to.deep.equal({ kind: "wait" });
    expect(step({}, 44)).to.deep.equal({ kind: "wait" });
  });

  it("it is done with once it is mined, whatever else there is", function () {
    expect(step({ mined: true, count: 8, pooled: false }, 999)).to.deep.equal({ kind: "mined" });
  });

  it("it is given up when another one took its nonce, and never bid for again", function () {
    expect(step({ count: 8, pooled: false }, 0)).to.deep.equal({ kind: "displaced" });
    expect(step({ count: 8, pooled: true }, 999)).to.deep.equal({ kind: "displaced" });
  });

  it("its nonce is free again when the node does not have it after a while", function () {
    expect(step({ pooled: false }, 4)).to.deep.equal({ kind: "wait" });
    expect(step({ pooled: false }, 5)).to.deep.equal({ kind: "forgotten" });
  });

  it("it is raised at the same nonce when it is stuck: by an eighth, or to what is to be paid now", function () {
    expect(step({}, 45)).to.deep.equal({
      kind: "bump",
      fees: { maxFeePerGas: 113n, maxPriorityFeePerGas: 12n },
    });
    const market = { maxFeePerGas: 300n, maxPriorityFeePerGas: 9n };
    expect(step({ market }, 45)).to.deep.equal({
      kind: "bump",
      fees: { maxFeePerGas: 300n, maxPriorityFeePerGas: 12n },
    });
  });

  it("it is not raised beyond what is left to spend", function () {
    expect(step({}, 45, 113n * 50n)).to.have.property("kind", "bump");
    expect(step({}, 45, 113n * 50n - 1n)).to.deep.equal({ kind: "short" });
  });

  it("each bid is above each one before at its nonce, enough for a node to take it instead", function () {
    const second = { ...outbidding([BID], FEES), hash: "0x", signedAt: 0 };
    const third = outbidding([second, BID], { maxFeePerGas: 1n, maxPriorityFeePerGas: 1n });
    for (const fee of ["maxFeePerGas", "maxPriorityFeePerGas"] as const) {
      expect(second[fee] * 10n >= FEES[fee] * 11n && third[fee] * 10n >= second[fee] * 11n).to.be.true;
    }
    expect(outbidding([], FEES)).to.deep.equal(FEES);
  });

  it("the tip is never above the whole", function () {
    const tip = { ...BID, maxFeePerGas: 10n };
    expect(outbidding([tip], { maxFeePerGas: 1n, maxPriorityFeePerGas: 90n })).to.deep.equal({
      maxFeePerGas: 90n,
      maxPriorityFeePerGas: 90n,
    });
  });

  it("it may use a fifth more gas than when it was tried, up to what a transaction may", function () {
    expect([100_000n, 15_000_000n, 16_777_216n, 20_000_000n].map(gasLimitOf)).to.deep.equal([
      120_000n,
      16_777_216n,
      16_777_216n,
      20_000_000n,
    ]);
  });
});
