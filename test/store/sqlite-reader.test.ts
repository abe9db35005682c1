import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";

import { FieldError } from "../../agents/metering/reading.ts";
import { openSqliteReader } from "../../agents/store/sqlite.ts";
import { StoreFileError, StoreLockedError } from "../../agents/store/store.ts";
import { ARIA, hash, hearingOf, METER, readingsOf, rejection, StoreStage } from "./stage.ts";

describe("Reader of an SQLite store", function () {
  let stage: StoreStage;
  let path: string;

  beforeEach(function () {
    stage = new StoreStage();
    ({ path } = stage);
  });

  afterEach(async function () {
    await stage.remove();
  });

  it("answers as the store does, while that is open and when it is not", async function () {
    const { store } = stage;
    const readings = readingsOf(METER, 3);
    const statement = { meter: METER, epoch: 1, aria: ARIA, payload: "{}", signature: "0x00" };
    const commitment = { aria: ARIA, requestId: 1n, flowRoot: hash(1), json: "{}" };
    await store.appendReadings(readings);
    await store.saveStatement(statement);
    await store.saveCommitment(commitment);
    await store.saveSeal({ bundleHash: hash(1), seal: "0x01" });
    await store.saveHearing(hearingOf(1n));
    for (const isOpen of [true, false]) {
      if (!isOpen) await store.close();
      const reader = openSqliteReader(path);
      expect(await reader.latestBlock()).to.equal(3);
      expect(await reader.lastReading(METER)).to.deep.equal(readings[2]);
      expect(await reader.lastReadingBefore(METER, 36)).to.deep.equal(readings[1]);
      expect(await reader.readingsBetween(METER, 0, 36)).to.deep.equal(readings.slice(0, 2));
      expect(await reader.statementOf(METER, 1, ARIA)).to.deep.equal(statement);
      expect(await reader.commitmentOf(ARIA, 1n)).to.deep.equal(commitment);
      expect(await reader.sealOf(hash(1))).to.equal("0x01");
      expect(await reader.hearingOf(ARIA, 1n)).to.deep.equal(hearingOf(1n));
      expect(await reader.hearings(ARIA)).to.deep.equal([hearingOf(1n)]);
      await rejection(reader.lastReading(METER.toLowerCase()), FieldError);
      await reader.close();
    }
  });

  it("sees each call of a writer in another process as soon as it resolved, and never half of one", async function () {
    this.timeout(20_000);
    const [CALLS, BATCH] = [20, 10];
    const child = stage.run(`
      const reader = openSqliteReader(path);
      let seen = -1;
      while (seen < ${CALLS * BATCH}) {
        const readings = await reader.readingsBetween(METER, 0, Infinity);
        if (readings.length === seen) continue;
        seen = readings.length;
        say(seen + " " + verifyChain(readings, genesisDigest(METER)).ok);
      }
      await reader.close();
    `);
    const readings = readingsOf(METER, CALLS * BATCH);
    const lines: string[] = [];
    for await (const line of createInterface(child.stdout)) {
      lines.push(line);
      const stored = BATCH * (lines.length - 1);
      await stage.store.appendReadings(readings.slice(stored, stored + BATCH));
    }
    expect(lines).to.deep.equal(Array.from({ length: CALLS + 1 }, (_, call) => `${call * BATCH} true`));
  });

  it("reads what a killed writer left, before a new one has opened it", async function () {
    this.timeout(20_000);
    const readings = readingsOf(METER, 3);
    await stage.store.close();
    const child = stage.run(`
      const store = openSqliteStore(path);
      const source = { stepSeconds: 900, powerW: () => 5_000n };
      const meter = new SmartMeter({ address: METER, source, startUnixSeconds: 0 });
      for (const number of [1, 2, 3])
        await store.appendReadings([
          meter.read({ number, hash: "0x" + String(number).padStart(64, "0"), timestamp: number * 12 }),
        ]);
      say("stored");
      setInterval(() => store.lastReading(METER), 1_000);
    `);
    await once(child.stdout, "data");
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    const reader = openSqliteReader(path);
    expect(await reader.readingsBetween(METER, 0, Infinity)).to.deep.equal(readings);
    await reader.close();
  });

  it("does not keep a writer from opening, writing or closing", async function () {
    await stage.store.close();
    const reader = openSqliteReader(path);
    const readings = readingsOf(METER, 4);
    for (const reading of readings) {
      await stage.reopen();
      await stage.store.appendReadings([reading]);
      expect(await reader.lastReading(METER)).to.deep.equal(reading);
      await stage.store.close();
      expect(await reader.lastReading(METER)).to.deep.equal(reading);
    }
    await reader.close();
  });

  it("may be one of many", async function () {
    await stage.store.appendReadings(readingsOf(METER, 2));
    const readers = Array.from({ length: 5 }, () => openSqliteReader(path));
    for (const reader of readers) expect(await reader.latestBlock()).to.equal(2);
    for (const reader of readers) await reader.close();
    await stage.store.appendReadings(readingsOf(METER, 3).slice(2));
  });

  it("leaves the file as it is", async function () {
    await stage.store.appendReadings(readingsOf(METER, 2));
    await stage.store.close();
    const before = readFileSync(path);
    const reader = openSqliteReader(path);
    expect(reader).to.not.have.property("appendReadings");
    await reader.lastReading(METER);
    await reader.close();
    expect(readFileSync(path).equals(before)).to.equal(true);
  });

  it("is refused a file that is missing or empty, and makes none", function () {
    const missing = join(stage.folder, "missing.sqlite");
    expect(() => openSqliteReader(missing))
      .to.throw(StoreFileError, missing)
      .that.includes({ expected: "a Proof of Flow store", received: "no file" });
    expect(existsSync(missing)).to.equal(false);
    writeFileSync(missing, "");
    expect(() => openSqliteReader(missing))
      .to.throw(StoreFileError)
      .that.includes({ received: "an empty file" });
    expect(readFileSync(missing)).to.have.length(0);
  });

  it("is refused while something other than an agent keeps the file to itself", async function () {
    await stage.store.close();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT");
    expect(() => openSqliteReader(path)).to.throw(StoreLockedError, path);
    database.close();
  });
});
