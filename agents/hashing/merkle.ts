import { keccak } from "./keccak.ts";

/**
 * A Merkle tree of the shape, and with the sorted pairs, of OpenZeppelin's library for JavaScript, whose proofs
 * OpenZeppelin's contracts check. That library takes fifty times as long, most of it to check and convert hex text.
 *
 * Node i has the children 2i + 1 and 2i + 2; the leaves fill the array from its end backwards.
 */

const HASH_BYTES = 32;

export class MerkleTree {
  readonly root: string;
  readonly leafCount: number;
  readonly #nodes: Buffer;

  /**
   * @param leaves 32 bytes each as 0x-hex, in the order in which proofs are asked for
   * @throws {RangeError} when there is none, or one is no such hash.
   */
  constructor(leaves: readonly string[]) {
    if (leaves.length === 0) throw new RangeError("a Merkle tree needs a leaf, received none");
    this.leafCount = leaves.length;
    this.#nodes = Buffer.alloc((2 * leaves.length - 1) * HASH_BYTES);
    for (const [i, leaf] of leaves.entries()) this.#node(this.#nodeOfLeaf(i)).set(hashBytes(leaf));
    for (let i = leaves.length - 2; i >= 0; i -= 1) {
      this.#node(i).set(pairHash(this.#node(2 * i + 1), this.#node(2 * i + 2)));
    }
    this.root = hex(this.#node(0));
  }

  /** The hashes that lead from the leaf at a place to the root. @throws {RangeError} when there is no such leaf. */
  proofOf(leaf: number): string[] {
    if (!(leaf >= 0 && leaf < this.leafCount))
      throw new RangeError(`expected a leaf from 0 to ${this.leafCount - 1}, received ${leaf}`);
    const proof: string[] = [];
    for (let node = this.#nodeOfLeaf(leaf); node > 0; node = Math.floor((node - 1) / 2)) {
      proof.push(hex(this.#node(node % 2 === 0 ? node - 1 : node + 1)));
    }
    return proof;
  }

  #nodeOfLeaf(leaf: number): number {
    return 2 * this.leafCount - 2 - leaf;
  }

  #node(i: number): Buffer {
    return this.#nodes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
  }
}

/** Whether a proof leads from a leaf to a root. @throws {RangeError} for what is no hash. */
export function provesMember(root: string, leaf: string, proof: readonly string[]): boolean {
  return root === hex(proof.reduce((node, sibling) => pairHash(node, hashBytes(sibling)), hashBytes(leaf)));
}

const pair = Buffer.alloc(2 * HASH_BYTES);

function pairHash(a: Uint8Array, b: Uint8Array): Uint8Array {
  const [low, high] = Buffer.compare(a, b) < 0 ? [a, b] : [b, a];
  pair.set(low);
  pair.set(high, HASH_BYTES);
  return keccak(pair);
}

function hashBytes(text: string): Uint8Array {
  const bytes = Buffer.from(text.slice(2), "hex");
  if (!text.startsWith("0x") || text.length !== 2 + 2 * HASH_BYTES || bytes.length !== HASH_BYTES)
    throw new RangeError(`expected 0x and 64 hex digits, received ${text}`);
  return bytes;
}

function hex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
}
