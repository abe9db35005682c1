import { once } from "node:events";
import { existsSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";

import { openSqliteReader, openSqliteStore } from "../../agents/store/sqlite.ts";
import { StoreFileError, StoreLockedError, StoreVersionError } from "../../agents/store/store.ts";
import { ARIA, hash, hearingOf, METER, readingsOf, StoreStage } from "./stage.ts";

/** Takes the tables away that version 5 brought. */
const NO_OUTBOX = "DROP TABLE bids; DROP TABLE transactions; DROP TABLE orphans;";

describe("File of an SQLite store", function () {
  let stage: StoreStage;
  let path: string;

  beforeEach(function () {
    stage = new StoreStage();
    ({ path } = stage);
  });

  afterEach(async function () {
    await stage.remove();
  });

  it("refuses to change or delete what was said, whoever asks", async function () {
    const { store } = stage;
    await store.appendReadings(readingsOf(METER, 3));
    expect(await store.pruneReadings(36)).to.equal(1); // only the store itself lets go of some
    await store.saveStatement({ meter: METER, epoch: 1, aria: ARIA, payload: "{}", signature: "0x00" });
    await store.saveCommitment({ aria: ARIA, requestId: 1n, flowRoot: hash(1), json: "{}" });
    await store.saveSeal({ bundleHash: hash(1), seal: "0x00" });
    await store.saveHearing(hearingOf(1n));
    await store.close();
    withDatabase((database) => {
      for (const [table, column] of [
        ["readings", "power_w"],
        ["statements", "payload"],
        ["commitments", "json"],
        ["seals", "seal"],
        ["hearings", "verdict"],
      ]) {
        expect(() => {
          database.exec(`UPDATE ${table} SET ${column} = ${column}`);
        }).to.throw(`${table} are append-only`);
        expect(() => {
          database.exec(`DELETE FROM ${table}`);
        }).to.throw(`${table} are append-only`);
      }
    });
  });

  describe("has one writer at a time:", function () {
    function expectLocked(at = path): void {
      expect(() => openSqliteStore(at))
        .to.throw(StoreLockedError)
        .that.includes({ expected: "a store nobody has open to write", received: "one that is locked" });
    }

    it("a second one in the same process is refused until the first has closed it", async function () {
      expectLocked();
      expectLocked(); // being refused has not released the lock
      await stage.reopen();
    });

    it("a second one in another process is refused until the first has closed it", async function () {
      const script = `
        try { await openSqliteStore(path).close(); say("opened"); } catch (error) { say(error.name); }
      `;
      expect(await stage.outputOf(script)).to.deep.equal(["StoreLockedError"]);
      await stage.store.close();
      expect(await stage.outputOf(script)).to.deep.equal(["opened"]);
    });

    it("a second one is refused by whatever name it calls the file", function () {
      const link = join(stage.folder, "link.sqlite");
      symlinkSync(path, link);
      expectLocked(link);
      expectLocked(`${stage.folder}/./store.sqlite`);
    });

    it("a process that is killed gives it back", async function () {
      await stage.store.close();
      const child = stage.run(`
        globalThis.store = openSqliteStore(path);
        say("opened");
        setInterval(() => undefined, 1_000);
      `);
      await once(child.stdout, "data");
      expectLocked();
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      await stage.reopen();
    });

    it("a writer that fails to open it does not keep it", async function () {
      await stage.store.close();
      withDatabase((database) => {
        database.exec("PRAGMA user_version = 99");
      });
      expect(() => openSqliteStore(path)).to.throw(StoreVersionError);
      withDatabase((database) => {
        database.exec("PRAGMA user_version = 5");
      });
      await stage.reopen();
    });

    it("in memory there is nothing to lock, and each has its own", async function () {
      const stores = [openSqliteStore(":memory:"), openSqliteStore(":memory:")];
      await stores[0]!.appendReadings(readingsOf(METER, 1));
      expect(await stores[1]!.lastReading(METER)).to.equal(undefined);
      for (const each of stores) await each.close();
      expect(existsSync(":memory:-lock")).to.equal(false);
    });

    it("what stands where the lock belongs is not overwritten", async function () {
      await stage.store.close();
      const lock = `${path}-lock`;
      writeFileSync(lock, "time,powerW\n".repeat(1_000));
      expect(() => openSqliteStore(path))
        .to.throw(StoreFileError, lock)
        .that.includes({ expected: "an empty file to lock" });
      expect(readFileSync(lock, "utf8")).to.equal("time,powerW\n".repeat(1_000));
    });
  });

  describe("is refused to a writer and to a reader, and left as it is, when it", function () {
    beforeEach(async function () {
      await stage.store.appendReadings(readingsOf(METER, 500));
      await stage.store.close();
    });

    type Refusal = { type: new (...args: never[]) => Error } & Partial<
      Record<"expected" | "received", string>
    >;

    function expectRefusal({ type, ...said }: Refusal): void {
      const before = readFileSync(path);
      for (const open of [openSqliteStore, openSqliteReader])
        expect(() => open(path))
          .to.throw(type, path)
          .that.includes(said);
      expect(readFileSync(path).equals(before)).to.equal(true);
    }

    it("is of a newer version", function () {
      withDatabase((database) => {
        database.exec("PRAGMA user_version = 99");
      });
      expectRefusal({ type: StoreVersionError, expected: "schema version 5", received: "version 99" });
    });

    it("is of an older version than can be brought up to date", function () {
      withDatabase((database) => {
        database.exec("PRAGMA user_version = 1");
      });
      expectRefusal({ type: StoreVersionError, expected: "schema version 5", received: "version 1" });
    });

    it("is no database", function () {
      writeFileSync(path, "time,powerW\n".repeat(1_000));
      expectRefusal({ type: StoreFileError });
    });

    it("is a database of something else", function () {
      rmSync(path);
      withDatabase((database) => {
        database.exec("CREATE TABLE readings (meter TEXT)");
      });
      expectRefusal({ type: StoreFileError, received: "a database of application 0" });
    });

    it("lacks a table", function () {
      withDatabase((database) => {
        database.exec("DROP TABLE hearings");
      });
      expectRefusal({ type: StoreFileError, received: "no such table: hearings" });
    });

    it("lost its end", function () {
      truncateSync(path, 40_000);
      expectRefusal({ type: StoreFileError });
    });

    it("has a damaged page", function () {
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0xa5, bytes.length - 4_096));
      expectRefusal({ type: StoreFileError });
    });
  });

  describe("of version 2, which has no seals and no memories,", function () {
    beforeEach(async function () {
      await stage.store.appendReadings(readingsOf(METER, 3));
      await stage.store.saveHearing(hearingOf(1n));
      await stage.store.close();
      withDatabase((database) => {
        database.exec(`${NO_OUTBOX} DROP TABLE seals; DROP TABLE memories; PRAGMA user_version = 2`);
      });
    });

    it("is brought up to date by a writer, and loses nothing", async function () {
      await stage.reopen();
      expect(await stage.store.readingsBetween(METER, 0, Infinity)).to.deep.equal(readingsOf(METER, 3));
      expect(await stage.store.hearingOf(ARIA, 1n)).to.deep.equal(hearingOf(1n));
      await stage.store.saveSeal({ bundleHash: hash(1), seal: "0x01" });
      await stage.reopen();
      expect(await stage.store.sealOf(hash(1))).to.equal("0x01");
      expect(await stage.store.memoryOf(METER)).to.equal(undefined);
      withDatabase((database) => {
        expect(() => {
          database.exec("DELETE FROM seals");
        }).to.throw("seals are append-only");
      });
    });

    it("is brought up to date from version 3 as well, which has seals", async function () {
      await stage.reopen();
      await stage.store.saveSeal({ bundleHash: hash(1), seal: "0x01" });
      await stage.store.close();
      withDatabase((database) => {
        database.exec(`${NO_OUTBOX} DROP TABLE memories; PRAGMA user_version = 3`);
      });
      await stage.reopen();
      await stage.store.appendReadings([], [{ meter: METER, memory: "one" }]);
      expect(await stage.store.memoryOf(METER)).to.equal("one");
      expect(await stage.store.sealOf(hash(1))).to.equal("0x01");
    });

    it("is brought up to date from version 4 as well, which has memories", async function () {
      await stage.reopen();
      await stage.store.appendReadings([], [{ meter: METER, memory: "one" }]);
      await stage.store.close();
      withDatabase((database) => {
        database.exec(`${NO_OUTBOX} PRAGMA user_version = 4`);
      });
      await stage.reopen();
      expect(await stage.store.memoryOf(METER)).to.equal("one");
      expect(await stage.store.transactions.openTransactions(METER)).to.deep.equal([]);
    });

    it("is left as it is by a reader, which refuses it", function () {
      const before = readFileSync(path);
      expect(() => openSqliteReader(path))
        .to.throw(StoreVersionError)
        .that.includes({ expected: "schema version 5", received: "version 2" });
      expect(readFileSync(path).equals(before)).to.equal(true);
    });

    it("is left as it is by a writer that finds it damaged", function () {
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0xa5, bytes.length - 4_096));
      expect(() => openSqliteStore(path)).to.throw(StoreFileError);
      expect(readFileSync(path).equals(bytes)).to.equal(true);
    });
  });

  it("is refused when its folder does not exist", function () {
    expect(() => openSqliteStore(join(stage.folder, "missing", "store.sqlite"))).to.throw(StoreFileError);
  });

  function withDatabase(work: (database: DatabaseSync) => void): void {
    const database = new DatabaseSync(path);
    work(database);
    database.close();
  }
});
