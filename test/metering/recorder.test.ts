import { expect } from "chai";

import type { Block } from "../../agents/metering/reading.ts";
import { Recorder } from "../../agents/metering/recorder.ts";
import { SimulatedMeter } from "../../agents/metering/simulated-meter.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { ReadingStore } from "../../agents/store/store.ts";
import { hash, METER } from "../store/stage.ts";

describe("Recorder", function () {
  let store: ReadingStore;

  beforeEach(function () {
    store = openSqliteStore(":memory:");
  });

  afterEach(async function () {
    await store.close();
  });

  const blocks = (...numbers: number[]): Block[] =>
    numbers.map((number) => ({ number, hash: hash(number), timestamp: 12 * number }));
  const newMeter = (): SimulatedMeter =>
    new SimulatedMeter({ address: METER, source: { stepSeconds: 900, powerW: () => 7_200n } });

  async function read(): Promise<number[]> {
    return (await store.readingsBetween(METER, 0, Infinity)).map(({ blockNumber }) => blockNumber);
  }

  it("shows a meter that was read before the blocks it has missed, and no block twice", async function () {
    const before = new Recorder(store);
    before.add(newMeter());
    await before.record(blocks(1, 2, 3));
    const after = new Recorder(store);
    after.add(newMeter(), blocks(2, 3, 4, 5));
    await after.record(blocks(6));
    expect(await read()).to.deep.equal([2, 3, 4, 5, 6]);
  });

  it("starts a new meter at the next block, whatever blocks there were before", async function () {
    const recorder = new Recorder(store);
    recorder.add(newMeter(), blocks(1, 2, 3));
    await recorder.record(blocks(4, 5));
    expect(await read()).to.deep.equal([5]);
  });

  it("does not read a meter that was taken from it, nor start one", async function () {
    const recorder = new Recorder(store);
    const [meter, waiting] = [newMeter(), newMeter()];
    recorder.add(meter);
    await recorder.record(blocks(1, 2));
    recorder.remove(meter);
    recorder.add(waiting);
    recorder.remove(waiting);
    await recorder.record(blocks(3));
    expect(await read()).to.deep.equal([2]);
  });
});
