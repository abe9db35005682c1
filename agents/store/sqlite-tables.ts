import type { DatabaseSync, StatementSync } from "node:sqlite";

import {
  addressBytes,
  type Block,
  FieldError,
  requireCount,
  type StampedReading,
} from "../metering/reading.ts";
import type { MeterMemory, StoredCommitment, StoredHearing, StoredSeal, StoredStatement } from "./store.ts";

const COLUMNS =
  "block_timestamp, sequence, register_wh, power_w, block_number, block_hash, previous_digest, digest";
const READINGS_OF_METER = `SELECT ${COLUMNS} FROM readings WHERE meter = ?`;
const HEARINGS_OF_ARIA =
  "SELECT dispute_id, der, aggregator, feeder, evidence_hash, verdict, heard_at FROM hearings WHERE aria = ?";
const STATEMENT_KEY = "meter = ? AND epoch = ? AND aria = ?";

function prepareAll(database: DatabaseSync) {
  const sql = (text: string) => prepared(database, text);
  return {
    insertReading: sql(`INSERT INTO readings (meter, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    lastReadingBefore: sql(
      `${READINGS_OF_METER} AND block_timestamp < ? ORDER BY block_timestamp DESC, sequence DESC LIMIT 1`,
    ),
    readingsBetween: sql(
      `${READINGS_OF_METER} AND block_timestamp >= ? AND block_timestamp < ? ORDER BY block_timestamp, sequence`,
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

  /** @param reading one whose digest was checked, and so its fields as well */
  insertReading(reading: StampedReading): void {
    this.#sql.insertReading.run(
      addressBytes(reading.meter),
      reading.blockTimestamp,
      reading.sequence,
      reading.registerWh,
      reading.powerW,
      reading.blockNumber,
      hexBytes("blockHash", reading.blockHash, 32),
      hexBytes("previousDigest", reading.previousDigest, 32),
      hexBytes("digest", reading.digest, 32),
    );
  }

  lastReadingBefore(meter: string, timestamp: number): StampedReading | undefined {
    const row = this.#sql.lastReadingBefore.get(addressBytes(meter), timestamp) as ReadingRow | undefined;
    return row && readingOf(meter, row);
  }

  readingsBetween(meter: string, fromTimestamp: number, toTimestamp: number): StampedReading[] {
    const rows = this.#sql.readingsBetween.all(addressBytes(meter), fromTimestamp, toTimestamp);
    return rows.map((row) => readingOf(meter, row as unknown as ReadingRow));
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

function hex(bytes: Uint8Array): string {
  return `0x${bufferOf(bytes).toString("hex")}`;
}

function textOf(bytes: Uint8Array | null): string | undefined {
  return bytes === null ? undefined : bufferOf(bytes).toString("utf8");
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Only what UTF-8 can hold, so that what is read back is what was saved. */
function textBytes(field: string, text: string | undefined): Uint8Array | null {
  if (text === undefined) return null;
  const bytes = Buffer.from(text, "utf8");
  if (bytes.toString("utf8") !== text) throw new FieldError(field, "Unicode text", "half a surrogate pair");
  return bytes;
}

/** Only lower case, so that what is read back is what was saved. */
function hexBytes(field: string, value: string, length = (value.length - 2) / 2): Uint8Array {
  if (!/^0x([0-9a-f]{2})+$/.test(value) || value.length !== 2 + 2 * length)
    throw new FieldError(field, `0x and ${length} bytes in lower-case hex`, value);
  return Buffer.from(value.slice(2), "hex");
}

function requestIdBytes(value: bigint): Uint8Array {
  return unsignedBytes("requestId", value, 32);
}

function disputeIdBytes(value: bigint): Uint8Array {
  return unsignedBytes("disputeId", value, 8);
}

/** Big-endian, so that they sort as the numbers do. */
function unsignedBytes(field: string, value: bigint, length: number): Uint8Array {
  const bits = 8 * length;
  if (value < 0n || value >= 2n ** BigInt(bits))
    throw new FieldError(field, `0 to 2^${bits} - 1`, String(value));
  return Buffer.from(value.toString(16).padStart(2 * length, "0"), "hex");
}
