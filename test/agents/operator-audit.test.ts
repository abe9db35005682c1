import { expect } from "chai";
import { id } from "ethers";

import type { FlowRequest } from "../../agents/chain/service-view.ts";
import { Commitment, type FlowLeaf, provesLeaf } from "../../agents/evidence/commitment.ts";
import { type Contradiction, contradictionsIn } from "../../agents/operator/audit.ts";
import { packShortfalls } from "../../agents/settlement/rows.ts";
import { type Books, dispute, flowRequest, service } from "./situations.ts";

const [FIRST_EPOCH, COUNT] = [90, 2];
const ACCOUNTS = [5n, 6n] as const;
const ROWS = ACCOUNTS.map((account) => ({
  account,
  price: 30_000n,
  powerW: 10_000n,
  energyWh: [2_000n, 2_000n],
}));
/** 2,000 Wh were asked for of each in each epoch. */
const CREDITED = [
  [2_000n, 1_500n],
  [0n, 1_999n],
];
const HONEST = [
  [2_345n, 1_500n],
  [0n, 1_999n],
];

function leaf(account: bigint, epoch: number, energyWh: bigint): FlowLeaf {
  return {
    account,
    epoch,
    energyWh,
    readingsRoot: id("readings"),
    salt: id(`${account} ${epoch} ${energyWh}`),
  };
}

function leavesOf(energyWh: readonly (readonly bigint[])[]): FlowLeaf[] {
  return ACCOUNTS.flatMap((account, i) => energyWh[i]!.map((wh, at) => leaf(account, FIRST_EPOCH + at, wh)));
}

function contradictions(leaves: FlowLeaf[], books: Books = {}): Contradiction[] {
  const commitment = new Commitment(leaves);
  const shortfalls = CREDITED.map((row) => row.map((wh) => 2_000n - wh));
  const request: FlowRequest = flowRequest(
    FIRST_EPOCH,
    {
      count: COUNT,
      sweep: {
        flowRoot: commitment.root,
        packedShortfalls: packShortfalls(shortfalls),
        sweptAt: 0,
        transaction: "0x",
      },
    },
    ROWS,
  );
  return contradictionsIn(service({ requests: [request], ...books }), request, commitment);
}

function placesOf(found: readonly Contradiction[]): [bigint, number][] {
  return found.map(({ leaf: { account, epoch } }) => [account, epoch]);
}

describe("An audit of a sweep", function () {
  it("finds nothing where leaves say what was swept; what exceeds the request does not count", function () {
    expect(contradictions(leavesOf(HONEST))).to.deep.equal([]);
  });

  it("finds each leaf that says more, or less, than was swept, with what proves it", function () {
    const leaves = leavesOf([
      [1_999n, 1_501n],
      [1n, 1_999n],
    ]);
    const found = contradictions(leaves);
    expect(placesOf(found)).to.deep.equal([
      [5n, 90],
      [5n, 91],
      [6n, 90],
    ]);
    const { root } = new Commitment(leaves);
    for (const { row, leaf: shown, proof } of found) {
      expect(row).to.include({ requestId: 90n, flowRoot: root, rowInLeaf: shown.account === 5n ? 0 : 1 });
      expect(provesLeaf(root, shown, proof)).to.be.true;
    }
  });

  it("finds a second leaf of one account and epoch that says otherwise", function () {
    const found = contradictions([...leavesOf(HONEST), leaf(6n, 91, 7n)]);
    expect(found.map(({ leaf: { energyWh } }) => energyWh)).to.deep.equal([7n]);
  });

  it("leaves out leaves of what was not requested", function () {
    const others = [leaf(7n, 90, 1n), leaf(5n, 89, 1n), leaf(5n, 92, 1n)];
    expect(contradictions([...leavesOf(HONEST), ...others])).to.deep.equal([]);
  });

  it("leaves out what a ruling fined the Aggregator for, and nothing else that was disputed", function () {
    const leaves = leavesOf([
      [2_000n, 9n],
      [0n, 9n],
    ]);
    const ruled = (account: bigint, fault: "aggregator" | "der" | "none") =>
      dispute(0, { id: (account << 32n) | 91n, account, epoch: 91, status: "ruled", fault });
    const found = contradictions(leaves, { disputes: [ruled(5n, "aggregator"), ruled(6n, "none")] });
    expect(placesOf(found)).to.deep.equal([[6n, 91]]);
  });
});
