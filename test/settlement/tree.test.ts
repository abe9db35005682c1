import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import { expect } from "chai";
import { concat, keccak256, toBeHex, ZeroHash } from "ethers";
import fc from "fast-check";

import { packEnergy, packRows, type RequestRow } from "../../agents/settlement/rows.ts";
import {
  commitmentOf,
  proofOf,
  rootOf,
  type SettledRequest,
  type SettledRow,
} from "../../agents/settlement/tree.ts";

const FLOW_ROOT = `0x${"f1".repeat(32)}`;

function rowsOf(accounts: number, epochs: number): RequestRow[] {
  return Array.from({ length: accounts }, (_, i) => ({
    account: BigInt(10 + 2 * i),
    price: BigInt(30_000 + i),
    powerW: 10_000n,
    energyWh: Array.from({ length: epochs }, (_, epoch) => BigInt(1_000 * (i + 1) + epoch)),
  }));
}

function requested(accounts: number, epochs: number): SettledRequest {
  return { requestId: 7n, rows: rowsOf(accounts, epochs) };
}

/** The same, swept: every row misses a little, and some are penalised. */
function swept(accounts: number, epochs: number): SettledRequest & Required<Pick<SettledRequest, "sweep">> {
  const rows = rowsOf(accounts, epochs);
  const shortfallsWh = rows.map(({ energyWh }, i) => energyWh.map((wh) => wh / BigInt(2 + i)));
  const penalties = rows.map((_, i) => BigInt(i * 100));
  return { requestId: 7n, rows, sweep: { shortfallsWh, penalties, flowRoot: FLOW_ROOT } };
}

/** The leaf that a row proves, hashed as contracts/libraries/FlowTree.sol does. */
function leafOf({ requests, shortfalls, penalties }: SettledRow): string {
  const requestLeaf = keccak256(concat(["0x01", requests]));
  return shortfalls === "0x" ? requestLeaf : keccak256(concat(["0x02", requestLeaf, shortfalls, penalties]));
}

function proven(settled: SettledRequest, account: bigint): SettledRow {
  const row = proofOf(settled, account);
  expect(row, `row of account ${account}`).to.not.be.undefined;
  return row!;
}

describe("Request tree", function () {
  it("of few rows is one leaf, whose root is the leaf itself", function () {
    const settled = requested(4, 4);
    expect(rootOf(settled)).to.equal(keccak256(concat(["0x01", packRows(settled.rows)])));
    for (const { account } of settled.rows) expect(proven(settled, account).proof).to.deep.equal([]);
  });

  it("has about thirty-two figures a leaf", function () {
    const leaves = (accounts: number, epochs: number): number => {
      const settled = requested(accounts, epochs);
      return new Set(settled.rows.map(({ account }) => proven(settled, account).requests)).size;
    };
    expect(leaves(32, 1)).to.equal(1);
    expect(leaves(33, 1)).to.equal(2);
    expect(leaves(8, 4)).to.equal(1);
    expect(leaves(9, 4)).to.equal(2);
    expect(leaves(18, 5)).to.equal(3);
    expect(leaves(3, 32)).to.equal(3);
    expect(leaves(3, 96)).to.equal(3);
  });

  it("proves every row of a request, swept or not, to OpenZeppelin's verification", function () {
    const size = fc.tuple(fc.integer({ min: 1, max: 18 }), fc.integer({ min: 1, max: 20 }), fc.boolean());
    fc.assert(
      fc.property(size, ([accounts, epochs, isSwept]) => {
        const settled = isSwept ? swept(accounts, epochs) : requested(accounts, epochs);
        for (const { account } of settled.rows) {
          const row = proven(settled, account);
          expect(SimpleMerkleTree.verify(rootOf(settled), leafOf(row), row.proof)).to.be.true;
        }
      }),
      { numRuns: 20 },
    );
  });

  it("says which row of the leaf is the account's, with its figures", function () {
    const settled = swept(11, 10); // three rows a leaf
    settled.rows.forEach((row, index) => {
      const { requestId, requests, shortfalls, penalties, rowInLeaf, flowRoot } = proven(
        settled,
        row.account,
      );
      expect({ requestId, flowRoot, rowInLeaf }).to.deep.equal({
        requestId: 7n,
        flowRoot: FLOW_ROOT,
        rowInLeaf: index % 3,
      });
      const from = index - rowInLeaf;
      expect(requests).to.equal(packRows(settled.rows.slice(from, from + 3)));
      expect(shortfalls).to.equal(concat(settled.sweep.shortfallsWh.slice(from, from + 3).map(packEnergy)));
      expect(penalties).to.equal(
        concat(settled.sweep.penalties.slice(from, from + 3).map((units) => toBeHex(units, 8))),
      );
    });
  });

  it("has no proof for an account that was not asked", function () {
    expect(proofOf(requested(3, 2), 11n)).to.be.undefined;
  });

  it("has neither shortfalls, penalties nor a flow root before the sweep", function () {
    const { shortfalls, penalties, flowRoot } = proven(requested(20, 4), 10n);
    expect({ shortfalls, penalties, flowRoot }).to.deep.equal({
      shortfalls: "0x",
      penalties: "0x",
      flowRoot: ZeroHash,
    });
  });

  it("does not prove another figure than was settled", function () {
    const settled = swept(40, 4);
    const row = proven(settled, 30n);
    const verifies = (change: Partial<SettledRow>): boolean =>
      SimpleMerkleTree.verify(rootOf(settled), leafOf({ ...row, ...change }), row.proof);
    const other = proven(settled, 10n);
    expect(verifies({})).to.be.true;
    for (const field of ["requests", "shortfalls", "penalties"] as const) {
      expect(verifies({ [field]: other[field] }), field).to.be.false;
    }
    expect(SimpleMerkleTree.verify(rootOf(settled), leafOf(row), other.proof)).to.be.false;
  });
});

describe("What ARIA stores for a request", function () {
  it("is the root until the sweep", function () {
    const settled = requested(20, 4);
    expect(commitmentOf(settled)).to.equal(rootOf(settled));
  });

  it("is the hash of swept root and flow root from the sweep on", function () {
    const settled = swept(20, 4);
    expect(rootOf(settled)).to.not.equal(rootOf(requested(20, 4)));
    expect(commitmentOf(settled)).to.equal(keccak256(concat([rootOf(settled), FLOW_ROOT])));
  });

  it("depends on every figure", function () {
    const settled = swept(20, 4);
    const { sweep } = settled;
    const changed: SettledRequest[] = [
      { ...settled, rows: settled.rows.map((row, i) => (i === 19 ? { ...row, price: 1n } : row)) },
      { ...settled, sweep: { ...sweep, flowRoot: ZeroHash } },
      { ...settled, sweep: { ...sweep, penalties: sweep.penalties.with(19, 1n) } },
      { ...settled, sweep: { ...sweep, shortfallsWh: sweep.shortfallsWh.with(0, [0n, 0n, 0n, 0n]) } },
    ];
    const commitments = [settled, ...changed].map(commitmentOf);
    expect(new Set(commitments).size).to.equal(commitments.length);
  });
});
