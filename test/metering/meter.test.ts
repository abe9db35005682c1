import { expect } from "chai";
import fc from "fast-check";

import { epochEnergyWh } from "../../agents/metering/epoch-energy.ts";
import { SmartMeter, type SmartMeterOptions, StaleBlockError } from "../../agents/metering/meter.ts";
import {
  type Block,
  FieldError,
  genesisDigest,
  type StampedReading,
  verifyChain,
} from "../../agents/metering/reading.ts";
import { energyWs, type MeterSource } from "../../agents/metering/source.ts";

const METER = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
const OTHER_METER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const START = 1_781_913_600;
const EPOCH_SECONDS = 900;
const DAY_SECONDS = 86_400;
const WS_PER_WH = 3_600n;

function constant(powerW: bigint): MeterSource {
  return { stepSeconds: 900, powerW: () => powerW };
}

/** Some power in each minute, the same whenever it is asked for. */
function varying(peakW: number): MeterSource {
  return {
    stepSeconds: 60,
    powerW: (unixSeconds) => BigInt((Math.floor(unixSeconds / 60) * 7_919) % (peakW + 1)),
  };
}

function meterOf(options: Partial<SmartMeterOptions> = {}): SmartMeter {
  return new SmartMeter({ address: METER, source: constant(1_000n), startUnixSeconds: START, ...options });
}

function block(number: number, secondsAfterStart: number): Block {
  return { number, hash: `0x${number.toString(16).padStart(64, "0")}`, timestamp: START + secondsAfterStart };
}

/** Blocks after the given pauses, numbered from 1. */
function blocksAfter(pauses: readonly number[]): Block[] {
  let elapsed = 0;
  return pauses.map((pause, index) => block(index + 1, (elapsed += pause)));
}

function epochOf(reading: StampedReading): number {
  return Math.floor(reading.blockTimestamp / EPOCH_SECONDS);
}

const pauses = fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 40 });
const source = fc.integer({ min: 0, max: 20_000 }).map(varying);

describe("SmartMeter", function () {
  it("counts 1000 W during an hour as 1000 Wh, stamped with the block", function () {
    const stamped = block(5, 3_600);
    const { digest, ...reading } = meterOf().read(stamped);
    expect(digest).to.match(/^0x[0-9a-f]{64}$/);
    expect(reading).to.deep.equal({
      meter: METER,
      sequence: 0,
      registerWh: 1_000n,
      powerW: 1_000n,
      blockNumber: 5,
      blockHash: stamped.hash,
      previousDigest: genesisDigest(METER),
      blockTimestamp: stamped.timestamp,
    });
  });

  it("chains its readings", function () {
    fc.assert(
      fc.property(source, pauses, (from, gaps) => {
        const meter = meterOf({ source: from });
        const readings = blocksAfter(gaps).map((each) => meter.read(each));
        expect(verifyChain(readings, genesisDigest(METER))).to.deep.equal({ ok: true });
      }),
    );
  });

  it("loses no energy between readings, however often it is read", function () {
    fc.assert(
      fc.property(source, pauses, (from, gaps) => {
        const meter = meterOf({ source: from });
        for (const each of blocksAfter(gaps)) {
          const exportedWs = energyWs(from, START, each.timestamp);
          expect(meter.read(each).registerWh).to.equal(exportedWs / WS_PER_WH);
        }
      }),
    );
  });

  it("loses no energy to a reading not taken", function () {
    const [often, seldom] = [meterOf(), meterOf()];
    often.read(block(1, 7));
    often.read(block(2, 19));
    expect(often.read(block(3, 100)).registerWh).to.equal(seldom.read(block(3, 100)).registerWh);
  });

  it("has the epochs of a day add up to the register", function () {
    const meter = meterOf({ source: varying(9_000) });
    const readings = blocksAfter(Array<number>(DAY_SECONDS / 12).fill(12)).map((each) => meter.read(each));
    const epochs = new Set(readings.map(epochOf));
    let lastBefore: StampedReading | undefined;
    let total = 0n;
    for (const epoch of epochs) {
      const readingsOfEpoch = readings.filter((reading) => epochOf(reading) === epoch);
      total += epochEnergyWh(readingsOfEpoch, lastBefore);
      lastBefore = readingsOfEpoch.at(-1);
    }
    expect(epochs.size).to.equal(DAY_SECONDS / EPOCH_SECONDS + 1);
    expect(total).to.equal(energyWs(varying(9_000), START, START + DAY_SECONDS) / WS_PER_WH);
  });

  it("reports the mean power since the reading before, rounded down", function () {
    const meter = meterOf({ source: { stepSeconds: 60, powerW: (at) => (at < START + 60 ? 100n : 201n) } });
    expect(meter.read(block(1, 30)).powerW).to.equal(100n);
    expect(meter.read(block(2, 90)).powerW).to.equal(150n);
    expect(meter.read(block(3, 91)).powerW).to.equal(201n);
  });

  describe("gain", function () {
    it("reads too much or too little by its parts per million, to the last fraction", function () {
      for (const [gainPpm, registerWh] of [
        [2_000n, 1_002n],
        [-2_000n, 998n],
        [1n, 1_000n],
      ] as const) {
        const meter = meterOf({ gainPpm });
        for (let second = 1; second < 3_600; second += 1) meter.read(block(second, second));
        expect(meter.read(block(3_600, 3_600)).registerWh).to.equal(registerWh);
      }
    });

    it("changes the power as well", function () {
      expect(meterOf({ gainPpm: 2_500n }).read(block(1, 12)).powerW).to.equal(1_002n);
    });

    it("is refused at -100 % and below", function () {
      expect(() => meterOf({ gainPpm: -1_000_000n }))
        .to.throw(FieldError)
        .that.includes({ field: "gainPpm", expected: "above -1000000", received: "-1000000" });
      expect(meterOf({ gainPpm: -999_999n }).read(block(1, 3_600)).registerWh).to.equal(0n);
    });
  });

  describe("after a restart", function () {
    it("continues the chain from the last stored reading and counts what flowed meanwhile", function () {
      const before = meterOf().read(block(1, 36));
      const after = meterOf({ resumeFrom: before }).read(block(2, 36 + 7_200));
      expect(verifyChain([before, after], genesisDigest(METER))).to.deep.equal({ ok: true });
      expect(after.registerWh).to.equal(2_010n);
      expect(after.powerW).to.equal(1_000n);
    });

    it("has lost less than 1 Wh, and gained nothing", function () {
      fc.assert(
        fc.property(source, pauses, pauses, (from, gaps, laterGaps) => {
          const blocks = blocksAfter([...gaps, ...laterGaps]);
          const meter = meterOf({ source: from });
          const resumeFrom = blocks
            .slice(0, gaps.length)
            .map((each) => meter.read(each))
            .at(-1);
          const resumed = meterOf({ source: from, resumeFrom });
          for (const each of blocks.slice(gaps.length)) {
            const lost = meter.read(each).registerWh - resumed.read(each).registerWh;
            expect(lost === 0n || lost === 1n).to.equal(true);
          }
        }),
      );
    });

    it("starts anew when nothing was stored", function () {
      expect(meterOf({ resumeFrom: undefined }).read(block(1, 12)).sequence).to.equal(0);
    });

    it("refuses to go on from another meter's reading", function () {
      const resumeFrom = meterOf({ address: OTHER_METER }).read(block(1, 12));
      expect(() => meterOf({ resumeFrom }))
        .to.throw(FieldError)
        .with.property("field", "resumeFrom");
    });
  });

  it("refuses an address without checksum", function () {
    expect(() => meterOf({ address: METER.toLowerCase() })).to.throw(FieldError);
  });

  describe("refuses a block", function () {
    const stale: [string, Block][] = [
      ["it has read already", block(2, 24)],
      ["with an older number", block(1, 36)],
      ["with the same number but later", block(2, 36)],
      ["with a newer number at the same time", block(3, 24)],
      ["with a newer number but earlier", block(3, 12)],
      ["with no time", { ...block(3, 36), timestamp: Number.NaN }],
    ];
    for (const [what, refused] of stale) {
      it(`${what}, and goes on as if it had not seen it`, function () {
        const [meter, untroubled] = [meterOf(), meterOf()];
        for (const each of [meter, untroubled]) each.read(block(2, 24));
        expect(() => meter.read(refused))
          .to.throw(StaleBlockError)
          .that.includes({
            expected: `a block above number 2 and after ${START + 24} s`,
            received: `block ${refused.number} at ${refused.timestamp} s`,
          });
        expect(meter.read(block(4, 60))).to.deep.equal(untroubled.read(block(4, 60)));
      });
    }

    it("from before a new meter began to count", function () {
      expect(() => meterOf().read(block(1, 0))).to.throw(StaleBlockError);
    });

    it("with a malformed hash, and goes on as if it had not seen it", function () {
      const [meter, untroubled] = [meterOf(), meterOf()];
      expect(() => meter.read({ ...block(1, 5), hash: "0x00" })).to.throw(FieldError);
      expect(meter.read(block(2, 60))).to.deep.equal(untroubled.read(block(2, 60)));
    });
  });

  it("refuses a source that draws instead of exporting", function () {
    expect(() => meterOf({ source: constant(-1n) }).read(block(1, 12)))
      .to.throw(FieldError)
      .with.property("field", "energy");
  });
});
