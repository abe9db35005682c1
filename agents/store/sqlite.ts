import { type Block, faultAfter, type StampedReading } from "../metering/reading.ts";
import { diskError, LIFT_BAN, openToRead, openToWrite, RESTORE_BAN, type StoreFile } from "./sqlite-file.ts";
import { roomOf } from "./room.ts";
import {
  refuseOtherCommitment,
  refuseOtherHearing,
  refuseOtherSeal,
  refuseOtherStatement,
} from "./said-once.ts";
import type { Tables } from "./sqlite-tables.ts";
import { SqliteTransactions } from "./sqlite-transactions.ts";
import {
  BrokenChainError,
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

  bytes(): Promise<number> {
    return promised(() => roomOf(this.file.path).storeBytes);
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

/** Readings that are let go in a transaction: it takes some milliseconds. */
const PRUNED_AT_ONCE = 10_000;

class SqliteStore extends SqliteReader implements ReadingStore {
  readonly transactions: SqliteTransactions;

  constructor(file: StoreFile) {
    super(file);
    this.transactions = new SqliteTransactions(file.database, (work) => this.#transaction(work));
  }
  /** The last readings on disk, of the meters that were appended to since the start: nobody else appends. */
  readonly #ends = new Map<string, StampedReading>();

  appendReadings(readings: readonly StampedReading[], memories: readonly MeterMemory[] = []): Promise<void> {
    return promised(() => {
      const ends = new Map<string, StampedReading>();
      this.#atomically(() => {
        for (const reading of readings) {
          const { meter } = reading;
          const end = ends.get(meter) ?? this.#endOf(meter);
          const fault = faultAfter(end, reading);
          if (fault !== undefined) throw new BrokenChainError(meter, fault);
          ends.set(meter, reading);
        }
        this.tables.insertReadings(readings);
        for (const memory of memories) this.tables.replaceMemory(memory);
      });
      for (const [meter, end] of ends) this.#ends.set(meter, end);
    });
  }

  pruneReadings(timestamp: number): Promise<number> {
    return this.#transaction(() => {
      this.file.database.exec(LIFT_BAN);
      const pruned = this.tables.deleteReadings(timestamp, PRUNED_AT_ONCE);
      this.file.database.exec(RESTORE_BAN);
      return pruned;
    });
  }

  #endOf(meter: string): StampedReading | undefined {
    return this.#ends.get(meter) ?? this.tables.lastReadingBefore(meter, Infinity);
  }

  saveStatement(statement: StoredStatement): Promise<void> {
    const { meter, epoch, aria } = statement;
    return this.#transaction(() => {
      const stored = this.tables.statementOf(meter, epoch, aria);
      if (stored === undefined) this.tables.insertStatement(statement);
      else refuseOtherStatement(stored, statement);
    });
  }

  saveCommitment(commitment: StoredCommitment): Promise<void> {
    return this.#transaction(() => {
      const stored = this.tables.commitmentOf(commitment.aria, commitment.requestId);
      if (stored === undefined) this.tables.insertCommitment(commitment);
      else refuseOtherCommitment(stored, commitment);
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
      else refuseOtherSeal(stored, seal);
    });
  }

  saveHearing(hearing: StoredHearing): Promise<void> {
    return this.#transaction(() => {
      const stored = this.tables.hearingOf(hearing.aria, hearing.disputeId);
      if (stored === undefined) this.tables.insertHearing(hearing);
      else refuseOtherHearing(stored, hearing);
    });
  }

  #transaction<T>(work: () => T): Promise<T> {
    return promised(() => this.#atomically(work));
  }

  /** SQLite's calls block, so nothing comes between a transaction's first statement and its last. */
  #atomically<T>(work: () => T): T {
    const { database, path } = this.file;
    try {
      database.exec("BEGIN IMMEDIATE");
      const result = work();
      database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#rollBack();
      throw diskError(path, error);
    }
  }

  #rollBack(): void {
    try {
      this.file.database.exec("ROLLBACK");
    } catch {
      // Nothing was begun, or SQLite has rolled back by itself already, as it does when the disk is full.
    }
  }
}

/** The outcome of blocking work as a promise, a thrown error as its rejection. */
function promised<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(work());
  });
}
