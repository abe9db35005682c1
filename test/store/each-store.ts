import type { Suite } from "mocha";

import { openPostgresStore } from "../../agents/store/postgres.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { ReadingStore } from "../../agents/store/store.ts";
import {
  POSTGRES_PROGRAMS,
  type PostgresServer,
  startPostgres,
  WITHOUT_POSTGRES,
} from "./postgres-server.ts";
import { StoreStage } from "./stage.ts";

/** A store that tests use, whatever keeps it. */
export interface Stage {
  readonly store: ReadingStore;
  /** Closes the store and opens it again. */
  reopen(): Promise<void>;
  remove(): Promise<void>;
  /** Another store, that is empty; whoever asks for it closes it. */
  fresh(): Promise<ReadingStore>;
}

/** What every store does, whatever keeps it: the same tests for all of them. */
export function describeEachStore(
  title: string,
  tests: (this: Suite, newStage: () => Promise<Stage>) => void,
): void {
  describe(`SQLite: ${title}`, function () {
    tests.call(this, () => {
      const stage = new StoreStage();
      return Promise.resolve(
        Object.assign(stage, { fresh: () => Promise.resolve(openSqliteStore(":memory:")) }),
      );
    });
  });

  (POSTGRES_PROGRAMS === undefined ? describe.skip : describe)(
    `PostgreSQL: ${title}${WITHOUT_POSTGRES}`,
    function () {
      this.timeout(60_000);
      let server: PostgresServer | undefined;
      before(async function () {
        server = await startPostgres();
      });
      after(async function () {
        await server?.stop();
      });
      tests.call(this, async () => {
        if (server === undefined) throw new Error("the server was not started");
        return PostgresStage.open(server);
      });
    },
  );
}

class PostgresStage implements Stage {
  store: ReadingStore;
  readonly #server: PostgresServer;
  readonly #url: string;

  private constructor(server: PostgresServer, url: string, store: ReadingStore) {
    this.#server = server;
    this.#url = url;
    this.store = store;
  }

  static async open(server: PostgresServer): Promise<PostgresStage> {
    const url = await server.newStore();
    return new PostgresStage(server, url, await openPostgresStore(url));
  }

  async reopen(): Promise<void> {
    await this.store.close();
    this.store = await openPostgresStore(this.#url);
  }

  async fresh(): Promise<ReadingStore> {
    return openPostgresStore(await this.#server.newStore());
  }

  remove(): Promise<void> {
    return this.store.close();
  }
}
