import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import { expect } from "chai";
import { keccak256, sha256, toBeHex, toUtf8Bytes } from "ethers";

import {
  provesReadings,
  READINGS_PER_CHECKPOINT,
  readingsProofs,
  readingsRoot,
} from "../../agents/evidence/readings-tree.ts";
import { type StampedReading, verifyChain } from "../../agents/metering/reading.ts";
import { readingsFrom } from "./metered-epoch.ts";

/** Readings that differ in their digests alone: the tree looks at nothing else. */
function readings(count: number): StampedReading[] {
  const [one] = readingsFrom(100, 100);
  return Array.from({ length: count }, (_, i) => ({ ...one!, digest: sha256(toBeHex(i, 32)) }));
}

function withDigest(all: readonly StampedReading[], at: number): StampedReading[] {
  return all.with(at, { ...all[at]!, digest: sha256(toUtf8Bytes("another")) });
}

/** Places of the digests that are leaves. */
const CHECKPOINTS: Readonly<Record<number, readonly number[]>> = {
  1: [0],
  63: [62],
  64: [63],
  65: [63, 64],
  128: [63, 127],
  200: [63, 127, 191, 199],
};

describe("The tree over an epoch's readings", function () {
  it("has every 64th reading for a leaf", function () {
    expect(READINGS_PER_CHECKPOINT).to.equal(64);
  });

  for (const [text, places] of Object.entries(CHECKPOINTS)) {
    const count = Number(text);
    const all = readings(count);
    const leaves = places.map((place) => all[place]!.digest);

    describe(`of ${count}`, function () {
      it(`has a root over ${leaves.length} of them, as OpenZeppelin's library makes it`, function () {
        expect(readingsRoot(all)).to.equal(SimpleMerkleTree.of(leaves, { sortLeaves: false }).root);
        if (leaves.length === 1) expect(readingsRoot(all)).to.equal(all.at(-1)!.digest);
      });

      it("proves the first and the last to OpenZeppelin's verification", function () {
        const { first, last } = readingsProofs(all);
        const root = readingsRoot(all);
        expect(SimpleMerkleTree.verify(root, leaves[0]!, [...first])).to.be.true;
        expect(SimpleMerkleTree.verify(root, leaves.at(-1)!, [...last])).to.be.true;
        expect(provesReadings(root, all, { first, last })).to.be.true;
      });

      it("proves nothing with other proofs, another root or other readings", function () {
        const { first, last } = readingsProofs(all);
        const root = readingsRoot(all);
        const node = keccak256("0x");
        expect(provesReadings(root, all, { first: [...first, node], last })).to.be.false;
        expect(provesReadings(root, all, { first, last: [...last, node] })).to.be.false;
        if (first.length > 0) expect(provesReadings(root, all, { first: first.slice(1), last })).to.be.false;
        if (last.length > 0) expect(provesReadings(root, all, { first, last: last.slice(1) })).to.be.false;
        expect(provesReadings(node, all, { first, last })).to.be.false;
        expect(provesReadings(root, withDigest(all, places[0]!), { first, last })).to.be.false;
        expect(provesReadings(root, withDigest(all, count - 1), { first, last })).to.be.false;
        expect(provesReadings(root, [], { first, last })).to.be.false;
      });

      it("changes with any digest at a checkpoint, and with no other", function () {
        // No other has to: a digest covers the one before it, so that a changed reading changes the digests of all that
        // follow up to the checkpoint. Where a digest was left as it was, verifyChain says so (see below).
        const root = readingsRoot(all);
        for (let at = 0; at < count; at += 1) {
          const other = readingsRoot(withDigest(all, at));
          if (places.includes(at)) expect(other, `reading ${at}`).to.not.equal(root);
          else expect(other, `reading ${at}`).to.equal(root);
        }
      });

      it("changes with a reading more or less at its end", function () {
        const root = readingsRoot(all);
        expect(readingsRoot([...all, readings(count + 1).at(-1)!])).to.not.equal(root);
        if (count > 1) expect(readingsRoot(all.slice(0, -1))).to.not.equal(root);
      });
    });
  }

  it("needs the chain of digests besides: it finds what is changed between checkpoints", function () {
    const all = readingsFrom(91, 95);
    const { previousDigest } = all[0]!;
    expect(verifyChain(all, previousDigest).ok).to.be.true;
    for (const [at, honest] of all.slice(0, -1).entries()) {
      const changes: Partial<StampedReading>[] = [
        { registerWh: honest.registerWh + 1n },
        { powerW: 1n },
        { sequence: 99 },
        { digest: keccak256("0x") },
      ];
      for (const change of changes) {
        const changed = all.with(at, { ...honest, ...change });
        expect(readingsRoot(changed)).to.equal(readingsRoot(all));
        expect(verifyChain(changed, previousDigest).ok, `reading ${at}`).to.be.false;
      }
    }
  });
});
