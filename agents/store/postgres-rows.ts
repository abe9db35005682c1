/* How readings and hearings stand in PostgreSQL's tables, and the longer statements about them. */

import type { StampedReading } from "../metering/reading.ts";
import { hex, textOf } from "./bytes.ts";
import type { StoredHearing } from "./store.ts";

/** PostgreSQL's bigint as pg gives it. */
export type Whole = string;
export interface ReadingRow {
  readonly meter: Buffer;
  readonly sequence: Whole;
  readonly block_timestamp: Whole;
  readonly register_wh: Whole;
  readonly power_w: Whole;
  readonly block_number: Whole;
  readonly block_hash: Buffer;
  readonly previous_digest: Buffer;
  readonly digest: Buffer;
}
export interface HearingRow {
  readonly dispute_id: Buffer;
  readonly der: Buffer | null;
  readonly aggregator: Buffer | null;
  readonly feeder: Buffer | null;
  readonly evidence_hash: Buffer;
  readonly verdict: Buffer;
  readonly heard_at: Whole;
}

export const INSERT_READINGS = `
  INSERT INTO readings (meter, sequence, block_timestamp, register_wh, power_w, block_number, block_hash, previous_digest, digest)
  SELECT decode(m, 'hex'), s, t, r, p, b, decode(h, 'hex'), decode(d, 'hex'), decode(o, 'hex')
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[])
    AS rows (m, s, t, r, p, b, h, d, o)`;

/** Readings as one array a column: one statement takes them all. They were checked, and so their forms. */
export function columnsOf(readings: readonly StampedReading[]): unknown[] {
  return [
    readings.map(({ meter }) => meter.slice(2)),
    readings.map(({ sequence }) => sequence),
    readings.map(({ blockTimestamp }) => blockTimestamp),
    readings.map(({ registerWh }) => String(registerWh)),
    readings.map(({ powerW }) => String(powerW)),
    readings.map(({ blockNumber }) => blockNumber),
    readings.map(({ blockHash }) => blockHash.slice(2)),
    readings.map(({ previousDigest }) => previousDigest.slice(2)),
    readings.map(({ digest }) => digest.slice(2)),
  ];
}

export const LAST_READINGS = `
  SELECT last.*, wanted.place
  FROM unnest($1::bytea[]) WITH ORDINALITY AS wanted (meter, place)
  CROSS JOIN LATERAL (
    SELECT * FROM readings WHERE readings.meter = wanted.meter ORDER BY sequence DESC LIMIT 1
  ) AS last`;

/** Of each meter, all before the last one before the time; at most so many together. */
export const PRUNE_READINGS = `
  WITH RECURSIVE meters AS (
    (SELECT meter FROM readings ORDER BY meter LIMIT 1)
    UNION ALL
    SELECT (SELECT r.meter FROM readings r WHERE r.meter > m.meter ORDER BY r.meter LIMIT 1)
    FROM meters m WHERE m.meter IS NOT NULL
  ),
  old AS (
    SELECT r.meter, r.sequence
    FROM meters
    CROSS JOIN LATERAL (
      SELECT sequence FROM readings
      WHERE meter = meters.meter AND block_timestamp < $1
      ORDER BY block_timestamp DESC, sequence DESC LIMIT 1
    ) AS kept
    JOIN readings r ON r.meter = meters.meter AND r.sequence < kept.sequence
    ORDER BY r.meter, r.sequence
    LIMIT $2
  )
  DELETE FROM readings USING old WHERE readings.meter = old.meter AND readings.sequence = old.sequence`;

/** A time as PostgreSQL's bigint holds it; later than all of them is after the last. */
export function bounded(timestamp: number): string {
  return timestamp > Number.MAX_SAFE_INTEGER ? String(2n ** 63n - 1n) : String(Math.ceil(timestamp));
}

export function readingOf(meter: string, row: ReadingRow): StampedReading {
  return {
    meter,
    sequence: Number(row.sequence),
    registerWh: BigInt(row.register_wh),
    powerW: BigInt(row.power_w),
    blockNumber: Number(row.block_number),
    blockHash: hex(row.block_hash),
    previousDigest: hex(row.previous_digest),
    digest: hex(row.digest),
    blockTimestamp: Number(row.block_timestamp),
  };
}

export function hearingOf(aria: string, row: HearingRow): StoredHearing {
  return {
    aria,
    disputeId: BigInt(hex(row.dispute_id)),
    der: textOf(row.der),
    aggregator: textOf(row.aggregator),
    feeder: textOf(row.feeder),
    evidenceHash: hex(row.evidence_hash),
    verdict: text(row.verdict),
    heardAt: Number(row.heard_at),
  };
}

export function text(bytes: Buffer): string {
  return bytes.toString("utf8");
}
