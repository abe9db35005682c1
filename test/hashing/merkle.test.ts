import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import { expect } from "chai";
import { hexlify, keccak256 } from "ethers";
import fc from "fast-check";

import { keccak, keccakHex } from "../../agents/hashing/keccak.ts";
import { merkleTree, provesMember } from "../../agents/hashing/merkle.ts";

const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => hexlify(bytes));

describe("Keccak", function () {
  it("is that of ethers, whatever the length", function () {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => {
        expect(keccakHex(bytes)).to.equal(keccak256(bytes));
        expect(hexlify(keccak(bytes))).to.equal(keccak256(bytes));
      }),
    );
  });

  it("hashes a part of a buffer alone", function () {
    const bytes = Buffer.from("0011223344556677", "hex");
    expect(keccakHex(bytes.subarray(2, 5))).to.equal(keccak256("0x223344"));
  });
});

describe("Merkle tree", function () {
  it("has the root and the proofs of OpenZeppelin's library with its own hash", function () {
    fc.assert(
      fc.property(fc.array(hashes, { minLength: 1, maxLength: 40 }), (leaves) => {
        const [ours, theirs] = [merkleTree(leaves), SimpleMerkleTree.of(leaves, { sortLeaves: false })];
        expect(ours.root).to.equal(theirs.root);
        for (const [i, leaf] of leaves.entries()) {
          expect(ours.getProof(i)).to.deep.equal(theirs.getProof(i));
          expect(provesMember(ours.root, leaf, ours.getProof(i))).to.be.true;
        }
      }),
      { numRuns: 40 },
    );
  });

  it("does not prove what is no leaf, nor with another proof or root", function () {
    const leaves = Array.from({ length: 11 }, (_, i) => keccak256(`0x0${i.toString(16)}`));
    const tree = merkleTree(leaves);
    const [leaf, other] = [leaves[4]!, leaves[5]!];
    const proof = tree.getProof(4);
    expect(provesMember(tree.root, other, proof)).to.be.false;
    expect(provesMember(other, leaf, proof)).to.be.false;
    expect(provesMember(tree.root, leaf, proof.slice(1))).to.be.false;
    expect(provesMember(tree.root, leaf, [...proof, other])).to.be.false;
    expect(provesMember(tree.root, leaf, [...proof].reverse())).to.be.false;
  });

  it("refuses to be without leaves, and what is no hash", function () {
    expect(() => merkleTree([])).to.throw("non-zero number of leaves");
    const leaf = keccak256("0x");
    for (const malformed of ["", `${leaf}00`, `0x${"zz".repeat(32)}`])
      expect(() => merkleTree([leaf, malformed]), malformed).to.throw();
  });
});
