/*
 * The file of a store, by the SQLite that is built into Node. Schema, version 5:
 *
 *   readings     meter, block_timestamp, sequence | register_wh, power_w, block_number, block_hash,
 *                previous_digest, digest                        append-only; a meter's chain in order
 *   memories     meter | memory                                 the last of each meter
 *   statements   meter, epoch, aria | payload, signature        append-only
 *   commitments  aria, request_id | flow_root, json             append-only
 *   seals        bundle_hash | seal                             append-only
 *   hearings     aria, dispute_id | der, aggregator, feeder, evidence_hash, verdict, heard_at
 *                                                               append-only
 *   orphans      block_hash | block_number                      blocks the chain dropped; append-only
 *   transactions, bids                                          see sqlite-transactions.ts
 *
 * The key is left of the bar. Addresses are 20-byte blobs, hashes and request_id (a uint256) 32-byte ones and
 * dispute_id (a uint64) an 8-byte one; payload, json and verdict are text. What parties sent as evidence is kept as
 * its UTF-8 bytes, for strangers may send what SQLite ends a text at. The rest are 64-bit integers. The timestamp comes
 * first in the key because it never falls along a chain, so one tree both keeps the chain and answers for an epoch;
 * that the sequence has no gap or repeat is checked as readings come in. A store of version 2 lacks the seals: it is
 * given room for them when it is opened to write.
 *
 * Every call is one transaction, written to the log (WAL) and synced before it ends. Beside the log, others may
 * read all the while. Two writers would keep refusing what the other one said, so a writer holds a lock from
 * opening to closing: an exclusive transaction on an empty database, PATH-lock. The operating system drops it
 * with the process, so a killed agent leaves nothing to clean up. The lock's file stays: if it were deleted,
 * one process could still hold the old one when another locks a new one.
 *
 * Readings may be let go from a chain's beginning once nobody needs them (`pruneReadings`): only the writer does so, by
 * lifting the trigger that forbids it within the same transaction.
 */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import { Tables } from "./sqlite-tables.ts";
import { TRANSACTIONS } from "./sqlite-transactions.ts";
import { StoreDiskError, StoreFileError, StoreLockedError, StoreVersionError } from "./store.ts";

const SCHEMA_VERSION = "5";
/** "PoFl" in ASCII, where SQLite keeps whose file it is. */
const APPLICATION_ID = String(0x506f466c);

const SEALS = `
  CREATE TABLE seals (
    bundle_hash BLOB NOT NULL CHECK (length(bundle_hash) = 32),
    seal        BLOB NOT NULL,
    PRIMARY KEY (bundle_hash)
  ) STRICT;
  ${appendOnly("seals")}
  PRAGMA user_version = 3;
`;

const MEMORIES = `
  CREATE TABLE memories (
    meter  BLOB NOT NULL PRIMARY KEY CHECK (length(meter) = 20),
    memory BLOB NOT NULL
  ) STRICT;
  PRAGMA user_version = 4;
`;

const OUTBOX = `
  ${TRANSACTIONS}
  CREATE TABLE orphans (
    block_hash   BLOB    NOT NULL PRIMARY KEY CHECK (length(block_hash) = 32),
    block_number INTEGER NOT NULL
  ) STRICT;
  ${appendOnly("orphans")}
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** What brings a store of these versions to the next one. */
const UPGRADES = new Map([
  ["2", SEALS],
  ["3", MEMORIES],
  ["4", OUTBOX],
]);

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
  CREATE TABLE hearings (
    aria          BLOB    NOT NULL CHECK (length(aria) = 20),
    dispute_id    BLOB    NOT NULL CHECK (length(dispute_id) = 8),
    der           BLOB,
    aggregator    BLOB,
    feeder        BLOB,
    evidence_hash BLOB    NOT NULL CHECK (length(evidence_hash) = 32),
    verdict       TEXT    NOT NULL,
    heard_at      INTEGER NOT NULL,
    PRIMARY KEY (aria, dispute_id)
  ) STRICT;
  ${["readings", "statements", "commitments", "hearings"].map(appendOnly).join("")}
  PRAGMA application_id = ${APPLICATION_ID};
  ${SEALS}
  ${MEMORIES}
  ${OUTBOX}
`;

function appendOnly(table: string): string {
  return ban(table, "UPDATE") + ban(table, "DELETE");
}

function ban(table: string, verb: "UPDATE" | "DELETE"): string {
  return `
  CREATE TRIGGER ${table}_no_${verb.toLowerCase()} BEFORE ${verb} ON ${table}
  BEGIN SELECT RAISE(ABORT, '${table} are append-only'); END;`;
}

/** What lifts the ban on deleting readings, and what restores it. */
export const [LIFT_BAN, RESTORE_BAN] = ["DROP TRIGGER readings_no_delete", ban("readings", "DELETE")];

/** A store's database, checked. Whoever uses it keeps the whole, as the lock lasts no longer. */
export interface StoreFile {
  readonly path: string;
  readonly database: DatabaseSync;
  readonly tables: Tables;
  close(): void;
}

/** Opens the file to write to it, alone, and makes it when there is none. */
export function openToWrite(path: string): StoreFile {
  const opened: DatabaseSync[] = [];
  const close = (): void => {
    for (const each of opened) each.close();
  };
  try {
    const database = new DatabaseSync(path);
    opened.push(database);
    const lockPath = lockPathOf(database);
    if (lockPath !== undefined) opened.push(lock(lockPath));
    configure(database);
    prepareFile(database, path);
    return { path, database, tables: new Tables(database), close };
  } catch (error) {
    close();
    throw openingError(path, error);
  }
}

/** Opens a store's file to read only, whether or not somebody writes to it. */
export function openToRead(path: string): StoreFile {
  if (!existsSync(path)) throw new StoreFileError(path, "a Proof of Flow store", "no file");
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true });
    configure(database);
    if (isEmpty(database)) throw new StoreFileError(path, "a Proof of Flow store", "an empty file");
    checkStore(database, path);
    return { path, database, tables: new Tables(database), close: database.close.bind(database) };
  } catch (error) {
    database?.close();
    throw openingError(path, error);
  }
}

/** How long to wait while another process opens, closes or repairs the file, which takes it a moment. */
const FILE_PATIENCE_MS = 2_000;

/** Each meter's chain ends in a page of its own: a thousand ends must fit, or each one is written and read again. */
const CACHE_KIB = 65_536;

function configure(database: DatabaseSync): void {
  database.exec(`
    PRAGMA busy_timeout = ${FILE_PATIENCE_MS};
    PRAGMA synchronous = FULL;
    PRAGMA cache_size = -${CACHE_KIB};
    PRAGMA cell_size_check = ON;
    PRAGMA trusted_schema = OFF`);
}

/**
 * Where the lock of a database is, by the file's own name: it is the same one through a symbolic link or from another
 * folder. Undefined for a database in memory, which nobody else can open.
 */
function lockPathOf(database: DatabaseSync): string | undefined {
  const main = database.prepare("PRAGMA database_list").get() as { file: string };
  return main.file === "" ? undefined : `${main.file}-lock`;
}

const LOCK_PATIENCE_MS = 200;

function lock(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec(`
      PRAGMA busy_timeout = ${LOCK_PATIENCE_MS};
      PRAGMA journal_mode = MEMORY;
      BEGIN EXCLUSIVE`);
    return database;
  } catch (error) {
    database.close();
    if (resultCodeOf(error) === SQLITE_BUSY || !(error instanceof Error)) throw error;
    throw new StoreFileError(path, "an empty file to lock", error.message, { cause: error });
  }
}

/** Nothing is written until the file was found to be a store of this version, or empty. */
function prepareFile(database: DatabaseSync, path: string): void {
  if (isEmpty(database)) database.exec("PRAGMA journal_mode = WAL");
  database.exec("BEGIN IMMEDIATE");
  if (isEmpty(database)) database.exec(SCHEMA);
  else upgrade(database);
  checkStore(database, path);
  database.exec("COMMIT");
}

function isEmpty(database: DatabaseSync): boolean {
  const isUnmarked = pragma(database, "application_id") === "0" && pragma(database, "user_version") === "0";
  return isUnmarked && database.prepare("SELECT 1 FROM sqlite_schema").get() === undefined;
}

function upgrade(database: DatabaseSync): void {
  if (pragma(database, "application_id") !== APPLICATION_ID) return;
  const step = (): string | undefined => UPGRADES.get(pragma(database, "user_version"));
  for (let sql = step(); sql !== undefined; sql = step()) database.exec(sql);
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

const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
/** SQLITE_READONLY_DIRECTORY, of the detailed codes. */
const SQLITE_READONLY_DIRECTORY = 1544;

/** SQLite's result code: the bits above the lowest eight only detail it. */
function resultCodeOf(error: unknown): number | undefined {
  return error instanceof Error && "errcode" in error ? Number(error.errcode) % 256 : undefined;
}

/** The disk's refusal to take or give something; any other error as it is. */
export function diskError(path: string, error: unknown): unknown {
  const code = resultCodeOf(error);
  if (!(error instanceof Error) || (code !== SQLITE_FULL && code !== SQLITE_IOERR)) return error;
  return new StoreDiskError(path, "a disk that works and has room", error.message, { cause: error });
}

function openingError(path: string, cause: unknown): unknown {
  const error = diskError(path, cause);
  if (error instanceof StoreDiskError) return error;
  if (error instanceof StoreFileError || error instanceof StoreVersionError || !(error instanceof Error))
    return error;
  if (resultCodeOf(error) === SQLITE_BUSY)
    return new StoreLockedError(path, "a store nobody has open to write", "one that is locked", {
      cause: error,
    });
  const isFolderReadOnly = "errcode" in error && error.errcode === SQLITE_READONLY_DIRECTORY;
  const received = isFolderReadOnly
    ? "one in a folder that SQLite may not write its index to"
    : error.message;
  return new StoreFileError(path, "a Proof of Flow store", received, { cause: error });
}
