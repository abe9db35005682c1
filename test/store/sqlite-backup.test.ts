import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { expect } from "chai";

import { genesisDigest, verifyChain } from "../../agents/metering/reading.ts";
import { openSqliteReader, openSqliteStore } from "../../agents/store/sqlite.ts";
import { backUpSqliteStore } from "../../agents/store/sqlite-backup.ts";
import { StoreFileError } from "../../agents/store/store.ts";
import { ARIA, hearingOf, METER, readingsOf, StoreStage } from "./stage.ts";

describe("Back-up of an SQLite store", function () {
  let stage: StoreStage;
  let copy: string;

  beforeEach(function () {
    stage = new StoreStage();
    copy = join(stage.folder, "copy.sqlite");
  });

  afterEach(async function () {
    await stage.remove();
  });

  it("has all that was stored while the store is open, and a meter goes on from it", async function () {
    const readings = readingsOf(METER, 30);
    await stage.store.appendReadings(readings.slice(0, 29), [{ meter: METER, memory: "one" }]);
    await stage.store.saveHearing(hearingOf(1n));
    backUpSqliteStore(stage.path, copy);
    const restored = openSqliteStore(copy);
    expect(await restored.readingsBetween(METER, 0, Infinity)).to.deep.equal(readings.slice(0, 29));
    expect(await restored.memoryOf(METER)).to.equal("one");
    expect(await restored.hearings(ARIA)).to.deep.equal([hearingOf(1n)]);
    await restored.appendReadings(readings.slice(29));
    await restored.close();
  });

  it("is of one moment while another process writes, and does not keep it from writing", async function () {
    this.timeout(20_000);
    await stage.store.close();
    const lines = stage.outputOf(`
      const store = openSqliteStore(path);
      const source = { stepSeconds: 900, powerW: () => 5_000n };
      const meter = new SmartMeter({ address: METER, source, startUnixSeconds: 0 });
      for (let number = 1; number <= 4_000; number += 1) {
        await store.appendReadings([
          meter.read({ number, hash: "0x" + String(number).padStart(64, "0"), timestamp: number * 12 }),
        ]);
        if (number === 1) say("started");
        if (number % 20 === 0) await new Promise(setImmediate);
      }
      say("wrote all");`);
    let copies = 0;
    const pause = () => new Promise<false>((resolve) => setTimeout(resolve, 50, false));
    while (!(await Promise.race([lines, pause()]))) {
      if (!existsSync(stage.path)) continue;
      const name = join(stage.folder, `copy-${copies}.sqlite`);
      try {
        backUpSqliteStore(stage.path, name);
      } catch (error) {
        if (copies === 0 && error instanceof StoreFileError) continue; // it is not made yet
        throw error;
      }
      copies += 1;
      const reader = openSqliteReader(name);
      const readings = await reader.readingsBetween(METER, 0, Infinity);
      expect(verifyChain(readings, genesisDigest(METER))).to.deep.equal({ ok: true });
      await reader.close();
    }
    expect(await lines).to.deep.equal(["started", "wrote all"]);
    expect(copies).to.be.above(0);
  });

  it("overwrites nothing, and leaves nothing behind when it is refused", async function () {
    writeFileSync(copy, "mine");
    expect(() => {
      backUpSqliteStore(stage.path, copy);
    }).to.throw(StoreFileError, copy);
    expect(readFileSync(copy, "utf8")).to.equal("mine");
    const missing = join(stage.folder, "missing.sqlite");
    expect(() => {
      backUpSqliteStore(missing, join(stage.folder, "other.sqlite"));
    }).to.throw(StoreFileError, missing);
    await stage.close();
    expect(readdirSync(stage.folder).sort()).to.deep.equal([
      "copy.sqlite",
      "store.sqlite",
      "store.sqlite-lock",
    ]);
  });

  it("takes no notice of one that was cut short", function () {
    writeFileSync(`${copy}.part`, "half of it");
    backUpSqliteStore(stage.path, copy);
    expect(existsSync(`${copy}.part`)).to.equal(false);
    expect(existsSync(copy)).to.equal(true);
  });

  it("is not made of a damaged store", async function () {
    await stage.store.appendReadings(readingsOf(METER, 500));
    await stage.store.close();
    const bytes = readFileSync(stage.path);
    writeFileSync(stage.path, bytes.fill(0xa5, bytes.length - 4_096));
    expect(() => {
      backUpSqliteStore(stage.path, copy);
    }).to.throw(StoreFileError, stage.path);
    expect(existsSync(copy)).to.equal(false);
  });
});
