/*
 * The tables of a store in PostgreSQL: the same as those of the SQLite file, with the same keys, in the first schema of the
 * connection's search_path. Whole numbers are bigint; addresses, hashes and what may hold any character are bytea.
 *
 * Readings are keyed by meter and sequence, so that of two workers who take one meter for theirs the second is refused.
 * Rows can be neither changed nor deleted, but for memories and what was sent; readings can by a transaction that says so (`pof.pruning`).
 */
import type { ClientBase } from "pg";

import { TRANSACTIONS } from "./postgres-transactions.ts";
import { StoreVersionError } from "./store.ts";

const APPEND_ONLY = ["readings", "statements", "commitments", "seals", "hearings"];

/** Each brings a store from the version of its place in the list to the next. Those that were released stay as they are. */
const MIGRATIONS = [
  `
  CREATE TABLE readings (
    meter           bytea  NOT NULL CHECK (length(meter) = 20),
    sequence        bigint NOT NULL,
    block_timestamp bigint NOT NULL,
    register_wh     bigint NOT NULL,
    power_w         bigint NOT NULL,
    block_number    bigint NOT NULL,
    block_hash      bytea  NOT NULL CHECK (length(block_hash) = 32),
    previous_digest bytea  NOT NULL CHECK (length(previous_digest) = 32),
    digest          bytea  NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (meter, sequence)
  );
  CREATE INDEX readings_by_time ON readings (meter, block_timestamp, sequence);
  CREATE INDEX readings_by_block ON readings (block_number);
  CREATE TABLE memories (
    meter  bytea NOT NULL PRIMARY KEY CHECK (length(meter) = 20),
    memory bytea NOT NULL
  );
  CREATE TABLE statements (
    meter     bytea  NOT NULL CHECK (length(meter) = 20),
    epoch     bigint NOT NULL,
    aria      bytea  NOT NULL CHECK (length(aria) = 20),
    payload   bytea  NOT NULL,
    signature bytea  NOT NULL,
    PRIMARY KEY (meter, epoch, aria)
  );
  CREATE TABLE commitments (
    aria       bytea NOT NULL CHECK (length(aria) = 20),
    request_id bytea NOT NULL CHECK (length(request_id) = 32),
    flow_root  bytea NOT NULL CHECK (length(flow_root) = 32),
    json       bytea NOT NULL,
    PRIMARY KEY (aria, request_id)
  );
  CREATE TABLE seals (
    bundle_hash bytea NOT NULL PRIMARY KEY CHECK (length(bundle_hash) = 32),
    seal        bytea NOT NULL
  );
  CREATE TABLE hearings (
    aria          bytea  NOT NULL CHECK (length(aria) = 20),
    dispute_id    bytea  NOT NULL CHECK (length(dispute_id) = 8),
    der           bytea,
    aggregator    bytea,
    feeder        bytea,
    evidence_hash bytea  NOT NULL CHECK (length(evidence_hash) = 32),
    verdict       bytea  NOT NULL,
    heard_at      bigint NOT NULL,
    PRIMARY KEY (aria, dispute_id)
  );
  CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'readings' AND current_setting('pof.pruning', true) = 'on'
      THEN RETURN OLD; END IF;
      RAISE EXCEPTION '% are append-only', TG_TABLE_NAME;
    END $$;
  ${APPEND_ONLY.map(
    (table) => `
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();`,
  ).join("")}`,
  `
  CREATE TABLE orphans (
    block_hash   bytea  NOT NULL PRIMARY KEY CHECK (length(block_hash) = 32),
    block_number bigint NOT NULL
  );
  CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON orphans FOR EACH ROW EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER never_emptied BEFORE TRUNCATE ON orphans FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
  ${TRANSACTIONS}`,
];

const VERSION = MIGRATIONS.length;
/** Of two that open a new store at once, the second waits for this lock of PostgreSQL until the first has made it. */
const MIGRATING = 0x506f466c;

/** Makes the tables, or brings them up to date; leaves those of a newer version as they are. */
export async function migrate(client: ClientBase, place: string): Promise<void> {
  await client.query("BEGIN");
  try {
    await client.query("SELECT pg_advisory_xact_lock($1)", [MIGRATING]);
    await client.query("CREATE TABLE IF NOT EXISTS store_version (version integer NOT NULL)");
    const { rows } = await client.query<{ version: number }>("SELECT version FROM store_version");
    const version = rows[0]?.version ?? 0;
    if (version > VERSION) throw versionError(place, version);
    for (const migration of MIGRATIONS.slice(version)) await client.query(migration);
    await client.query("DELETE FROM store_version");
    await client.query("INSERT INTO store_version VALUES ($1)", [VERSION]);
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

/** @throws {StoreVersionError} unless the tables are of this version. */
export async function checkVersion(client: ClientBase, place: string): Promise<void> {
  const { rows } = await client.query<{ version: number }>("SELECT version FROM store_version");
  const version = rows[0]?.version ?? 0;
  if (version !== VERSION) throw versionError(place, version);
}

function versionError(place: string, version: number): StoreVersionError {
  return new StoreVersionError(place, `schema version ${VERSION}`, `version ${version}`);
}
