import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";

import { verifyChain } from "../../agents/metering/reading.ts";
import { METER, OTHER_METER, readingsOf, StoreStage } from "./stage.ts";

describe("Letting go of readings in an SQLite store", function () {
  let stage: StoreStage;

  beforeEach(function () {
    stage = new StoreStage();
  });

  afterEach(async function () {
    await stage.remove();
  });

  it("takes what is older, but for each meter's last one before, from which its next epoch is counted", async function () {
    const { store } = stage;
    const [ours, theirs] = [readingsOf(METER, 10), readingsOf(OTHER_METER, 3)];
    await store.appendReadings([...ours, ...theirs]);
    expect(await store.pruneReadings(60)).to.equal(3 + 2);
    expect(await store.readingsBetween(METER, 0, Infinity)).to.deep.equal(ours.slice(3));
    expect(await store.lastReadingBefore(METER, 60)).to.deep.equal(ours[3]);
    expect(await store.readingsBetween(OTHER_METER, 0, Infinity)).to.deep.equal(theirs.slice(2));
    expect(await store.pruneReadings(60)).to.equal(0);
  });

  it("never takes a meter's last one, and its chain goes on", async function () {
    const readings = readingsOf(METER, 4);
    await stage.store.appendReadings(readings.slice(0, 3));
    expect(await stage.store.pruneReadings(1_000_000)).to.equal(2);
    await stage.reopen();
    await stage.store.appendReadings(readings.slice(3));
    const left = await stage.store.readingsBetween(METER, 0, Infinity);
    expect(left).to.deep.equal(readings.slice(2));
    expect(verifyChain(left, readings[1]!.digest)).to.deep.equal({ ok: true });
  });

  it("takes some thousands at a time, of all meters together, until there are no more", async function () {
    this.timeout(20_000);
    const { store } = stage;
    await store.appendReadings([...readingsOf(METER, 8_000), ...readingsOf(OTHER_METER, 8_000)]);
    const taken = [];
    do taken.push(await store.pruneReadings(12 * 7_000));
    while (taken.at(-1) !== 0);
    expect(taken).to.deep.equal([10_000, 2 * 6_998 - 10_000, 0]);
    for (const meter of [METER, OTHER_METER])
      expect(await store.readingsBetween(meter, 0, Infinity)).to.have.length(1_002);
  });

  it("is for the store alone: whoever else deletes is refused, before and after", async function () {
    await stage.store.appendReadings(readingsOf(METER, 10));
    await stage.store.pruneReadings(60);
    await stage.close();
    const database = new DatabaseSync(stage.path);
    expect(() => {
      database.exec("DELETE FROM readings");
    }).to.throw("readings are append-only");
    database.close();
  });
});
