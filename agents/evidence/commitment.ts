import { z } from "zod/v4";

import { keccak, keccakHex } from "../hashing/keccak.ts";
import { merkleTree, provesMember } from "../hashing/merkle.ts";
import { toJson } from "./json.ts";

/**
 * The Aggregator's flow tree: what its meters say of every DER in every epoch of a request, committed to at the sweep
 * by its root. Leaves are salted, so that nobody can find a DER's readings by trying. Hashing: Statements.leafHash in
 * contracts/libraries/Statements.sol.
 */

export interface FlowLeaf {
  readonly account: bigint;
  readonly epoch: number;
  /** Wh, as measured: it may exceed what was requested. */
  readonly energyWh: bigint;
  /** Root over the Aggregator's readings; zero if it has none in the epoch. */
  readonly readingsRoot: string;
  readonly salt: string;
}

const bytes32 = z.string().regex(/^0x[0-9a-f]{64}$/);
export const leafSchema = z.strictObject({
  account: z
    .string()
    .regex(/^\d{1,10}$/, { abort: true })
    .transform(BigInt)
    .refine((account) => account < 2n ** 32n),
  epoch: z.number().int().nonnegative().max(4_294_967_295),
  energyWh: z
    .string()
    .regex(/^\d{1,18}$/, { abort: true })
    .transform(BigInt),
  readingsRoot: bytes32,
  salt: bytes32,
});

/** Two leaves of one DER and epoch would let the Aggregator show the one here and the other there. */
const leavesSchema = z
  .array(leafSchema)
  .min(1)
  .refine(
    (leaves) => new Set(leaves.map(placeOf)).size === leaves.length,
    "one leaf for each account and epoch",
  );

export class Commitment {
  readonly leaves: readonly FlowLeaf[];
  /** In ascending order, as OpenZeppelin's library puts the leaves of a tree. */
  readonly #hashes: readonly string[];
  readonly #tree: ReturnType<typeof merkleTree>;
  readonly #places: ReadonlyMap<string, number>;

  /** @param leaves at least one */
  constructor(leaves: readonly FlowLeaf[]) {
    this.leaves = leaves;
    this.#hashes = leaves.map(leafHash).sort();
    this.#tree = merkleTree(this.#hashes);
    this.#places = new Map(leaves.map((leaf, place) => [placeOf(leaf), place]));
  }

  /** Reads a commitment from JSON text. @throws ZodError or SyntaxError for anything else. */
  static parse(json: string): Commitment {
    return new Commitment(leavesSchema.parse(JSON.parse(json)));
  }

  get root(): string {
    return this.#tree.root;
  }

  leafOf(account: bigint, epoch: number): FlowLeaf | undefined {
    return this.leaves[this.#places.get(placeOf({ account, epoch })) ?? -1];
  }

  proofOf(leaf: FlowLeaf): string[] {
    return this.#tree.getProof(this.#hashes.indexOf(leafHash(leaf)));
  }

  json(): string {
    return toJson(this.leaves);
  }
}

/**
 * The hash of a leaf: as OpenZeppelin's StandardMerkleTree makes it of (uint32, uint32, uint64, bytes32, bytes32), which
 * its library does many times slower.
 */
export function leafHash({ account, epoch, energyWh, readingsRoot, salt }: FlowLeaf): string {
  const encoded = Buffer.alloc(5 * 32);
  encoded.writeUInt32BE(Number(account), 28);
  encoded.writeUInt32BE(epoch, 60);
  encoded.writeBigUInt64BE(energyWh, 88);
  encoded.write(readingsRoot.slice(2), 96, "hex");
  encoded.write(salt.slice(2), 128, "hex");
  return keccakHex(keccak(encoded));
}

/** Whether a leaf is of the tree with this root. */
export function provesLeaf(root: string, leaf: FlowLeaf, proof: readonly string[]): boolean {
  return provesMember(root, leafHash(leaf), proof);
}

function placeOf({ account, epoch }: Pick<FlowLeaf, "account" | "epoch">): string {
  return `${account} ${epoch}`;
}
