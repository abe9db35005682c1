import { keccak256, type Signer, toUtf8Bytes } from "ethers";

import { epochEnergyWh } from "../metering/epoch-energy.ts";
import type { StampedReading } from "../metering/reading.ts";
import type { ReadingStore, StoreReader } from "../store/store.ts";
import {
  type Bundle,
  BUNDLE_FORMAT,
  BUNDLE_VERSION,
  parseStatement,
  type Unsealed,
  wireReadings,
} from "./format.ts";
import { toJson } from "./json.ts";
import { readingsProofs, readingsRoot } from "./readings-tree.ts";
import { type FlowStatement, signStatement, type Venue } from "./statement.ts";

/** The hash that a ruling carries: over all the evidence it rests on, in a fixed order; "" for what was not given. */
export function evidenceHash(parts: readonly string[]): string {
  return keccak256(toUtf8Bytes(JSON.stringify(parts)));
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

/** Reads an epoch from the store. One whose beginning was let go has no readings left to speak of. */
export async function readingsOf(
  store: StoreReader,
  { meter, epoch, epochSeconds }: EpochOfMeter,
): Promise<EpochReadings> {
  const [from, to] = [epoch * epochSeconds, (epoch + 1) * epochSeconds];
  const before = await store.lastReadingBefore(meter, from);
  const found = await store.readingsBetween(meter, from, to);
  const isCutOff = before === undefined && (found[0]?.sequence ?? 0) > 0;
  const readings = isCutOff ? [] : found;
  return { before, readings, energyWh: epochEnergyWh(readings, before) };
}

export interface TestimonyRequest extends EpochOfMeter {
  readonly venue: Venue;
  readonly der: string;
  readonly signer: Signer;
}

/** What a meter says of an epoch, signed, with the readings that it rests on. */
export interface SignedEpoch extends EpochReadings {
  readonly statement: FlowStatement;
  readonly signature: string;
}

/**
 * Signs what a meter measured in an epoch. The statement is signed once and stored; asked again, the stored one is
 * used, so that a meter never signs two. Undefined if the meter has no reading in the epoch, or none after it yet:
 * nothing is signed before all is measured.
 */
export async function signEpoch(
  store: ReadingStore,
  request: TestimonyRequest,
): Promise<SignedEpoch | undefined> {
  const { venue, der, meter, epoch, signer } = request;
  const newest = await store.lastReading(meter);
  if (newest === undefined || newest.blockTimestamp < (epoch + 1) * request.epochSeconds) return undefined;
  const measured = await readingsOf(store, request);
  const [first, last] = [measured.readings[0], measured.readings.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const statement: FlowStatement = {
    der,
    epoch,
    energyWh: measured.energyWh,
    readingsRoot: readingsRoot(measured.readings),
    firstBlock: first.blockNumber,
    firstBlockHash: first.blockHash,
    lastBlock: last.blockNumber,
    lastBlockHash: last.blockHash,
  };
  const stored = await store.statementOf(meter, epoch, venue.aria);
  const signature = stored?.signature ?? (await signStatement(signer, venue, statement));
  await store.saveStatement({ meter, epoch, aria: venue.aria, payload: toJson(statement), signature });
  return { ...measured, statement, signature };
}

/** An epoch as it was signed before; undefined if it was not. No key is needed. */
export async function storedEpoch(
  store: StoreReader,
  of: EpochOfMeter & Pick<Venue, "aria">,
): Promise<SignedEpoch | undefined> {
  const stored = await store.statementOf(of.meter, of.epoch, of.aria);
  const signed =
    stored && parseStatement(`{"statement":${stored.payload},"signature":"${stored.signature}"}`);
  return signed && { ...(await readingsOf(store, of)), ...signed };
}

/** What a bundle says besides the signed readings. */
export interface BundleSetting {
  readonly venue: Venue;
  readonly registry: string;
  readonly epochSeconds: number;
  readonly meter: string;
  readonly signer: string;
  /** RLP of the headers of the readings' blocks, by number; see header.ts. */
  readonly headers: ReadonlyMap<number, string | undefined>;
  readonly commitment: Bundle["commitment"];
}

/** The part of a bundle that differs from role to role. */
export type RolePart =
  | Pick<Extract<Bundle, { role: "der" }>, "role" | "claim">
  | Pick<Extract<Bundle, { role: "aggregator" }>, "role" | "leaves">
  | Pick<Extract<Bundle, { role: "feeder" }>, "role" | "feeder" | "neighbours">;

/** Puts a bundle together, its fields in the order in which they are written, but for the seal, which comes last. */
export function makeBundle(signed: SignedEpoch, setting: BundleSetting, part: RolePart): Unsealed {
  const { venue, registry, epochSeconds, meter, signer, headers, commitment } = setting;
  const { role, ...rest } = part;
  return {
    role,
    format: BUNDLE_FORMAT,
    version: BUNDLE_VERSION,
    chainId: venue.chainId,
    registry,
    aria: venue.aria,
    epochSeconds,
    meter,
    signer,
    statement: signed.statement,
    signature: signed.signature,
    ...wireReadings(signed, headers),
    proofs: readingsProofs(signed.readings),
    commitment,
    ...rest,
  } as Unsealed;
}

/** The blocks that a bundle's readings are stamped with. */
export function blocksOf({ before, readings }: EpochReadings): number[] {
  const all = before === undefined ? readings : [before, ...readings];
  return [...new Set(all.map(({ blockNumber }) => blockNumber))];
}
