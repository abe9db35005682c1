import { hash } from "node:crypto";

import { getAddress } from "ethers";

/**
 * Which block a reading was taken at: nobody can know its hash, and so date a reading, ahead of time.
 */
export interface Blockstamp {
  readonly number: number;
  /** 0x and 64 lower-case hex digits. */
  readonly hash: string;
}

export interface Block extends Blockstamp {
  /** Unix seconds, from the block's header. */
  readonly timestamp: number;
}

/** What a meter vouches for: its register, at a block, after everything it said before. */
export interface Reading {
  /** The meter's checksummed address. */
  readonly meter: string;
  /** 0 for the meter's first reading, then one more each time. */
  readonly sequence: number;
  /**
   * Energy exported since the meter was installed, in whole Wh. It never falls, so a reading not taken loses
   * nothing.
   */
  readonly registerWh: bigint;
  /** Mean power exported since the reading before, in W, rounded down. */
  readonly powerW: bigint;
  /** The newest block when the reading was taken; the readings until the next one share it. */
  readonly blockNumber: number;
  readonly blockHash: string;
  /** Digest of the reading before, or `genesisDigest(meter)` for the first. */
  readonly previousDigest: string;
}

/**
 * A reading with what follows from it. The timestamp is a copy of the one in the header that `blockHash`
 * names, kept so that nobody has to ask a node for it: the digest covers it through that hash, and whoever
 * distrusts the copy looks the block up.
 */
export interface StampedReading extends Reading {
  /** `readingDigest` of this reading. */
  readonly digest: string;
  /** Unix seconds; decides which epoch the reading belongs to. */
  readonly blockTimestamp: number;
}

/** A value does not fit the field it is meant for. */
export class FieldError extends Error {
  override readonly name = "FieldError";
  readonly field: string;
  readonly expected: string;
  readonly received: string;

  constructor(field: string, expected: string, received: string) {
    super(`${field}: expected ${expected}, received ${received}`);
    this.field = field;
    this.expected = expected;
    this.received = received;
  }
}

/*
 * What is digested. Integers are unsigned and big-endian; 119 bytes is the most that two SHA-256 blocks hold,
 * a third would cost half as much again on a meter.
 *
 *   offset  bytes  field
 *        0      3  "PR1" in ASCII: Proof of Flow, reading, version 1
 *        3     20  meter
 *       23      8  sequence
 *       31      8  registerWh, below 2^63 so that any database's signed integer holds it
 *       39      8  powerW, likewise
 *       47      8  blockNumber
 *       55     32  blockHash
 *       87     32  previousDigest
 *      119
 */
const AT = {
  meter: 3,
  sequence: 23,
  registerWh: 31,
  powerW: 39,
  blockNumber: 47,
  blockHash: 55,
  previousDigest: 87,
};

/** One buffer for every digest: encoding and hashing are synchronous, so no two readings can meet in it. */
const encoding = Buffer.alloc(119);
const encodingView = new DataView(encoding.buffer, encoding.byteOffset, encoding.byteLength);
encoding.write("PR1", 0, "ascii");

/**
 * SHA-256 of a reading, as 0x-hex: meters have it in hardware, and a contract has it as a precompile.
 * @throws {FieldError} when a field is out of range or not in its canonical form.
 */
export function readingDigest(reading: Reading): string {
  encoding.set(addressBytes(reading.meter), AT.meter);
  writeCount("sequence", reading.sequence);
  writeQuantity("registerWh", reading.registerWh);
  writeQuantity("powerW", reading.powerW);
  writeCount("blockNumber", reading.blockNumber);
  encoding.set(blockHashBytes(reading.blockHash), AT.blockHash);
  writePreviousDigest(reading.previousDigest);
  lastDigest = `0x${hash("sha256", encoding, "hex")}`;
  return lastDigest;
}

/** The digest made last. A chain's next reading names it, and then its form need not be looked at again. */
let lastDigest = "";

/**
 * What a meter's first reading names as its predecessor: SHA-256 of "PG1" (Proof of Flow, genesis, version 1)
 * and the 20 bytes of the address. Each meter's chain so has a root of its own and cannot pass for another's.
 * @throws {FieldError} when the address is not a checksummed one.
 */
export function genesisDigest(meter: string): string {
  return `0x${hash("sha256", Buffer.concat([Buffer.from("PG1", "ascii"), addressBytes(meter)]), "hex")}`;
}

const ADDRESS_CACHE_LIMIT = 65_536;
const addressCache = new Map<string, Uint8Array>();

/**
 * The 20 bytes of a checksummed address. They are remembered, because a checksum takes ten times as long as
 * the whole rest of a digest; the limit keeps strangers from filling the memory with addresses.
 * @throws {FieldError} for anything else, a wrong or missing checksum included.
 */
export function addressBytes(address: string): Uint8Array {
  const known = addressCache.get(address);
  if (known !== undefined) return known;
  if (!isChecksummed(address)) throw new FieldError("address", "a checksummed address", address);
  if (addressCache.size >= ADDRESS_CACHE_LIMIT) addressCache.clear();
  const bytes = Buffer.from(address.slice(2), "hex");
  addressCache.set(address, bytes);
  return bytes;
}

function isChecksummed(address: string): boolean {
  try {
    return getAddress(address) === address;
  } catch {
    return false;
  }
}

function writeCount(field: "sequence" | "blockNumber", value: number): void {
  requireCount(field, value);
  encodingView.setUint32(AT[field], Math.floor(value / 2 ** 32));
  encodingView.setUint32(AT[field] + 4, value >>> 0);
}

/** @throws {FieldError} for anything but a whole number from 0 that is exact. */
export function requireCount(field: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new FieldError(field, "a whole number from 0", String(value));
}

const QUANTITY_LIMIT = 2n ** 63n;

function writeQuantity(field: "registerWh" | "powerW", value: bigint): void {
  if (value < 0n || value >= QUANTITY_LIMIT) throw new FieldError(field, "0 to 2^63 - 1", String(value));
  encodingView.setBigUint64(AT[field], value);
}

const HASH = /^0x[0-9a-f]{64}$/;

function writePreviousDigest(value: string): void {
  if (value !== lastDigest) requireHash("previousDigest", value);
  encoding.write(value.slice(2), AT.previousDigest, 32, "hex");
}

const BLOCK_CACHE_LIMIT = 1_024;
const blockCache = new Map<string, Uint8Array>();

/**
 * The 32 bytes of a block's hash. They are remembered, because the readings of all meters name the same few blocks.
 * @throws {FieldError} for anything but 0x and 64 lower-case hex digits.
 */
export function blockHashBytes(blockHash: string): Uint8Array {
  const known = blockCache.get(blockHash);
  if (known !== undefined) return known;
  requireHash("blockHash", blockHash);
  if (blockCache.size >= BLOCK_CACHE_LIMIT) blockCache.clear();
  const bytes = Buffer.from(blockHash.slice(2), "hex");
  blockCache.set(blockHash, bytes);
  return bytes;
}

function requireHash(field: "blockHash" | "previousDigest", value: string): void {
  if (!HASH.test(value)) throw new FieldError(field, "0x and 64 lower-case hex digits", value);
}

export type ChainFaultKind =
  /** A field is out of range: the reading has no digest. */
  | "malformed"
  /** The digest is not that of the reading's content. */
  | "wrong-digest"
  /** The reading does not name the one before it: one was changed, left out, or belongs to a fork. */
  | "broken-link"
  | "foreign-meter"
  /** Not numbered one after the reading before, or the first of a meter not numbered 0. */
  | "sequence-gap"
  | "register-backwards"
  /** The block's number or timestamp is less than the one before. */
  | "block-older"
  /** The block's number is the one before, but its hash or timestamp is not: one block has only one of each. */
  | "block-conflict";

export interface ChainFault {
  readonly fault: ChainFaultKind;
  /** Sequence number the reading at fault claims. */
  readonly sequence: number;
  readonly expected: string;
  readonly received: string;
}

export type ChainVerdict = { readonly ok: true } | ({ readonly ok: false } & ChainFault);

/**
 * Whether readings follow each other without a fault, and the first of them follows `previousDigest`
 * (`genesisDigest(meter)` for a whole chain). Reports the first fault: after it nothing can be trusted.
 */
export function verifyChain(readings: Iterable<StampedReading>, previousDigest: string): ChainVerdict {
  let predecessor: StampedReading | string = previousDigest;
  for (const reading of readings) {
    const fault = contentFault(reading) ?? placeFault(reading, predecessor);
    if (fault !== undefined) return { ok: false, ...fault };
    predecessor = reading;
  }
  return { ok: true };
}

/** What keeps a reading from following `previous`, or from being its meter's first when there is none. */
export function faultAfter(
  previous: StampedReading | undefined,
  reading: StampedReading,
): ChainFault | undefined {
  return contentFault(reading) ?? placeFault(reading, previous ?? genesisDigest(reading.meter));
}

function contentFault(reading: StampedReading): ChainFault | undefined {
  try {
    requireCount("blockTimestamp", reading.blockTimestamp);
    const digest = readingDigest(reading);
    return digest === reading.digest ? undefined : fault("wrong-digest", reading, digest, reading.digest);
  } catch (error) {
    if (error instanceof FieldError)
      return fault("malformed", reading, `${error.field}: ${error.expected}`, error.received);
    throw error;
  }
}

/** The predecessor may be known by its digest alone, when it is not at hand. */
function placeFault(reading: StampedReading, predecessor: StampedReading | string): ChainFault | undefined {
  if (typeof predecessor === "string") return linkFault(reading, predecessor) ?? rootFault(reading);
  return orderFault(reading, predecessor) ?? linkFault(reading, predecessor.digest);
}

function linkFault(reading: StampedReading, previousDigest: string): ChainFault | undefined {
  if (reading.previousDigest === previousDigest) return undefined;
  return fault("broken-link", reading, previousDigest, reading.previousDigest);
}

/** Only the reading numbered 0 has the meter's genesis before it, and it has nothing else before it. */
function rootFault(reading: StampedReading): ChainFault | undefined {
  const isRooted = reading.previousDigest === genesisDigest(reading.meter);
  if (isRooted === (reading.sequence === 0)) return undefined;
  return fault("sequence-gap", reading, isRooted ? "0" : "1 or more", String(reading.sequence));
}

function orderFault(reading: StampedReading, previous: StampedReading): ChainFault | undefined {
  if (reading.meter !== previous.meter) return fault("foreign-meter", reading, previous.meter, reading.meter);
  if (reading.sequence !== previous.sequence + 1)
    return fault("sequence-gap", reading, String(previous.sequence + 1), String(reading.sequence));
  if (reading.registerWh < previous.registerWh)
    return fault(
      "register-backwards",
      reading,
      `${previous.registerWh} Wh or more`,
      `${reading.registerWh} Wh`,
    );
  return blockFault(reading, previous);
}

/** A meter may read more often than there are blocks, so one block may stamp several readings. */
function blockFault(reading: StampedReading, previous: StampedReading): ChainFault | undefined {
  if (reading.blockNumber < previous.blockNumber || reading.blockTimestamp < previous.blockTimestamp)
    return fault("block-older", reading, `${stamp(previous)} or newer`, stamp(reading));
  if (reading.blockNumber > previous.blockNumber) return undefined;
  if (reading.blockHash === previous.blockHash && reading.blockTimestamp === previous.blockTimestamp)
    return undefined;
  return fault("block-conflict", reading, stamp(previous), stamp(reading));
}

function stamp({ blockNumber, blockHash, blockTimestamp }: StampedReading): string {
  return `block ${blockNumber} (${blockHash}) at ${blockTimestamp} s`;
}

function fault(kind: ChainFaultKind, reading: Reading, expected: string, received: string): ChainFault {
  return { fault: kind, sequence: reading.sequence, expected, received };
}
