/*
 * The store in one SQLite file, by the SQLite that is built into Node. Schema, version 2:
 *
 *   readings     meter, block_timestamp, sequence | register_wh, power_w, block_number, block_hash,
 *                previous_digest, digest                        append-only; a meter's chain in order
 *   statements   meter, epoch, aria | payload, signature        append-only
 *   commitments  aria, request_id | flow_root, json             append-only
 *
 * The key is left of the bar. Addresses are 20-byte blobs, hashes and request_id (a uint256) 32-byte ones,
 * payload and json text, the rest 64-bit integers. The timestamp comes first in the key because it never falls
 * along a chain, so one tree both keeps the chain and answers for an epoch; that the sequence has no gap or
 * repeat is checked as readings come in.
 *
 * Every call is one transaction, written to the log (WAL) and synced before it ends. The file stays locked
 * from opening to closing (locking_mode EXCLUSIVE), even for readers: two agents writing as one meter would
 * fork its chain. The operating system drops the lock with the process, so a killed agent leaves nothing to
 * clean up.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

import { addressBytes, faultAfter, FieldError, type StampedReading } from "../metering/reading.ts";
import {
  BrokenChainError,
  ConflictError,
  type ReadingStore,
  type StoredCommitment,
  type StoredStatement,
  StoreFileError,
  StoreLockedError,
  StoreVersionError,
} from "./store.ts";

const SCHEMA_VERSION = "2";
/** "PoFl" in ASCII, where SQLite keeps whose file it is. */
const APPLICATION_ID = String(0x506f466c);

const SCHEMA = `
  CREATE TABLE readings (
    meter           BLOB    NOT NULL CHECK (length(meter) = 20),
    block_timestamp INTEGER NOT NULL,
    sequence        INTEGER NOT NULL,
    register_wh     INTEGER NOT NULL,
    power_w         INTEGER NOT NULL,
    block_number    INTEGER NOT NULL,
    block_hash      BLOB    NOT NULL CHECK (length(block_hash) = 32),
    previous_digest BLOB    NOT NULL CHECK (length(previous_digest) = 32),
    digest          BLOB    NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (meter, block_timestamp, sequence)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE statements (
    meter     BLOB    NOT NULL CHECK (length(meter) = 20),
    epoch     INTEGER NOT NULL,
    aria      BLOB    NOT NULL CHECK (length(aria) = 20),
    payload   TEXT    NOT NULL,
    signature BLOB    NOT NULL,
    PRIMARY KEY (meter, epoch, aria)
  ) STRICT;
  CREATE TABLE commitments (
    aria       BLOB NOT NULL CHECK (length(aria) = 20),
    request_id BLOB NOT NULL CHECK (length(request_id) = 32),
    flow_root  BLOB NOT NULL CHECK (length(flow_root) = 32),
    json       TEXT NOT NULL,
    PRIMARY KEY (aria, request_id)
  ) STRICT;
  ${["readings", "statements", "commitments"].map(appendOnly).join("")}
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

function appendOnly(table: string): string {
  return ["UPDATE", "DELETE"]
    .map(
      (verb) => `
  CREATE TRIGGER ${table}_no_${verb.toLowerCase()} BEFORE ${verb} ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} are append-only'); END;`,
    )
    .join("");
}

/**
 * Opens the store, and makes it when there is no file yet. The whole file is read once, to find damage early.
 * @param path a file, or ":memory:" for a store that is gone when it closes
 * @throws {StoreLockedError} when another process has it open.
 * @throws {StoreVersionError} when it is of another version.
 * @throws {StoreFileError} when it is not a store, is damaged or cannot be opened.
 */
export function openSqliteStore(path: string): ReadingStore {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    prepareFile(database, path);
    return new SqliteStore(database);
  } catch (error) {
    database?.close();
    throw openingError(path, error);
  }
}

const LOCK_PATIENCE_MS = 200;

/** Nothing is written until the file has been locked and found to be a store of this version, or empty. */
function prepareFile(database: DatabaseSync, path: string): void {
  database.exec(`
    PRAGMA busy_timeout = ${LOCK_PATIENCE_MS};
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA synchronous = FULL;
    PRAGMA cell_size_check = ON;
    PRAGMA trusted_schema = OFF;
    BEGIN EXCLUSIVE`);
  if (isEmpty(database)) database.exec(SCHEMA);
  else checkStore(database, path);
  database.exec("COMMIT; PRAGMA journal_mode = WAL");
}

function isEmpty(database: DatabaseSync): boolean {
  const isUnmarked = pragma(database, "application_id") === "0" && pragma(database, "user_version") === "0";
  return isUnmarked && database.prepare("SELECT 1 FROM sqlite_schema").get() === undefined;
}

function checkStore(database: DatabaseSync, path: string): void {
  const application = pragma(database, "application_id");
  if (application !== APPLICATION_ID)
    throw new StoreFileError(path, "a Proof of Flow store", `a database of application ${application}`);
  const version = pragma(database, "user_version");
  if (version !== SCHEMA_VERSION)
    throw new StoreVersionError(path, `schema version ${SCHEMA_VERSION}`, `version ${version}`);
  const damage = pragma(database, "quick_check");
  if (damage !== "ok") throw new StoreFileError(path, "an undamaged store", damage);
}

/** The first value a pragma reports, as text. */
function pragma(database: DatabaseSync, name: string): string {
  return String(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}

/** SQLite's result code SQLITE_BUSY; the bits above the lowest eight only detail it. */
const SQLITE_BUSY = 5;

function openingError(path: string, error: unknown): unknown {
  if (error instanceof StoreFileError || error instanceof StoreVersionError || !(error instanceof Error))
    return error;
  if ("errcode" in error && Number(error.errcode) % 256 === SQLITE_BUSY)
    return new StoreLockedError(path, "a store nobody has open", "one that is locked", { cause: error });
  return new StoreFileError(path, "a Proof of Flow store", error.message, { cause: error });
}

/** Prepared with 64-bit integers read as bigint, for Wh and W may exceed what a number holds. */
function prepared(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql);
  statement.setReadBigInts(true);
  return statement;
}

const COLUMNS =
  "block_timestamp, sequence, register_wh, power_w, block_number, block_hash, previous_digest, digest";
const READINGS_OF_METER = `SELECT ${COLUMNS} FROM readings WHERE meter = ?`;
const STATEMENT_KEY = "meter = ? AND epoch = ? AND aria = ?";

function prepareAll(database: DatabaseSync) {
  const sql = (text: string) => prepared(database, text);
  return {
    appendReading: sql(`INSERT INTO readings (meter, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    lastReadingBefore: sql(
      `${READINGS_OF_METER} AND block_timestamp < ? ORDER BY block_timestamp DESC, sequence DESC LIMIT 1`,
    ),
    readingsBetween: sql(
      `${READINGS_OF_METER} AND block_timestamp >= ? AND block_timestamp < ? ORDER BY block_timestamp, sequence`,
    ),
    saveStatement: sql(
      "INSERT INTO statements (meter, epoch, aria, payload, signature) VALUES (?, ?, ?, ?, ?)",
    ),
    statementOf: sql(`SELECT payload, signature FROM statements WHERE ${STATEMENT_KEY}`),
    saveCommitment: sql("INSERT INTO commitments (aria, request_id, flow_root, json) VALUES (?, ?, ?, ?)"),
    commitmentOf: sql("SELECT flow_root, json FROM commitments WHERE aria = ? AND request_id = ?"),
    latestBlock: sql("SELECT max(block_number) AS block_number FROM readings"),
  };
}

/* The strict tables hold columns to these types, so rows are taken at their word. */
type Integers<Column extends string> = Record<Column, bigint>;
type Blobs<Column extends string> = Record<Column, Uint8Array>;
type ReadingRow = Integers<"block_timestamp" | "sequence" | "register_wh" | "power_w" | "block_number"> &
  Blobs<"block_hash" | "previous_digest" | "digest">;
type StatementRow = Record<"payload", string> & Blobs<"signature">;
type CommitmentRow = Blobs<"flow_root"> & Record<"json", string>;

class SqliteStore implements ReadingStore {
  readonly #database: DatabaseSync;
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#sql = prepareAll(database);
  }

  appendReadings(readings: readonly StampedReading[]): Promise<void> {
    return this.#transaction(() => {
      const ends = new Map<string, StampedReading | undefined>();
      for (const reading of readings) {
        const { meter } = reading;
        const end = ends.get(meter) ?? this.#lastReadingBefore(meter, Infinity);
        const fault = faultAfter(end, reading);
        if (fault !== undefined) throw new BrokenChainError(meter, fault);
        this.#sql.appendReading.run(addressBytes(meter), ...readingColumns(reading));
        ends.set(meter, reading);
      }
    });
  }

  lastReading(meter: string): Promise<StampedReading | undefined> {
    return this.lastReadingBefore(meter, Infinity);
  }

  lastReadingBefore(meter: string, timestamp: number): Promise<StampedReading | undefined> {
    return promised(() => this.#lastReadingBefore(meter, timestamp));
  }

  readingsBetween(meter: string, fromTimestamp: number, toTimestamp: number): Promise<StampedReading[]> {
    return promised(() => {
      const rows = this.#sql.readingsBetween.all(addressBytes(meter), fromTimestamp, toTimestamp);
      return rows.map((row) => readingOf(meter, row as unknown as ReadingRow));
    });
  }

  saveStatement(statement: StoredStatement): Promise<void> {
    return this.#transaction(() => {
      const { meter, epoch, aria, payload, signature } = statement;
      const stored = this.#statementOf(meter, epoch, aria);
      if (stored !== undefined) {
        const subject = `the statement of meter ${meter} for epoch ${epoch} to ${aria}`;
        refuseChange(subject, [stored.payload, stored.signature], [payload, signature]);
        return;
      }
      const signatureBytes = hexBytes("signature", signature);
      this.#sql.saveStatement.run(addressBytes(meter), epoch, addressBytes(aria), payload, signatureBytes);
    });
  }

  statementOf(meter: string, epoch: number, aria: string): Promise<StoredStatement | undefined> {
    return promised(() => this.#statementOf(meter, epoch, aria));
  }

  saveCommitment(commitment: StoredCommitment): Promise<void> {
    return this.#transaction(() => {
      const { aria, requestId, flowRoot, json } = commitment;
      const stored = this.#commitmentOf(aria, requestId);
      if (stored !== undefined) {
        refuseChange(
          `the commitment for request ${requestId} of ${aria}`,
          [stored.flowRoot, stored.json],
          [flowRoot, json],
        );
        return;
      }
      this.#sql.saveCommitment.run(
        addressBytes(aria),
        uint256Bytes(requestId),
        hexBytes("flowRoot", flowRoot, 32),
        json,
      );
    });
  }

  commitmentOf(aria: string, requestId: bigint): Promise<StoredCommitment | undefined> {
    return promised(() => this.#commitmentOf(aria, requestId));
  }

  latestBlock(): Promise<number | undefined> {
    return promised(() => {
      const row = this.#sql.latestBlock.get() as { block_number: bigint | null };
      return row.block_number === null ? undefined : Number(row.block_number);
    });
  }

  close(): Promise<void> {
    return promised(() => {
      this.#database.close();
    });
  }

  #lastReadingBefore(meter: string, timestamp: number): StampedReading | undefined {
    const row = this.#sql.lastReadingBefore.get(addressBytes(meter), timestamp) as ReadingRow | undefined;
    return row && readingOf(meter, row);
  }

  #statementOf(meter: string, epoch: number, aria: string): StoredStatement | undefined {
    const row = this.#sql.statementOf.get(addressBytes(meter), epoch, addressBytes(aria)) as
      StatementRow | undefined;
    return row && { meter, epoch, aria, payload: row.payload, signature: hex(row.signature) };
  }

  #commitmentOf(aria: string, requestId: bigint): StoredCommitment | undefined {
    const row = this.#sql.commitmentOf.get(addressBytes(aria), uint256Bytes(requestId)) as
      CommitmentRow | undefined;
    return row && { aria, requestId, flowRoot: hex(row.flow_root), json: row.json };
  }

  /** SQLite's calls block, so nothing comes between a transaction's first statement and its last. */
  #transaction(work: () => void): Promise<void> {
    return promised(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        work();
        this.#database.exec("COMMIT");
      } catch (error) {
        this.#rollBack();
        throw error;
      }
    });
  }

  #rollBack(): void {
    try {
      this.#database.exec("ROLLBACK");
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

/** Values in the order of COLUMNS, of a reading whose digest was checked and so its fields as well. */
function readingColumns(reading: StampedReading): SQLInputValue[] {
  return [
    reading.blockTimestamp,
    reading.sequence,
    reading.registerWh,
    reading.powerW,
    reading.blockNumber,
    Buffer.from(reading.blockHash.slice(2), "hex"),
    Buffer.from(reading.previousDigest.slice(2), "hex"),
    Buffer.from(reading.digest.slice(2), "hex"),
  ];
}

function readingOf(meter: string, row: ReadingRow): StampedReading {
  return {
    meter,
    sequence: Number(row.sequence),
    registerWh: row.register_wh,
    powerW: row.power_w,
    blockNumber: Number(row.block_number),
    blockHash: hex(row.block_hash),
    previousDigest: hex(row.previous_digest),
    digest: hex(row.digest),
    blockTimestamp: Number(row.block_timestamp),
  };
}

function refuseChange(subject: string, stored: readonly string[], offered: readonly string[]): void {
  stored.forEach((value, index) => {
    if (value !== offered[index]) throw new ConflictError(subject, value, String(offered[index]));
  });
}

function hex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
}

/** Only lower case, so that what is read back is what was saved. */
function hexBytes(field: string, value: string, length = (value.length - 2) / 2): Uint8Array {
  if (!/^0x([0-9a-f]{2})+$/.test(value) || value.length !== 2 + 2 * length)
    throw new FieldError(field, `0x and ${length} bytes in lower-case hex`, value);
  return Buffer.from(value.slice(2), "hex");
}

function uint256Bytes(value: bigint): Uint8Array {
  if (value < 0n || value >= 2n ** 256n) throw new FieldError("requestId", "0 to 2^256 - 1", String(value));
  return Buffer.from(value.toString(16).padStart(64, "0"), "hex");
}
