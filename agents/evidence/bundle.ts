import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import { getAddress, isAddress, keccak256, type Signer, toUtf8Bytes } from "ethers";
import { z } from "zod";

import { epochEnergyWh } from "../metering/epoch-energy.ts";
import type { StampedReading } from "../metering/reading.ts";
import type { ReadingStore, StoreReader } from "../store/store.ts";
import { toJson } from "./json.ts";
import { type FlowStatement, signStatement, type Venue } from "./statement.ts";

/**
 * A bundle is one meter's evidence for one DER in one epoch: its readings, hash-chained and blockstamped, and the
 * signed statement that commits to them. It is plain JSON, so that it can be sent, stored and checked by anyone.
 */

const hex = (bytes: number) => z.string().regex(new RegExp(`^0x[0-9a-f]{${2 * bytes}}$`));
const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .refine((text) => isAddress(text) && getAddress(text) === text, "must be checksummed");
const whole = z.number().int().nonnegative();
/** Integers that may exceed a JSON number, as decimal strings. */
const integer = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(BigInt);

const readingSchema = z.strictObject({
  meter: address,
  sequence: whole,
  registerWh: integer,
  powerW: integer,
  blockNumber: whole,
  blockHash: hex(32),
  previousDigest: hex(32),
  digest: hex(32),
  blockTimestamp: whole,
});

const statementSchema = z.strictObject({
  der: address,
  epoch: whole,
  energyWh: integer,
  readingsRoot: hex(32),
  firstBlock: whole,
  firstBlockHash: hex(32),
  lastBlock: whole,
  lastBlockHash: hex(32),
});

const bundleSchema = z.strictObject({
  version: z.literal(1),
  chainId: integer,
  aria: address,
  meter: address,
  statement: statementSchema,
  signature: hex(65),
  /** the last reading before the epoch; absent when the meter's chain begins in it */
  before: readingSchema.optional(),
  readings: z.array(readingSchema).min(1),
});

export type Bundle = z.output<typeof bundleSchema>;

/** Reads a bundle from JSON text. @throws ZodError or SyntaxError for anything else. */
export function parseBundle(json: string): Bundle {
  return bundleSchema.parse(JSON.parse(json));
}

/** A bundle as JSON text; the same bundle always gives the same text. */
export function bundleJson(bundle: Bundle): string {
  return toJson(bundle);
}

/** The hash that a ruling carries: over all the evidence it rests on, in a fixed order. */
export function evidenceHash(parts: readonly string[]): string {
  return keccak256(toUtf8Bytes(JSON.stringify(parts)));
}

/** Root of the Merkle tree over an epoch's readings, in their order. */
export function readingsRoot(readings: readonly StampedReading[]): string {
  return SimpleMerkleTree.of(
    readings.map((reading) => reading.digest),
    { sortLeaves: false },
  ).root;
}

export interface EpochOfMeter {
  readonly meter: string;
  readonly epoch: number;
  readonly epochSeconds: number;
}

/** What a meter measured in an epoch. */
export interface EpochReadings {
  readonly before: StampedReading | undefined;
  readonly readings: StampedReading[];
  readonly energyWh: bigint;
}

/** Reads an epoch from the store. */
export async function readingsOf(
  store: StoreReader,
  { meter, epoch, epochSeconds }: EpochOfMeter,
): Promise<EpochReadings> {
  const [from, to] = [epoch * epochSeconds, (epoch + 1) * epochSeconds];
  const before = await store.lastReadingBefore(meter, from);
  const readings = await store.readingsBetween(meter, from, to);
  return { before, readings, energyWh: epochEnergyWh(readings, before) };
}

export interface BundleRequest extends EpochOfMeter {
  readonly venue: Venue;
  readonly der: string;
  readonly signer: Signer;
}

/**
 * The evidence of a meter for an epoch, signed. The statement is signed once and stored; asked again, the stored one
 * is used, so that a meter never signs two. Undefined if the meter has no reading in the epoch, or none after it yet:
 * nothing is signed before all is measured.
 */
export async function makeBundle(store: ReadingStore, request: BundleRequest): Promise<Bundle | undefined> {
  const { venue, der, meter, epoch, signer } = request;
  const newest = await store.lastReading(meter);
  if (newest === undefined || newest.blockTimestamp < (epoch + 1) * request.epochSeconds) return undefined;
  const { before, readings, energyWh } = await readingsOf(store, request);
  const [first, last] = [readings[0], readings.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const statement: FlowStatement = {
    der,
    epoch,
    energyWh,
    readingsRoot: readingsRoot(readings),
    firstBlock: first.blockNumber,
    firstBlockHash: first.blockHash,
    lastBlock: last.blockNumber,
    lastBlockHash: last.blockHash,
  };
  const stored = await store.statementOf(meter, epoch, venue.aria);
  const signature = stored?.signature ?? (await signStatement(signer, venue, statement));
  const bundle: Bundle = {
    version: 1,
    chainId: venue.chainId,
    aria: venue.aria,
    meter,
    statement,
    signature,
    ...(before && { before }),
    readings,
  };
  await store.saveStatement({ meter, epoch, aria: venue.aria, payload: toJson(statement), signature });
  return bundle;
}
