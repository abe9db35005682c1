import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { z } from "zod/v4";

import { toJson } from "./json.ts";

/**
 * The Aggregator's flow tree: what its meters say of every DER in every epoch of a request, committed to at the sweep
 * by its root. Leaves are salted, so that nobody can find a DER's readings by trying. Hashing: Statements.leafHash in
 * contracts/libraries/Statements.sol.
 */

const LEAF_TYPES = ["uint32", "uint32", "uint64", "bytes32", "bytes32"];

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
const leafSchema = z.strictObject({
  account: z
    .string()
    .regex(/^\d{1,10}$/)
    .transform(BigInt)
    .refine((account) => account < 2n ** 32n),
  epoch: z.number().int().nonnegative().max(4_294_967_295),
  energyWh: z
    .string()
    .regex(/^\d{1,18}$/)
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
  readonly #tree: StandardMerkleTree<unknown[]>;
  readonly #places: ReadonlyMap<string, number>;

  /** @param leaves at least one */
  constructor(leaves: readonly FlowLeaf[]) {
    this.leaves = leaves;
    this.#tree = StandardMerkleTree.of(leaves.map(valuesOf), LEAF_TYPES);
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
    return this.#tree.getProof(this.leaves.indexOf(leaf));
  }

  json(): string {
    return toJson(this.leaves);
  }
}

function valuesOf(leaf: FlowLeaf): unknown[] {
  return [leaf.account, leaf.epoch, leaf.energyWh, leaf.readingsRoot, leaf.salt];
}

function placeOf({ account, epoch }: Pick<FlowLeaf, "account" | "epoch">): string {
  return `${account} ${epoch}`;
}
