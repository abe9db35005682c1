import { type Block, faultAfter, type StampedReading } from "../metering/reading.ts";
import { openToRead, openToWrite, type StoreFile } from "./sqlite-file.ts";
import type { Tables } from "./sqlite-tables.ts";
import { SqliteTransactions } from "./sqlite-transactions.ts";
import {
  BrokenChainError,
  ConflictError,
  type MeterMemory,
  type ReadingStore,
  type StoredCommitment,
  type StoredHearing,
  type StoredSeal,
  type StoredStatement,
  type StoreReader,
} from "./store.ts";

/**
 * Opens the store, and makes it when there is no file yet. The whole file is read once, to find damage early.
 * @param path a file, or ":memory:" for a store that is gone when it closes
 * @throws {StoreLockedError} when it is open to write already, here or in another process.
 * @throws {StoreVersionError} when it is of another version.
 * @throws {StoreFileError} when it is not a store, is damaged or cannot be opened.
 */
export function openSqliteStore(path: string): ReadingStore {
  return new SqliteStore(openToWrite(path));
}

/**
 * Opens a store to read it, also while its agent runs and writes to it. The whole file is read once, to find damage
 * early. SQLite keeps its index in files beside it: unless an agent runs, the folder must be one to write to.
 * @throws {StoreVersionError} when it is of another version.
 * @throws {StoreFileError} when there is no file, or it is not a store, is damaged or cannot be opened.
 * @throws {StoreLockedError} when something other than an agent has locked the file itself.
 */
export function openSqliteReader(path: string): StoreReader {
  return new SqliteReader(openToRead(path));
}

class SqliteReader implements StoreReader {
  protected readonly file: StoreFile;
  protected readonly tables: Tables;

  constructor(file: StoreFile) {
    this.file = file;
    this.tables = file.tables;
  }

  latestBlock(): Promise<number | undefined> {
    return promised(() => this.tables.latestBlock());
  }

  lastReading(meter: string): Promise<StampedReading | undefined> {
    return this.lastReadingBefore(meter, Infinity);
  }

  memoryOf(meter: string): Promise<string | undefined> {
    return promised(() => this.tables.memoryOf(meter));
  }

  lastReadingBefore(meter: string, timestamp: number): Promise<StampedReading | undefined> {
    return promised(() => this.tables.lastReadingBefore(meter, timestamp));
  }

  readingsBetween(meter: string, fromTimestamp: number, toTimestamp: number): Promise<StampedReading[]> {
    return promised(() => this.tables.readingsBetween(meter, fromTimestamp, toTimestamp));
  }

  statementOf(meter: string, epoch: number, aria: string): Promise<StoredStatement | undefined> {
    return promised(() => this.tables.statementOf(meter, epoch, aria));
  }

  commitmentOf(aria: string, requestId: bigint): Promise<StoredCommitment | undefined> {
    return promised(() => this.tables.commitmentOf(aria, requestId));
  }

  sealOf(bundleHash: string): Promise<string | undefined> {
    return promised(() => this.tables.sealOf(bundleHash)?.seal);
  }

  hearingOf(aria: string, disputeId: bigint): Promise<StoredHearing | undefined> {
    return promised(() => this.tables.hearingOf(aria, disputeId));
  }

  hearings(aria: string): Promise<StoredHearing[]> {
    return promised(() => this.tables.hearings(aria));
  }

  stampsFrom(blockNumber: number): Promise<Block[]> {
    return promised(() => this.tables.stampsFrom(blockNumber));
  }

  orphans(): Promise<ReadonlySet<string>> {
    return promised(() => this.tables.orphans());
  }

  close(): Promise<void> {
    return promised(() => {
      this.file.close();
    });
  }
}

class SqliteStore extends SqliteReader implements ReadingStore {
  readonly transactions: SqliteTransactions;

  constructor(file: StoreFile) {
    super(file);
    this.transactions = new SqliteTransactions(file.database, (work) => this.#transaction(work));
  }

  appendReadings(readings: readonly StampedReading[], memories: readonly MeterMemory[] = []): Promise<void> {
    return this.#transaction(() => {
      const ends = new Map<string, StampedReading | undefined>();
      for (const reading of readings) {
        const { meter } = reading;
        const end = ends.get(meter) ?? this.tables.lastReadingBefore(meter, Infinity);
        const fault = faultAfter(end, reading);
        if (fault !== undefined) throw new BrokenChainError(meter, fault);
        this.tables.insertReading(reading);
        ends.set(meter, reading);
      }
      for (const memory of memories) this.tables.replaceMemory(memory);
    });
  }

  saveStatement(statement: StoredStatement): Promise<void> {
    const { meter, epoch, aria } = statement;
    return this.#transaction(() => {
      const stored = this.tables.statementOf(meter, epoch, aria);
      if (stored === undefined) this.tables.insertStatement(statement);
      else
        refuseChange(`the statement of meter ${meter} for epoch ${epoch} to ${aria}`, stored, statement, [
          "payload",
          "signature",
        ]);
    });
  }

  saveCommitment(commitment: StoredCommitment): Promise<void> {
    const { aria, requestId } = commitment;
    return this.#transaction(() => {
      const stored = this.tables.commitmentOf(aria, requestId);
      if (stored === undefined) this.tables.insertCommitment(commitment);
      else
        refuseChange(`the commitment for request ${requestId} of ${aria}`, stored, commitment, [
          "flowRoot",
          "json",
        ]);
    });
  }

  saveOrphans(blocks: readonly Block[]): Promise<void> {
    return this.#transaction(() => {
      for (const block of blocks) this.tables.insertOrphan(block);
    });
  }

  saveSeal(seal: StoredSeal): Promise<void> {
    return this.#transaction(() => {
      const stored = this.tables.sealOf(seal.bundleHash);
      if (stored === undefined) this.tables.insertSeal(seal);
      else refuseChange(`the seal of bundle ${seal.bundleHash}`, stored, seal, ["seal"]);
    });
  }

  saveHearing(hearing: StoredHearing): Promise<void> {
    const { aria, disputeId } = hearing;
    return this.#transaction(() => {
      const stored = this.tables.hearingOf(aria, disputeId);
      if (stored === undefined) this.tables.insertHearing(hearing);
      else
        refuseChange(`the hearing of dispute ${disputeId} of ${aria}`, stored, hearing, [
          "evidenceHash", // before the evidence: where that differs, the hashes say so more briefly
          "verdict",
          "heardAt",
          "der",
          "aggregator",
          "feeder",
        ]);
    });
  }

  /** SQLite's calls block, so nothing comes between a transaction's first statement and its last. */
  #transaction<T>(work: () => T): Promise<T> {
    const { database } = this.file;
    return promised(() => {
      database.exec("BEGIN IMMEDIATE");
      try {
        const result = work();
        database.exec("COMMIT");
        return result;
      } catch (error) {
        this.#rollBack();
        throw this.file.faultOf(error);
      }
    });
  }

  #rollBack(): void {
    try {
      this.file.database.exec("ROLLBACK");
    } catch {
      // SQLite has rolled back by itself already, as it does when the disk is full.
    }
  }
}

/** The outcome of blocking work as a promise, a thrown error as its rejection. */
function promised<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work());
  });
}

/** @throws {ConflictError} for the first of the fields that is offered otherwise than it is stored. */
function refuseChange<T>(
  subject: string,
  stored: T,
  offered: T,
  fields: readonly (keyof T & string)[],
): void {
  for (const field of fields) {
    if (stored[field] === offered[field]) continue;
    throw new ConflictError(
      `${field} of ${subject}`,
      String(stored[field] ?? "nothing"),
      String(offered[field] ?? "nothing"),
    );
  }
}
