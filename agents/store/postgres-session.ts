import type { Client } from "pg";

import { refusalOf } from "./postgres-errors.ts";

/** A connection. What it is given to do is done one after the other, so that transactions do not mingle. */
export class Session {
  readonly place: string;
  readonly #client: Client;
  #last: Promise<unknown> = Promise.resolve();

  constructor(place: string, client: Client) {
    this.place = place;
    this.#client = client;
  }

  /** @throws {StoreError} for what the database refuses. */
  exclusively<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const result = this.#last.then(() => work(this.#client));
    this.#last = result.catch(() => undefined); // whoever asked is told
    return result.catch((error: unknown) => {
      throw refusalOf(this.place, error);
    });
  }

  /** All or nothing. */
  transaction<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return this.exclusively(async (client) => {
      try {
        await client.query("BEGIN");
        const answer = await work(client);
        await client.query("COMMIT");
        return answer;
      } catch (error) {
        await client.query("ROLLBACK").catch(() => undefined); // a lost connection rolls back by itself
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#client.end();
  }
}
