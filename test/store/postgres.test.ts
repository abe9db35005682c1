import { expect } from "chai";
import { Client } from "pg";

import { openReader, openStore } from "../../agents/store/open.ts";
import { openPostgresReader, openPostgresStore, type PostgresStore } from "../../agents/store/postgres.ts";
import {
  ConflictError,
  StoreConnectionError,
  StoreFileError,
  StoreLockedError,
  StoreVersionError,
} from "../../agents/store/store.ts";
import {
  POSTGRES_PROGRAMS,
  type PostgresServer,
  startPostgres,
  WITHOUT_POSTGRES,
} from "./postgres-server.ts";
import { ARIA, hash, hearingOf, METER, OTHER_METER, readingsOf, rejection } from "./stage.ts";

(POSTGRES_PROGRAMS === undefined ? describe.skip : describe)(
  `Store in PostgreSQL${WITHOUT_POSTGRES}`,
  function () {
    this.timeout(60_000);

    let server: PostgresServer;
    let url: string;
    const opened: { close(): Promise<void> }[] = [];

    before(async function () {
      server = await startPostgres();
    });

    after(async function () {
      await server.stop();
    });

    beforeEach(async function () {
      url = await server.newStore();
    });

    afterEach(async function () {
      for (const each of opened.splice(0)) await each.close().catch(() => undefined); // its connection may be lost
    });

    async function worker(): Promise<PostgresStore> {
      const store = await openPostgresStore(url, { shared: true });
      opened.push(store);
      return store;
    }

    async function alone(): Promise<PostgresStore> {
      const store = await openPostgresStore(url);
      opened.push(store);
      return store;
    }

    async function ask(sql: string): Promise<void> {
      const client = new Client({ connectionString: url });
      await client.connect();
      try {
        await client.query(sql);
      } finally {
        await client.end();
      }
    }

    it("has one writer at a time, unless all of them share it", async function () {
      const first = await alone();
      await rejection(alone(), StoreLockedError);
      await rejection(worker(), StoreLockedError);
      await first.close();
      await Promise.all([worker(), worker(), worker()]); // the tables are there already
      await rejection(alone(), StoreLockedError);
    });

    it("is made once by several who open it at the same time", async function () {
      const [first, second] = await Promise.all([worker(), worker()]);
      await first.appendReadings(readingsOf(METER, 3));
      expect(await second.lastReading(METER)).to.deep.equal(readingsOf(METER, 3)[2]);
    });

    it("is apart from the other stores of its database", async function () {
      await alone();
      url = await server.newStore();
      await alone();
    });

    it("answers a reader while it is written to, and none where there is no store", async function () {
      await rejection(openPostgresReader(url), StoreFileError);
      const store = await alone();
      await store.appendReadings(readingsOf(METER, 2));
      const reader = await openReader(url);
      opened.push(reader);
      expect(await reader.lastReading(METER)).to.deep.equal(readingsOf(METER, 2)[1]);
      expect(await reader.bytes()).to.be.above(0);
    });

    it("takes the readings of one meter from one worker only: the second of two is refused", async function () {
      const [first, second] = [await worker(), await worker()];
      const readings = readingsOf(METER, 40);
      await first.appendReadings(readings.slice(0, 20));
      const both = [first, second].map((store) => store.appendReadings(readings.slice(20)));
      const outcomes = await Promise.allSettled(both);
      expect(outcomes.filter(({ status }) => status === "fulfilled")).to.have.length(1);
      expect(await second.readingsBetween(METER, 0, Infinity)).to.deep.equal(readings);
      await second.appendReadings(readingsOf(OTHER_METER, 2)); // and can go on
    });

    it("keeps one statement though two workers save different ones at once", async function () {
      const [first, second] = [await worker(), await worker()];
      const statement = { meter: METER, epoch: 1, aria: ARIA, payload: "1", signature: "0x01" };
      const outcomes = await Promise.allSettled([
        first.saveStatement(statement),
        second.saveStatement({ ...statement, payload: "2" }),
      ]);
      const refused = outcomes.filter((each) => each.status === "rejected");
      expect(refused).to.have.length(1);
      expect(refused[0]?.reason).to.be.instanceOf(ConflictError);
    });

    it("frees what a worker had locked when its connection is lost, and the worker is told", async function () {
      const [first, second] = [await worker(), await worker()];
      expect(await first.locks.try("lead")).to.equal(true);
      expect(await second.locks.try("lead")).to.equal(false);
      expect(await second.locks.holders("presence")).to.equal(2);
      await server.dropConnections();
      await rejection(first.appendReadings(readingsOf(METER, 1)), StoreConnectionError);
      await rejection(first.lastReading(METER), StoreConnectionError);
      const third = await worker();
      expect(await third.locks.holders("presence")).to.equal(1);
      expect(await third.locks.try("lead")).to.equal(true);
    });

    it("refuses to change or delete what was said, whoever asks", async function () {
      const store = await alone();
      await store.appendReadings(readingsOf(METER, 3));
      await store.pruneReadings(36);
      await store.saveStatement({ meter: METER, epoch: 1, aria: ARIA, payload: "{}", signature: "0x00" });
      await store.saveCommitment({ aria: ARIA, requestId: 1n, flowRoot: hash(1), json: "{}" });
      await store.saveSeal({ bundleHash: hash(1), seal: "0x00" });
      await store.saveHearing(hearingOf(1n));
      for (const [table, column] of [
        ["readings", "power_w"],
        ["statements", "payload"],
        ["commitments", "json"],
        ["seals", "seal"],
        ["hearings", "verdict"],
      ]) {
        for (const sql of [
          `UPDATE ${table} SET ${column} = ${column}`,
          `DELETE FROM ${table}`,
          `TRUNCATE ${table}`,
        ])
          expect((await rejection(ask(sql), Error)).message).to.equal(`${table} are append-only`);
      }
    });

    it("of a newer version is refused and left as it is", async function () {
      await (await alone()).close();
      await ask("UPDATE store_version SET version = 99");
      for (const open of [openStore, openReader]) {
        const error = await rejection(open(url), StoreVersionError);
        expect(error).to.include({ expected: "schema version 2", received: "version 99" });
      }
    });

    it("is not made among the tables of something else", async function () {
      await ask("CREATE TABLE readings (meter text)");
      await rejection(alone(), StoreFileError);
      await ask("INSERT INTO readings VALUES ('theirs')");
    });

    it("says so when there is no server, without the password", async function () {
      const nowhere = "postgres://pof:secret@127.0.0.1:1/none";
      const error = await rejection(openStore(nowhere), StoreConnectionError);
      expect(error.message).to.contain("postgres://127.0.0.1:1/none").and.to.not.contain("secret");
    });
  },
);
