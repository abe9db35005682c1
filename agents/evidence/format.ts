import { getAddress, isAddress } from "ethers";
import { z } from "zod/v4";

import type { StampedReading } from "../metering/reading.ts";
import { leafSchema } from "./commitment.ts";
import { toJson } from "./json.ts";

/**
 * The form of a Proof of Flow bundle: one meter's evidence for one epoch, as JSON that anyone can check. What each
 * field means is told in docs/evidence.md; schemas/bundle.schema.json is made from the schema below.
 */

export const BUNDLE_FORMAT = "proof-of-flow/bundle";
export const BUNDLE_VERSION = 1;

const hex = (bytes: number) => z.string().regex(new RegExp(`^0x[0-9a-f]{${2 * bytes}}$`));
const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .refine((text) => isAddress(text) && getAddress(text) === text, "must be checksummed");
const whole = z.number().int().nonnegative();
/** Integers of 64 bits, more than a JSON number holds, as decimal strings. */
const integer = z
  .string()
  .regex(/^(0|[1-9]\d{0,19})$/, { abort: true })
  .refine((text) => BigInt(text) < 2n ** 64n, "must be below 2^64")
  .transform(BigInt);
const epochNumber = whole.max(4_294_967_295);

const reading = z.strictObject({
  sequence: whole,
  registerWh: integer,
  powerW: integer,
  /** Number of the block it is stamped with, which stands among `blocks`. */
  block: whole,
  digest: hex(32),
});

const block = z.strictObject({
  number: whole,
  hash: hex(32),
  timestamp: whole,
  /** RLP; null where the chain's headers have other fields than those known here. */
  header: z
    .string()
    .regex(/^0x[0-9a-f]*$/)
    .refine((text) => text.length > 2 && text.length % 2 === 0, "must be bytes")
    .nullable(),
});

const statement = z.strictObject({
  der: address,
  epoch: epochNumber,
  energyWh: integer,
  readingsRoot: hex(32),
  firstBlock: whole,
  firstBlockHash: hex(32),
  lastBlock: whole,
  lastBlockHash: hex(32),
});

/** What binds the meter's word to the chain: the Aggregator's sweep, or the DER's dispute. */
const commitment = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("sweep"),
    transaction: hex(32),
    requestId: integer,
    flowRoot: hex(32),
    leaf: leafSchema,
    proof: z.array(hex(32)),
  }),
  z.strictObject({ kind: z.literal("dispute"), transaction: hex(32), disputeId: integer }),
]);

const common = {
  format: z.literal(BUNDLE_FORMAT),
  version: z.literal(BUNDLE_VERSION),
  chainId: integer,
  registry: address,
  aria: address,
  epochSeconds: z.number().int().positive(),
  /** The meter's address, or the number a party keeps its meter under. */
  meter: address,
  /** Whose key signed: the meter's own, or that of the party that keeps it. */
  signer: address,
  statement,
  signature: hex(65),
  /** What the first of all readings here follows: the digest of the reading before it, or the meter's genesis. */
  previousDigest: hex(32),
  /** The last reading before the epoch; null when the meter's chain begins in it. */
  before: reading.nullable(),
  readings: z.array(reading).min(1),
  /** The blocks that readings are stamped with, in their order. */
  blocks: z.array(block).min(1),
  proofs: z.strictObject({ first: z.array(hex(32)), last: z.array(hex(32)) }),
  commitment: commitment.nullable(),
};

/** What was requested, credited and claimed. Wh, W, and shares in 1/10,000. */
const claim = z.strictObject({
  requestedWh: integer,
  creditedWh: integer,
  claimWh: integer,
  powerW: integer,
  meterToleranceBps: integer,
  toleranceFloorWh: integer,
});

/** A DER behind the feeder meter, other than the one in dispute, and what its meter signed if it was asked. */
const neighbour = z.strictObject({
  account: integer,
  meter: address,
  statement: statement.nullable(),
  signature: hex(65).nullable(),
});

/** The holder's signature over all that stands before it: see seal.ts. */
const seal = hex(65);

export const bundleSchema = z.discriminatedUnion("role", [
  z.strictObject({ role: z.literal("der"), ...common, claim: claim.nullable(), seal }),
  z.strictObject({
    role: z.literal("aggregator"),
    ...common,
    leaves: z.array(leafSchema).min(1).nullable(),
    seal,
  }),
  z.strictObject({
    role: z.literal("feeder"),
    ...common,
    /** The Operator's number of this feeder; it may keep several. */
    feeder: whole,
    neighbours: z.array(neighbour),
    seal,
  }),
]);

export type Bundle = z.output<typeof bundleSchema>;
/** A bundle before it is sealed. */
export type Unsealed = OmitSeal<Bundle>;
type OmitSeal<Kind> = Kind extends unknown ? Omit<Kind, "seal"> : never;
export type Role = Bundle["role"];
export type Commitment = NonNullable<Bundle["commitment"]>;
export type Claim = z.output<typeof claim>;
export type Neighbour = z.output<typeof neighbour>;
type WireReading = z.output<typeof reading>;
export type WireBlock = z.output<typeof block>;

/** What a meter signed, without its readings. */
const signedStatement = z.strictObject({ statement, signature: hex(65) });
export type SignedStatement = z.output<typeof signedStatement>;

/** Reads a signed statement from JSON text; undefined for anything else. */
export function parseStatement(text: string): SignedStatement | undefined {
  try {
    return signedStatement.safeParse(JSON.parse(text)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Text is no bundle. */
export class BundleFormatError extends Error {
  override readonly name = "BundleFormatError";
}

/**
 * Reads a bundle from JSON text. Only the one text that `bundleJson` writes for it is taken, so that nothing can stand
 * in a file that is not checked.
 * @throws {BundleFormatError} for anything else
 */
export function parseBundle(text: string): Bundle {
  const parsed = bundleSchema.safeParse(jsonOf(text));
  if (!parsed.success) throw new BundleFormatError(firstIssue(parsed.error));
  if (bundleJson(parsed.data) !== text) {
    throw new BundleFormatError("expected JSON without white space, in the order of the schema");
  }
  return parsed.data;
}

/** A bundle as JSON text; the same bundle always gives the same text. */
export function bundleJson(bundle: Bundle): string {
  return toJson(bundle);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new BundleFormatError(`expected JSON: ${error.message}`);
    throw error;
  }
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  const at = issue?.path.map(String).join(".");
  const what = issue?.code === "unrecognized_keys" ? "unknown fields" : issue?.message; // whose names can be anything
  return `${at === undefined || at === "" ? "bundle" : at}: ${what ?? "malformed"}`;
}

// --------------------------------------------------------------------------------------------------------- Readings

/** The readings of a bundle in full: the last one before the epoch, and those of the epoch. */
export interface BundleReadings {
  readonly before: StampedReading | undefined;
  readonly readings: readonly StampedReading[];
}

/** The readings of a bundle, put together from what it says once for all of them. A missing block leaves gaps. */
export function readingsIn({ meter, previousDigest, before, readings, blocks }: Bundle): BundleReadings {
  const stamps = new Map(blocks.map((stamp) => [stamp.number, stamp]));
  let previous = previousDigest;
  const whole = ({
    sequence,
    registerWh,
    powerW,
    block: blockNumber,
    digest,
  }: WireReading): StampedReading => {
    const stamp = stamps.get(blockNumber);
    const full = {
      meter,
      sequence,
      registerWh,
      powerW,
      blockNumber,
      blockHash: stamp?.hash ?? "",
      previousDigest: previous,
      digest,
      blockTimestamp: stamp?.timestamp ?? -1,
    };
    previous = digest;
    return full;
  };
  const first = before === null ? undefined : whole(before);
  return { before: first, readings: readings.map(whole) };
}

/** The part of a bundle that holds readings, without what follows from the rest. */
export function wireReadings(
  { before, readings }: BundleReadings,
  headers: ReadonlyMap<number, string | undefined>,
): Pick<Bundle, "previousDigest" | "before" | "readings" | "blocks"> {
  const all = before === undefined ? readings : [before, ...readings];
  const blocks = new Map<number, WireBlock>();
  for (const { blockNumber, blockHash, blockTimestamp } of all) {
    const header = headers.get(blockNumber) ?? null;
    blocks.set(blockNumber, { number: blockNumber, hash: blockHash, timestamp: blockTimestamp, header });
  }
  return {
    previousDigest: all[0]?.previousDigest ?? "",
    before: before === undefined ? null : compact(before),
    readings: readings.map(compact),
    blocks: [...blocks.values()],
  };
}

function compact({ sequence, registerWh, powerW, blockNumber, digest }: StampedReading): WireReading {
  return { sequence, registerWh, powerW, block: blockNumber, digest };
}
