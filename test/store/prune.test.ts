import { expect } from "chai";

import { verifyChain } from "../../agents/metering/reading.ts";
import { describeEachStore, type Stage } from "./each-store.ts";
import { METER, OTHER_METER, readingsOf } from "./stage.ts";

describeEachStore("letting go of readings", function (newStage) {
  let stage: Stage;

  beforeEach(async function () {
    stage = await newStage();
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
});
