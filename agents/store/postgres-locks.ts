import type { Client } from "pg";

/**
 * What can be locked: that somebody writes to the store (`presence`), the part that only one worker has (`lead`), and lots
 * of meters, numbered from 0.
 */
export type Lock = "presence" | "lead" | number;

const FIRST_LOT = 16;

function keyOf(lock: Lock): number {
  return typeof lock === "number" ? FIRST_LOT + lock : lock === "presence" ? 0 : 1;
}

/** PostgreSQL's advisory locks of a session: they end with the connection, however that ends. Each store has its own. */
export class Locks {
  readonly #client: Client;
  /** Number of the tables' schema, which tells the stores of one database apart. */
  readonly #store: number;

  private constructor(client: Client, store: number) {
    this.#client = client;
    this.#store = store;
  }

  static async of(client: Client): Promise<Locks> {
    const sql = "SELECT oid::integer AS store FROM pg_namespace WHERE nspname = current_schema()";
    const { rows } = await client.query<{ store: number }>(sql);
    return new Locks(client, rows[0]?.store ?? 0);
  }

  /** @returns whether it was free, and is ours now */
  try(lock: Lock): Promise<boolean> {
    return this.#ask("pg_try_advisory_lock", lock);
  }

  /** As `try`, but others may have it too who ask for it like this. */
  tryShared(lock: Lock): Promise<boolean> {
    return this.#ask("pg_try_advisory_lock_shared", lock);
  }

  async release(lock: Lock): Promise<void> {
    await this.#ask("pg_advisory_unlock", lock);
  }

  /** How many sessions have it. */
  async holders(lock: Lock): Promise<number> {
    const { rows } = await this.#client.query<{ holders: string }>(
      `SELECT count(*) AS holders FROM pg_locks
       WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = $1::integer::oid AND objid = $2::integer::oid
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      [this.#store, keyOf(lock)],
    );
    return Number(rows[0]?.holders ?? 0);
  }

  async #ask(kind: string, lock: Lock): Promise<boolean> {
    const sql = `SELECT ${kind}($1::integer, $2::integer) AS done`;
    const { rows } = await this.#client.query<{ done: boolean }>(sql, [this.#store, keyOf(lock)]);
    return rows[0]?.done ?? false;
  }
}
