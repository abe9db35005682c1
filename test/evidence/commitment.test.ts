import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { expect } from "chai";
import { AbiCoder, keccak256, toBeHex, ZeroHash } from "ethers";

import { Commitment, type FlowLeaf } from "../../agents/evidence/commitment.ts";

const LEAF_TYPES = ["uint32", "uint32", "uint64", "bytes32", "bytes32"];

/** Leaves of some accounts in some epochs, each with its own salt. */
function leavesOf(accounts: number, epochs: number): FlowLeaf[] {
  return Array.from({ length: accounts * epochs }, (_, i) => ({
    account: BigInt(1 + Math.floor(i / epochs)),
    epoch: 1_980_000 + (i % epochs),
    energyWh: BigInt(100 * i),
    readingsRoot: toBeHex(1_000 + i, 32),
    salt: toBeHex(9_000 + i, 32),
  }));
}

function values({ account, epoch, energyWh, readingsRoot, salt }: FlowLeaf): unknown[] {
  return [account, epoch, energyWh, readingsRoot, salt];
}

describe("Commitment", function () {
  it("to one leaf has the leaf's hash, as the contracts compute it, for a root", function () {
    const [leaf] = leavesOf(1, 1);
    const packed = AbiCoder.defaultAbiCoder().encode(LEAF_TYPES, values(leaf!));
    const commitment = new Commitment([leaf!]);
    expect(commitment.root).to.equal(keccak256(keccak256(packed)));
    expect(commitment.proofOf(leaf!)).to.deep.equal([]);
  });

  it("proves each leaf to OpenZeppelin's verification, and no other figure", function () {
    const commitment = new Commitment(leavesOf(5, 3));
    for (const leaf of commitment.leaves) {
      const verifies = (change: Partial<FlowLeaf>): boolean =>
        StandardMerkleTree.verify(
          commitment.root,
          LEAF_TYPES,
          values({ ...leaf, ...change }),
          commitment.proofOf(leaf),
        );
      expect(verifies({})).to.be.true;
      expect(verifies({ account: leaf.account + 1n }), "account").to.be.false;
      expect(verifies({ epoch: leaf.epoch + 1 }), "epoch").to.be.false;
      expect(verifies({ energyWh: leaf.energyWh + 1n }), "energyWh").to.be.false;
      expect(verifies({ readingsRoot: ZeroHash }), "readingsRoot").to.be.false;
      expect(verifies({ salt: ZeroHash }), "salt").to.be.false;
    }
  });

  it("finds the leaf of an account in an epoch", function () {
    const commitment = new Commitment(leavesOf(5, 3));
    for (const leaf of commitment.leaves) {
      expect(commitment.leafOf(leaf.account, leaf.epoch)).to.equal(leaf);
    }
    expect(commitment.leafOf(6n, 1_980_000)).to.be.undefined;
    expect(commitment.leafOf(1n, 1_980_003)).to.be.undefined;
    expect(commitment.leafOf(11_980_000n, 0)).to.be.undefined;
  });

  it("hides what is not shown: the same figures with other salts have another root", function () {
    const leaves = leavesOf(2, 2);
    const salted = leaves.map((leaf) => ({ ...leaf, salt: ZeroHash }));
    expect(new Commitment(salted).root).to.not.equal(new Commitment(leaves).root);
  });

  it("comes back from JSON text as it was", function () {
    const commitment = new Commitment(leavesOf(4, 2));
    const parsed = Commitment.parse(commitment.json());
    expect(parsed.leaves).to.deep.equal(commitment.leaves);
    expect(parsed.root).to.equal(commitment.root);
    expect(parsed.json()).to.equal(commitment.json());
  });

  describe("cannot be read", function () {
    const [leaf] = JSON.parse(new Commitment(leavesOf(1, 1)).json()) as [Record<string, unknown>];

    for (const text of ["", "{}", "null", "[", "[]", "[null]", '["0x00"]']) {
      it(`from ${text || "nothing"}`, function () {
        expect(() => Commitment.parse(text)).to.throw();
      });
    }

    for (const field of Object.keys(leaf)) {
      it(`without ${field}`, function () {
        expect(() => Commitment.parse(JSON.stringify([{ ...leaf, [field]: undefined }]))).to.throw();
      });
    }

    const malformed: Record<string, unknown> = {
      account: "-1",
      epoch: 2 ** 32,
      energyWh: "1.5",
      readingsRoot: "0x00",
      salt: `0x${"AA".repeat(32)}`,
      more: 1,
    };
    for (const [field, value] of Object.entries(malformed)) {
      it(`with ${field} ${JSON.stringify(value)}`, function () {
        expect(() => Commitment.parse(JSON.stringify([{ ...leaf, [field]: value }]))).to.throw();
      });
    }
  });
});
