import { once } from "node:events";
import { createInterface } from "node:readline";

import { expect } from "chai";

import { genesisDigest, verifyChain } from "../../agents/metering/reading.ts";
import { ARIA, hearingOf, METER, StoreStage } from "./stage.ts";

describe("SQLite store whose process is killed", function () {
  let stage: StoreStage;

  beforeEach(async function () {
    stage = new StoreStage();
    await stage.store.close();
  });

  afterEach(async function () {
    await stage.remove();
  });

  /** Runs a script until it has acknowledged so many calls, a line each, and then kills it. @returns the lines */
  async function killedAfter(acknowledged: number, script: string): Promise<string[]> {
    const child = stage.run(script);
    const ended = once(child, "exit");
    const lines: string[] = [];
    for await (const line of createInterface(child.stdout)) {
      lines.push(line);
      if (lines.length === acknowledged) child.kill("SIGKILL");
    }
    expect(await ended).to.deep.equal([null, "SIGKILL"]);
    await stage.reopen();
    return lines;
  }

  describe("in the middle of appending readings", function () {
    const BATCH = 20;

    for (const acknowledged of [1, 10, 40]) {
      it(`keeps all of ${acknowledged} acknowledged calls or more, none by half, in an unbroken chain`, async function () {
        this.timeout(20_000);
        const lines = await killedAfter(
          acknowledged,
          `
          const store = openSqliteStore(path);
          const source = { stepSeconds: 900, powerW: () => 5_000n };
          const meter = new SmartMeter({ address: METER, source, startUnixSeconds: 0 });
          for (let number = 1; ; ) {
            const batch = [];
            for (; batch.length < ${BATCH}; number += 1)
              batch.push(meter.read({ number, hash: "0x" + String(number).padStart(64, "0"), timestamp: number * 12 }));
            await store.appendReadings(batch);
            say(batch.at(-1).sequence);
          }`,
        );
        const readings = await stage.store.readingsBetween(METER, 0, Infinity);
        expect(verifyChain(readings, genesisDigest(METER))).to.deep.equal({ ok: true });
        expect(readings.at(-1)?.sequence).to.be.at.least(Number(lines.at(-1)));
        expect(readings.length % BATCH).to.equal(0);
      });
    }
  });

  describe("in the middle of saving hearings", function () {
    for (const acknowledged of [1, 10, 40]) {
      it(`keeps all of ${acknowledged} acknowledged ones or more, each of them whole`, async function () {
        this.timeout(20_000);
        const lines = await killedAfter(
          acknowledged,
          `
          const store = openSqliteStore(path);
          for (let disputeId = 0n; ; disputeId += 1n) {
            await store.saveHearing(hearingOf(disputeId));
            say(disputeId);
          }`,
        );
        const hearings = await stage.store.hearings(ARIA);
        expect(hearings).to.deep.equal(hearings.map((_, index) => hearingOf(BigInt(index))));
        expect(hearings.length).to.be.at.least(lines.length);
      });
    }
  });
});
