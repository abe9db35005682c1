import type { Block, ChainFault, StampedReading } from "../metering/reading.ts";
import type { TransactionStore } from "./transactions.ts";

/**
 * A flow statement a meter signed: what it delivered in an epoch, as the payload that `signature` is over.
 */
export interface StoredStatement {
  /** Checksummed address of the meter. */
  readonly meter: string;
  /** Number of the settlement period. */
  readonly epoch: number;
  /** Checksummed address of the ARIA contract the statement is for. */
  readonly aria: string;
  /** The statement as JSON text, byte for byte as saved. */
  readonly payload: string;
  /** 0x and lower-case hex. */
  readonly signature: string;
}

/** What the Aggregator committed to for a request: the root on chain, and what it takes to open it. */
export interface StoredCommitment {
  /** Checksummed address of the ARIA contract. */
  readonly aria: string;
  /** The request's number in that contract, a uint256. */
  readonly requestId: bigint;
  /** Root of the tree of flows, 32 bytes as 0x-hex. */
  readonly flowRoot: string;
  /** The tree as JSON text, byte for byte as saved. */
  readonly json: string;
}

/** The holder's signature over a bundle of evidence. */
export interface StoredSeal {
  /** Hash of the bundle without its seal, 32 bytes as 0x-hex. */
  readonly bundleHash: string;
  /** 0x and lower-case hex. */
  readonly seal: string;
}

/** What the Operator heard on a dispute, and what it made of it. */
export interface StoredHearing {
  /** Checksummed address of the ARIA contract. */
  readonly aria: string;
  /** The dispute's number in that contract, below 2^64. */
  readonly disputeId: bigint;
  /** The evidence of each as text, byte for byte as it was heard; undefined of whoever gave none. */
  readonly der: string | undefined;
  readonly aggregator: string | undefined;
  readonly feeder: string | undefined;
  /** Hash over the evidence, as the ruling carries it: 32 bytes as 0x-hex. */
  readonly evidenceHash: string;
  /** What was decided, as JSON text, byte for byte as saved. */
  readonly verdict: string;
  /** Unix seconds of the chain. */
  readonly heardAt: number;
}

/** What a meter needs besides its last reading to go on from it, such as what its device's register showed. */
export interface MeterMemory {
  /** Checksummed address of the meter. */
  readonly meter: string;
  /** Text, as the meter wrote it. */
  readonly memory: string;
}

/**
 * What was stored. Each answer is of one moment; what is saved meanwhile shows in the next.
 *
 * Every method rejects with a `FieldError` for an address without checksum or malformed hex, and with the
 * database's own error when the disk fails.
 */
export interface StoreReader {
  /** The highest block number of any reading: up to it, blocks were shown to the meters. */
  latestBlock(): Promise<number | undefined>;
  lastReading(meter: string): Promise<StampedReading | undefined>;
  /** What the meter left with its last readings, if anything. */
  memoryOf(meter: string): Promise<string | undefined>;
  /** The last reading whose block is older than `timestamp` (Unix seconds), such as an epoch's start. */
  lastReadingBefore(meter: string, timestamp: number): Promise<StampedReading | undefined>;
  /**
   * Readings whose block's timestamp is in [from, to), oldest first. All are held in memory: ask by the
   * epoch.
   */
  readingsBetween(meter: string, fromTimestamp: number, toTimestamp: number): Promise<StampedReading[]>;
  statementOf(meter: string, epoch: number, aria: string): Promise<StoredStatement | undefined>;
  commitmentOf(aria: string, requestId: bigint): Promise<StoredCommitment | undefined>;
  /** The seal of the bundle of this hash. */
  sealOf(bundleHash: string): Promise<string | undefined>;
  hearingOf(aria: string, disputeId: bigint): Promise<StoredHearing | undefined>;
  /** All hearings of a contract's disputes, oldest first; of one second, by the dispute's number. */
  hearings(aria: string): Promise<StoredHearing[]>;
  /** What it takes on disk, in bytes: a file with its log, or the whole database of a server. */
  bytes(): Promise<number>;
  /** The blocks that readings are stamped with, from this number on. */
  stampsFrom(blockNumber: number): Promise<Block[]>;
  /** Hashes of blocks that the chain dropped: readings stamped with one of them cannot be proved. */
  orphans(): Promise<ReadonlySet<string>>;
  /** Releases the store. It cannot be used after. */
  close(): Promise<void>;
}

/**
 * What an agent must not lose. Whatever resolves has reached the disk; whatever rejects has changed nothing, such as with a
 * `StoreDiskError` when the disk is full. One writer has it at a time, from opening to closing.
 */
export interface ReadingStore extends StoreReader {
  /** What the party's key signed and sent. */
  readonly transactions: TransactionStore;
  /**
   * Appends to the chains of one or more meters, all or nothing, oldest first. Readings are never changed, nor
   * deleted but by `pruneReadings`. Memories replace those their meters left before, in the same transaction.
   * @throws {BrokenChainError} when one does not follow its meter's last stored one: a gap, fork or repeat.
   */
  appendReadings(readings: readonly StampedReading[], memories?: readonly MeterMemory[]): Promise<void>;
  /**
   * Lets go of readings whose block is older than `timestamp` (Unix seconds), but for each meter's last one before it,
   * which its next epoch is counted from. A call takes some thousands, so that it is soon over.
   * @returns how many it took; 0 once there are no more
   */
  pruneReadings(timestamp: number): Promise<number>;
  /**
   * Saves a statement; to be awaited before the statement leaves the agent. The same one again is welcome.
   * @throws {ConflictError} for another one of that meter, epoch and contract: a meter must never sign two.
   */
  saveStatement(statement: StoredStatement): Promise<void>;
  /**
   * Saves a commitment; to be awaited before its transaction is sent. The same one again is welcome.
   * @throws {ConflictError} for another one of that contract and request: only one root can be on chain.
   */
  saveCommitment(commitment: StoredCommitment): Promise<void>;
  /** Notes that the chain dropped these blocks. */
  saveOrphans(blocks: readonly Block[]): Promise<void>;
  /**
   * Saves a seal; to be awaited before the bundle leaves the agent. The same one again is welcome.
   * @throws {ConflictError} for another one of that bundle: a key seals a bundle in one way only.
   */
  saveSeal(seal: StoredSeal): Promise<void>;
  /**
   * Saves a hearing; to be awaited before its ruling is sent. The same one again is welcome.
   * @throws {ConflictError} for another one of that contract and dispute: what was heard is not heard anew.
   */
  saveHearing(hearing: StoredHearing): Promise<void>;
}

/** Base of what a store refuses. */
export abstract class StoreError extends Error {
  readonly expected: string;
  readonly received: string;

  constructor(subject: string, expected: string, received: string, options?: ErrorOptions) {
    super(`${subject}: expected ${expected}, received ${received}`, options);
    this.expected = expected;
    this.received = received;
  }
}

/** A reading does not continue its meter's stored chain. */
export class BrokenChainError extends StoreError {
  override readonly name = "BrokenChainError";
  readonly meter: string;
  readonly fault: ChainFault;

  constructor(meter: string, fault: ChainFault) {
    super(`${fault.fault} at reading ${fault.sequence} of meter ${meter}`, fault.expected, fault.received);
    this.meter = meter;
    this.fault = fault;
  }
}

/** Something that is said once and for all has been said differently before. */
export class ConflictError extends StoreError {
  override readonly name = "ConflictError";
}

/** The file is not a store of this project, or a damaged one. It was left as it is. */
export class StoreFileError extends StoreError {
  override readonly name = "StoreFileError";
}

/** The disk is full, or fails. Nothing of the call was kept, and all that was stored before is as it was. */
export class StoreDiskError extends StoreError {
  override readonly name = "StoreDiskError";
}

/** The server that keeps the store cannot be reached, does not let us in, or has dropped the connection. */
export class StoreConnectionError extends StoreError {
  override readonly name = "StoreConnectionError";
}

/** The store was written by another version of the schema, a newer one most likely. It was left as it is. */
export class StoreVersionError extends StoreError {
  override readonly name = "StoreVersionError";
}

/** Another process, or another part of this one, has the store open to write. */
export class StoreLockedError extends StoreError {
  override readonly name = "StoreLockedError";
}
