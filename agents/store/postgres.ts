/*
 * A store in PostgreSQL. What is said of the SQLite file holds here as well: every call is one transaction, committed to
 * disk before it resolves. Unlike a file, it can be shared: several workers of one agent write to it at once, each the
 * readings of meters that no other one has (see postgres-locks.ts). All locks are PostgreSQL's own and belong to the
 * writer's connection, so that they end with it.
 */
import { Client, type QueryResultRow } from "pg";

import {
  addressBytes,
  type Block,
  faultAfter,
  requireCount,
  type StampedReading,
} from "../metering/reading.ts";
import { disputeIdBytes, hex, hexBytes, requestIdBytes, textBytes, textOf } from "./bytes.ts";
import { connectionError, refusalOf } from "./postgres-errors.ts";
import { Locks } from "./postgres-locks.ts";
import {
  bounded,
  columnsOf,
  hearingOf,
  type HearingRow,
  INSERT_READINGS,
  LAST_READINGS,
  PRUNE_READINGS,
  type ReadingRow,
  readingOf,
  text,
  type Whole,
} from "./postgres-rows.ts";
import { checkVersion, migrate } from "./postgres-schema.ts";
import { Session } from "./postgres-session.ts";
import { PostgresTransactions } from "./postgres-transactions.ts";
import {
  refuseOtherCommitment,
  refuseOtherHearing,
  refuseOtherSeal,
  refuseOtherStatement,
} from "./said-once.ts";
import {
  BrokenChainError,
  type MeterMemory,
  type ReadingStore,
  type StoredCommitment,
  type StoredHearing,
  type StoredSeal,
  type StoredStatement,
  StoreLockedError,
  type StoreReader,
} from "./store.ts";

/**
 * Opens the store in a database, and makes it when there is none.
 * @param url postgres://USER@HOST/DATABASE; the password comes from PGPASSWORD or ~/.pgpass
 * @param shared whether other workers may have it open to write as well, if they say the same
 * @throws {StoreConnectionError} when the server does not let us in.
 * @throws {StoreLockedError} when somebody who does not share it has it open to write.
 * @throws {StoreVersionError} when it is of a newer version.
 */
export async function openPostgresStore(url: string, { shared = false } = {}): Promise<PostgresStore> {
  const place = placeOf(url);
  const [reader, writer] = [await connected(url, place), await connected(url, place)];
  try {
    await migrate(writer, place);
    const session = new Session(place, writer);
    const locks = await Locks.of(session);
    if (!(await (shared ? locks.tryShared("presence") : locks.try("presence"))))
      throw new StoreLockedError(place, "a store nobody has open to write", "one that is locked");
    return new PostgresStore(new Session(place, reader), session, locks);
  } catch (error) {
    await Promise.all([reader.end(), writer.end()]);
    throw refusalOf(place, error);
  }
}

/** Opens a store to read it, also while agents write to it. */
export async function openPostgresReader(url: string): Promise<StoreReader> {
  const place = placeOf(url);
  const client = await connected(url, place);
  try {
    await checkVersion(client, place);
    return new PostgresReader(new Session(place, client));
  } catch (error) {
    await client.end();
    throw refusalOf(place, error);
  }
}

async function connected(url: string, place: string): Promise<Client> {
  const client = new Client({ connectionString: url, application_name: "proof-of-flow" });
  client.on("error", () => undefined); // the next query tells of it
  try {
    await client.connect();
    await client.query(SETTINGS);
    return client;
  } catch (error) {
    await client.end().catch(() => undefined); // it never was open
    throw connectionError(place, error);
  }
}

/** The disk is waited for. A worker whose machine is gone is noticed within half a minute, and its locks are free then. */
const SETTINGS = `
  SET synchronous_commit = on;
  SET tcp_keepalives_idle = 10;
  SET tcp_keepalives_interval = 5;
  SET tcp_keepalives_count = 3`;

/** How a store is called in messages: without what may be a password. */
function placeOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `postgres://${host}${pathname}`;
}

class PostgresReader implements StoreReader {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async latestBlock(): Promise<number | undefined> {
    const [row] = await this.#rows<{ block: Whole | null }>(
      "SELECT max(block_number) AS block FROM readings",
    );
    return row === undefined || row.block === null ? undefined : Number(row.block);
  }

  lastReading(meter: string): Promise<StampedReading | undefined> {
    return this.lastReadingBefore(meter, Number.MAX_SAFE_INTEGER + 1);
  }

  async memoryOf(meter: string): Promise<string | undefined> {
    const sql = "SELECT memory FROM memories WHERE meter = $1";
    const [row] = await this.#rows<{ memory: Buffer }>(sql, [addressBytes(meter)]);
    return row && textOf(row.memory);
  }

  async lastReadingBefore(meter: string, timestamp: number): Promise<StampedReading | undefined> {
    const [row] = await this.#rows<ReadingRow>(
      "SELECT * FROM readings WHERE meter = $1 AND block_timestamp < $2 ORDER BY block_timestamp DESC, sequence DESC LIMIT 1",
      [addressBytes(meter), bounded(timestamp)],
    );
    return row && readingOf(meter, row);
  }

  async readingsBetween(
    meter: string,
    fromTimestamp: number,
    toTimestamp: number,
  ): Promise<StampedReading[]> {
    const rows = await this.#rows<ReadingRow>(
      "SELECT * FROM readings WHERE meter = $1 AND block_timestamp >= $2 AND block_timestamp < $3 ORDER BY block_timestamp, sequence",
      [addressBytes(meter), bounded(fromTimestamp), bounded(toTimestamp)],
    );
    return rows.map((row) => readingOf(meter, row));
  }

  async statementOf(meter: string, epoch: number, aria: string): Promise<StoredStatement | undefined> {
    const [row] = await this.#rows<{ payload: Buffer; signature: Buffer }>(
      "SELECT payload, signature FROM statements WHERE meter = $1 AND epoch = $2 AND aria = $3",
      [addressBytes(meter), epoch, addressBytes(aria)],
    );
    return row && { meter, epoch, aria, payload: text(row.payload), signature: hex(row.signature) };
  }

  async commitmentOf(aria: string, requestId: bigint): Promise<StoredCommitment | undefined> {
    const [row] = await this.#rows<{ flow_root: Buffer; json: Buffer }>(
      "SELECT flow_root, json FROM commitments WHERE aria = $1 AND request_id = $2",
      [addressBytes(aria), requestIdBytes(requestId)],
    );
    return row && { aria, requestId, flowRoot: hex(row.flow_root), json: text(row.json) };
  }

  async sealOf(bundleHash: string): Promise<string | undefined> {
    const sql = "SELECT seal FROM seals WHERE bundle_hash = $1";
    const [row] = await this.#rows<{ seal: Buffer }>(sql, [hexBytes("bundleHash", bundleHash, 32)]);
    return row && hex(row.seal);
  }

  async hearingOf(aria: string, disputeId: bigint): Promise<StoredHearing | undefined> {
    const sql = "SELECT * FROM hearings WHERE aria = $1 AND dispute_id = $2";
    const [row] = await this.#rows<HearingRow>(sql, [addressBytes(aria), disputeIdBytes(disputeId)]);
    return row && hearingOf(aria, row);
  }

  async hearings(aria: string): Promise<StoredHearing[]> {
    const sql = "SELECT * FROM hearings WHERE aria = $1 ORDER BY heard_at, dispute_id";
    const rows = await this.#rows<HearingRow>(sql, [addressBytes(aria)]);
    return rows.map((row) => hearingOf(aria, row));
  }

  async bytes(): Promise<number> {
    const sql = "SELECT pg_database_size(current_database()) AS bytes";
    const [row] = await this.#rows<{ bytes: Whole }>(sql);
    return Number(row?.bytes);
  }

  async stampsFrom(blockNumber: number): Promise<Block[]> {
    const rows = await this.#rows<Pick<ReadingRow, "block_number" | "block_hash" | "block_timestamp">>(
      "SELECT DISTINCT block_number, block_hash, block_timestamp FROM readings WHERE block_number >= $1",
      [blockNumber],
    );
    return rows.map((row) => ({
      number: Number(row.block_number),
      hash: hex(row.block_hash),
      timestamp: Number(row.block_timestamp),
    }));
  }

  async orphans(): Promise<ReadonlySet<string>> {
    const rows = await this.#rows<{ block_hash: Buffer }>("SELECT block_hash FROM orphans");
    return new Set(rows.map((row) => hex(row.block_hash)));
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  async #rows<Row extends QueryResultRow>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.#session.exclusively((client) => client.query<Row>(sql, values))).rows;
  }
}

/** Readings that are let go in a transaction. */
const PRUNED_AT_ONCE = 10_000;

export class PostgresStore extends PostgresReader implements ReadingStore {
  /** Held by this writer, and lost with its connection. */
  readonly locks: Locks;
  readonly transactions: PostgresTransactions;
  readonly #writer: Session;

  constructor(reader: Session, writer: Session, locks: Locks) {
    super(reader);
    this.#writer = writer;
    this.locks = locks;
    this.transactions = new PostgresTransactions(writer);
  }

  appendReadings(readings: readonly StampedReading[], memories: readonly MeterMemory[] = []): Promise<void> {
    return this.#writer.transaction(async (client) => {
      if (readings.length > 0) {
        const ends = await endsOf(client, [...new Set(readings.map(({ meter }) => meter))]);
        for (const reading of readings) {
          const fault = faultAfter(ends.get(reading.meter), reading);
          if (fault !== undefined) throw new BrokenChainError(reading.meter, fault);
          ends.set(reading.meter, reading);
        }
        await client.query(INSERT_READINGS, columnsOf(readings));
      }
      for (const { meter, memory } of memories)
        await client.query(
          "INSERT INTO memories VALUES ($1, $2) ON CONFLICT (meter) DO UPDATE SET memory = excluded.memory",
          [addressBytes(meter), textBytes("memory", memory)],
        );
    });
  }

  pruneReadings(timestamp: number): Promise<number> {
    return this.#writer.transaction(async (client) => {
      await client.query("SET LOCAL pof.pruning = 'on'");
      const { rowCount } = await client.query(PRUNE_READINGS, [bounded(timestamp), PRUNED_AT_ONCE]);
      return rowCount ?? 0;
    });
  }

  saveOrphans(blocks: readonly Block[]): Promise<void> {
    return this.#writer.transaction(async (client) => {
      for (const { hash, number } of blocks) {
        const sql = "INSERT INTO orphans VALUES ($1, $2) ON CONFLICT DO NOTHING";
        await client.query(sql, [hexBytes("blockHash", hash, 32), number]);
      }
    });
  }

  saveStatement(statement: StoredStatement): Promise<void> {
    const { meter, epoch, aria, payload, signature } = statement;
    return this.#saveOnce(
      "statements",
      () => [
        addressBytes(meter),
        epoch,
        addressBytes(aria),
        textBytes("payload", payload),
        hexBytes("signature", signature),
      ],
      async () => {
        const stored = await this.statementOf(meter, epoch, aria);
        if (stored !== undefined) refuseOtherStatement(stored, statement);
      },
    );
  }

  saveCommitment(commitment: StoredCommitment): Promise<void> {
    const { aria, requestId, flowRoot, json } = commitment;
    return this.#saveOnce(
      "commitments",
      () => [
        addressBytes(aria),
        requestIdBytes(requestId),
        hexBytes("flowRoot", flowRoot, 32),
        textBytes("json", json),
      ],
      async () => {
        const stored = await this.commitmentOf(aria, requestId);
        if (stored !== undefined) refuseOtherCommitment(stored, commitment);
      },
    );
  }

  saveSeal(seal: StoredSeal): Promise<void> {
    const { bundleHash } = seal;
    return this.#saveOnce(
      "seals",
      () => [hexBytes("bundleHash", bundleHash, 32), hexBytes("seal", seal.seal)],
      async () => {
        const stored = await this.sealOf(bundleHash);
        if (stored !== undefined) refuseOtherSeal({ bundleHash, seal: stored }, seal);
      },
    );
  }

  saveHearing(hearing: StoredHearing): Promise<void> {
    const { aria, disputeId } = hearing;
    return this.#saveOnce(
      "hearings",
      () => {
        requireCount("heardAt", hearing.heardAt);
        return [
          addressBytes(aria),
          disputeIdBytes(disputeId),
          textBytes("der", hearing.der),
          textBytes("aggregator", hearing.aggregator),
          textBytes("feeder", hearing.feeder),
          hexBytes("evidenceHash", hearing.evidenceHash, 32),
          textBytes("verdict", hearing.verdict),
          hearing.heardAt,
        ];
      },
      async () => {
        const stored = await this.hearingOf(aria, disputeId);
        if (stored !== undefined) refuseOtherHearing(stored, hearing);
      },
    );
  }

  override async close(): Promise<void> {
    await Promise.all([super.close(), this.#writer.close()]);
  }

  /** Inserts a row unless there is one of its key, which then must say the same. */
  #saveOnce(table: string, values: () => unknown[], refuseOther: () => Promise<void>): Promise<void> {
    return this.#writer.transaction(async (client) => {
      const row = values();
      const places = row.map((_, i) => `$${i + 1}`).join();
      const sql = `INSERT INTO ${table} VALUES (${places}) ON CONFLICT DO NOTHING`;
      const { rowCount } = await client.query(sql, row);
      if (rowCount === 0) await refuseOther();
    });
  }
}

/** The last stored reading of each of these meters. */
async function endsOf(client: Client, meters: readonly string[]): Promise<Map<string, StampedReading>> {
  const wanted = meters.map((meter) => Buffer.from(addressBytes(meter)));
  const { rows } = await client.query<ReadingRow & { place: Whole }>(LAST_READINGS, [wanted]);
  return new Map(
    rows.map((row) => {
      const meter = meters[Number(row.place) - 1] ?? "";
      return [meter, readingOf(meter, row)];
    }),
  );
}
