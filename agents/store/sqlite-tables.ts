import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";

import {
  addressBytes,
  type Block,
  blockHashBytes,
  requireCount,
  type StampedReading,
} from "../metering/reading.ts";
import { disputeIdBytes, hex, hexBytes, requestIdBytes, textBytes, textOf } from "./bytes.ts";
import type { MeterMemory, StoredCommitment, StoredHearing, StoredSeal, StoredStatement } from "./store.ts";

const COLUMNS =
  "block_timestamp, sequence, register_wh, power_w, block_number, block_hash, previous_digest, digest";
const READINGS_OF_METER = `SELECT ${COLUMNS} FROM readings WHERE meter = ?`;
const HEARINGS_OF_ARIA =
  "SELECT dispute_id, der, aggregator, feeder, evidence_hash, verdict, heard_at FROM hearings WHERE aria = ?";
const STATEMENT_KEY = "meter = ? AND epoch = ? AND aria = ?";

/** How many readings one statement inserts: alone each takes half as long again, and more than these gain nothing. */
const ROWS = 16;

function prepareAll(database: DatabaseSync) {
  const sql = (text: string) => prepared(database, text);
  const insertReadings = (rows: number) =>
    sql(
      `INSERT INTO readings (meter, ${COLUMNS}) VALUES ${Array(rows).fill("(?, ?, ?, ?, ?, ?, ?, ?, ?)").join()}`,
    );
  return {
    insertReading: insertReadings(1),
    insertReadings: insertReadings(ROWS),
    lastReadingBefore: sql(
      `${READINGS_OF_METER} AND block_timestamp < ? ORDER BY block_timestamp DESC, sequence DESC LIMIT 1`,
    ),
    readingsBetween: sql(
      `${READINGS_OF_METER} AND block_timestamp >= ? AND block_timestamp < ? ORDER BY block_timestamp, sequence`,
    ),
    nextMeter: sql("SELECT meter FROM readings WHERE meter > ? ORDER BY meter LIMIT 1"),
    keyAt: sql(
      "SELECT block_timestamp, sequence FROM readings WHERE meter = ? ORDER BY block_timestamp, sequence LIMIT 1 OFFSET ?",
    ),
    deleteReadings: sql(
      "DELETE FROM readings WHERE meter = ?1 AND (block_timestamp, sequence) < (?2, ?3) AND (block_timestamp, sequence) < (?4, ?5)",
    ),
    replaceMemory: sql(
      "INSERT INTO memories (meter, memory) VALUES (?, ?) ON CONFLICT (meter) DO UPDATE SET memory = excluded.memory",
    ),
    memoryOf: sql("SELECT memory FROM memories WHERE meter = ?"),
    insertStatement: sql(
      "INSERT INTO statements (meter, epoch, aria, payload, signature) VALUES (?, ?, ?, ?, ?)",
    ),
    statementOf: sql(`SELECT payload, signature FROM statements WHERE ${STATEMENT_KEY}`),
    insertCommitment: sql("INSERT INTO commitments (aria, request_id, flow_root, json) VALUES (?, ?, ?, ?)"),
    commitmentOf: sql("SELECT flow_root, json FROM commitments WHERE aria = ? AND request_id = ?"),
    insertSeal: sql("INSERT INTO seals (bundle_hash, seal) VALUES (?, ?)"),
    sealOf: sql("SELECT seal FROM seals WHERE bundle_hash = ?"),
    insertHearing: sql(
      "INSERT INTO hearings (aria, dispute_id, der, aggregator, feeder, evidence_hash, verdict, heard_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    hearingOf: sql(`${HEARINGS_OF_ARIA} AND dispute_id = ?`),
    hearings: sql(`${HEARINGS_OF_ARIA} ORDER BY heard_at, dispute_id`),
    stampsFrom: sql(
      "SELECT DISTINCT block_number, block_hash, block_timestamp FROM readings WHERE block_number >= ?",
    ),
    insertOrphan: sql("INSERT INTO orphans (block_hash, block_number) VALUES (?, ?) ON CONFLICT DO NOTHING"),
    orphans: sql("SELECT block_hash FROM orphans"),
    latestBlock: sql("SELECT max(block_number) AS block_number FROM readings"),
  };
}

/** Prepared with 64-bit integers read as bigint, for Wh and W may exceed what a number holds. */
function prepared(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql);
  statement.setReadBigInts(true);
  return statement;
}

/* The strict tables hold columns to these types, so rows are taken at their word. */
type Integers<Column extends string> = Record<Column, bigint>;
type Blobs<Column extends string> = Record<Column, Uint8Array>;
type ReadingRow = Integers<"block_timestamp" | "sequence" | "register_wh" | "power_w" | "block_number"> &
  Blobs<"block_hash" | "previous_digest" | "digest">;
type StatementRow = Record<"payload", string> & Blobs<"signature">;
type CommitmentRow = Blobs<"flow_root"> & Record<"json", string>;
type SealRow = Blobs<"seal">;
type HearingRow = Blobs<"dispute_id" | "evidence_hash"> &
  Record<"der" | "aggregator" | "feeder", Uint8Array | null> &
  Record<"verdict", string> &
  Integers<"heard_at">;

/** The tables of a store: values to rows and back. It neither checks what is inserted nor begins transactions. */
export class Tables {
  readonly #sql: ReturnType<typeof prepareAll>;

  constructor(database: DatabaseSync) {
    this.#sql = prepareAll(database);
  }

  /** @param readings such whose digests were checked, and so their fields as well */
  insertReadings(readings: readonly StampedReading[]): void {
    let done = 0;
    for (; done + ROWS <= readings.length; done += ROWS)
      this.#sql.insertReadings.run(...readings.slice(done, done + ROWS).flatMap(rowOf));
    for (; done < readings.length; done += 1)
      this.#sql.insertReading.run(...readings.slice(done, done + 1).flatMap(rowOf));
  }

  lastReadingBefore(meter: string, timestamp: number): StampedReading | undefined {
    const row = this.#sql.lastReadingBefore.get(addressBytes(meter), timestamp) as ReadingRow | undefined;
    return row && readingOf(meter, row);
  }

  readingsBetween(meter: string, fromTimestamp: number, toTimestamp: number): StampedReading[] {
    const rows = this.#sql.readingsBetween.all(addressBytes(meter), fromTimestamp, toTimestamp);
    return rows.map((row) => readingOf(meter, row as unknown as ReadingRow));
  }

  /** Deletes those older than `timestamp`, but for each meter's last one before it. @returns how many, up to the limit */
  deleteReadings(timestamp: number, limit: number): number {
    let deleted = 0;
    for (const meter of this.#meters()) {
      const kept = this.#sql.lastReadingBefore.get(meter, timestamp) as ReadingRow | undefined;
      if (kept === undefined) continue;
      const end = (this.#sql.keyAt.get(meter, limit - deleted) as typeof kept | undefined) ?? kept;
      const { changes } = this.#sql.deleteReadings.run(
        meter,
        kept.block_timestamp,
        kept.sequence,
        end.block_timestamp,
        end.sequence,
      );
      deleted += Number(changes);
      if (deleted >= limit) break;
    }
    return deleted;
  }

  *#meters(): Generator<Uint8Array> {
    const next = (after: Uint8Array) => this.#sql.nextMeter.get(after) as Blobs<"meter"> | undefined;
    for (let row = next(new Uint8Array()); row !== undefined; row = next(row.meter)) yield row.meter;
  }

  replaceMemory({ meter, memory }: MeterMemory): void {
    this.#sql.replaceMemory.run(addressBytes(meter), textBytes("memory", memory));
  }

  memoryOf(meter: string): string | undefined {
    const row = this.#sql.memoryOf.get(addressBytes(meter)) as Blobs<"memory"> | undefined;
    return row && textOf(row.memory);
  }

  latestBlock(): number | undefined {
    const row = this.#sql.latestBlock.get() as { block_number: bigint | null };
    return row.block_number === null ? undefined : Number(row.block_number);
  }

  stampsFrom(blockNumber: number): Block[] {
    const rows = this.#sql.stampsFrom.all(blockNumber) as unknown as ReadingRow[];
    return rows.map(({ block_number, block_hash, block_timestamp }) => ({
      number: Number(block_number),
      hash: hex(block_hash),
      timestamp: Number(block_timestamp),
    }));
  }

  insertOrphan({ number, hash }: Block): void {
    this.#sql.insertOrphan.run(hexBytes("blockHash", hash, 32), number);
  }

  orphans(): Set<string> {
    const rows = this.#sql.orphans.all() as unknown as Blobs<"block_hash">[];
    return new Set(rows.map(({ block_hash }) => hex(block_hash)));
  }

  insertStatement({ meter, epoch, aria, payload, signature }: StoredStatement): void {
    const signatureBytes = hexBytes("signature", signature);
    this.#sql.insertStatement.run(addressBytes(meter), epoch, addressBytes(aria), payload, signatureBytes);
  }

  statementOf(meter: string, epoch: number, aria: string): StoredStatement | undefined {
    const row = this.#sql.statementOf.get(addressBytes(meter), epoch, addressBytes(aria)) as
      StatementRow | undefined;
    return row && { meter, epoch, aria, payload: row.payload, signature: hex(row.signature) };
  }

  insertCommitment({ aria, requestId, flowRoot, json }: StoredCommitment): void {
    const root = hexBytes("flowRoot", flowRoot, 32);
    this.#sql.insertCommitment.run(addressBytes(aria), requestIdBytes(requestId), root, json);
  }

  commitmentOf(aria: string, requestId: bigint): StoredCommitment | undefined {
    const row = this.#sql.commitmentOf.get(addressBytes(aria), requestIdBytes(requestId)) as
      CommitmentRow | undefined;
    return row && { aria, requestId, flowRoot: hex(row.flow_root), json: row.json };
  }

  insertSeal({ bundleHash, seal }: StoredSeal): void {
    this.#sql.insertSeal.run(hexBytes("bundleHash", bundleHash, 32), hexBytes("seal", seal));
  }

  sealOf(bundleHash: string): StoredSeal | undefined {
    const row = this.#sql.sealOf.get(hexBytes("bundleHash", bundleHash, 32)) as SealRow | undefined;
    return row && { bundleHash, seal: hex(row.seal) };
  }

  insertHearing(hearing: StoredHearing): void {
    requireCount("heardAt", hearing.heardAt);
    this.#sql.insertHearing.run(
      addressBytes(hearing.aria),
      disputeIdBytes(hearing.disputeId),
      textBytes("der", hearing.der),
      textBytes("aggregator", hearing.aggregator),
      textBytes("feeder", hearing.feeder),
      hexBytes("evidenceHash", hearing.evidenceHash, 32),
      hearing.verdict,
      hearing.heardAt,
    );
  }

  hearingOf(aria: string, disputeId: bigint): StoredHearing | undefined {
    const row = this.#sql.hearingOf.get(addressBytes(aria), disputeIdBytes(disputeId)) as
      HearingRow | undefined;
    return row && hearingOf(aria, row);
  }

  hearings(aria: string): StoredHearing[] {
    const rows = this.#sql.hearings.all(addressBytes(aria));
    return rows.map((row) => hearingOf(aria, row as unknown as HearingRow));
  }
}

/** Where a statement's rows have their digests. SQLite copies them, so the next statement may use it again. */
const rowDigests = Array.from({ length: ROWS }, () => ({
  previous: Buffer.alloc(32),
  own: Buffer.alloc(32),
}));

/** The values of a reading. @param row its place in the statement, below `ROWS` */
function rowOf(reading: StampedReading, row: number): SQLInputValue[] {
  const digests = rowDigests[row];
  if (digests === undefined) throw new RangeError(`a statement has ${ROWS} rows, and none numbered ${row}`);
  digests.previous.write(reading.previousDigest.slice(2), "hex");
  digests.own.write(reading.digest.slice(2), "hex");
  return [
    addressBytes(reading.meter),
    reading.blockTimestamp,
    reading.sequence,
    reading.registerWh,
    reading.powerW,
    reading.blockNumber,
    blockHashBytes(reading.blockHash),
    digests.previous,
    digests.own,
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

function hearingOf(aria: string, row: HearingRow): StoredHearing {
  return {
    aria,
    disputeId: BigInt(hex(row.dispute_id)),
    der: textOf(row.der),
    aggregator: textOf(row.aggregator),
    feeder: textOf(row.feeder),
    evidenceHash: hex(row.evidence_hash),
    verdict: row.verdict,
    heardAt: Number(row.heard_at),
  };
}
