import { createHash } from "node:crypto";

import { expect } from "chai";
import fc from "fast-check";

import { epochEnergyWh, EpochReadingsError } from "../../agents/metering/epoch-energy.ts";
import {
  addressBytes,
  type ChainFaultKind,
  FieldError,
  genesisDigest,
  type Reading,
  readingDigest,
  type StampedReading,
  verifyChain,
} from "../../agents/metering/reading.ts";

const METER = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
const OTHER_METER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const GENESIS = genesisDigest(METER);
const EPOCH_SECONDS = 900;

/** What happens between two readings of a chain; no blocks and no seconds when they share their block. */
interface Step {
  wh: bigint;
  blocks: number;
  seconds: number;
}

const wh = fc.bigInt(0n, 5_000n);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ wh, blocks: fc.integer({ min: 1, max: 100 }), seconds: fc.integer({ min: 0, max: 2_000 }) }),
  fc.record({ wh, blocks: fc.constant(0), seconds: fc.constant(0) }),
);

function blockHash(number: number): string {
  return `0x${createHash("sha256").update(String(number)).digest("hex")}`;
}

function digested(reading: Reading & { blockTimestamp: number }): StampedReading {
  return { ...reading, digest: readingDigest(reading) };
}

function first(changes: Partial<StampedReading> = {}): StampedReading {
  return digested({
    meter: METER,
    sequence: 0,
    registerWh: 100n,
    powerW: 400n,
    blockNumber: 7,
    blockHash: blockHash(7),
    previousDigest: GENESIS,
    blockTimestamp: 1_000,
    ...changes,
  });
}

function next(previous: StampedReading, { wh, blocks, seconds }: Step): StampedReading {
  return digested({
    meter: previous.meter,
    sequence: previous.sequence + 1,
    registerWh: previous.registerWh + wh,
    powerW: (wh * 3_600n) / BigInt(Math.max(seconds, 1)),
    blockNumber: previous.blockNumber + blocks,
    blockHash: blockHash(previous.blockNumber + blocks),
    previousDigest: previous.digest,
    blockTimestamp: previous.blockTimestamp + seconds,
  });
}

function epochOf(reading: StampedReading): number {
  return Math.floor(reading.blockTimestamp / EPOCH_SECONDS);
}

function chain(steps: readonly Step[]): StampedReading[] {
  const readings = [first()];
  for (const [index, each] of steps.entries()) readings.push(next(readings[index]!, each));
  return readings;
}

const ONE_STEP: Step = { wh: 5n, blocks: 1, seconds: 12 };

function expectFault(readings: readonly StampedReading[], kind: ChainFaultKind, sequence: number): void {
  expect(verifyChain(readings, GENESIS)).to.include({ ok: false, fault: kind, sequence });
}

describe("Reading", function () {
  describe("digest", function () {
    it("is SHA-256 over the documented 119 bytes", function () {
      const reading = first({
        sequence: 2 ** 40 + 3,
        registerWh: 2n ** 63n - 1n,
        powerW: 258n,
        blockNumber: 9,
      });
      const packed = Buffer.concat([
        Buffer.from("PR1"),
        Buffer.from(METER.slice(2), "hex"),
        Buffer.from("0000010000000003", "hex"),
        Buffer.from("7fffffffffffffff", "hex"),
        Buffer.from("0000000000000102", "hex"),
        Buffer.from("0000000000000009", "hex"),
        Buffer.from(blockHash(7).slice(2), "hex"),
        Buffer.from(GENESIS.slice(2), "hex"),
      ]);
      expect(packed).to.have.length(119);
      expect(reading.digest).to.equal(`0x${createHash("sha256").update(packed).digest("hex")}`);
    });

    it("has not changed since version 1 was laid down", function () {
      expect(GENESIS).to.equal("0x1afacbe6bea32ea08097b7bc5a00a476c40dfd8c99afe18c04dc5161d5bf5a63");
      expect(first().digest).to.equal("0x4bd2b4acee3574246f68fbdd86911b078699b316a1bcf0e56a3fc1dca26b6138");
    });

    const refused: [keyof Reading, Partial<StampedReading>][] = [
      ["sequence", { sequence: -1 }],
      ["sequence", { sequence: 0.5 }],
      ["sequence", { sequence: 2 ** 53 }],
      ["registerWh", { registerWh: -1n }],
      ["registerWh", { registerWh: 2n ** 63n }],
      ["powerW", { powerW: -1n }],
      ["powerW", { powerW: 2n ** 63n }],
      ["blockNumber", { blockNumber: -1 }],
      ["blockNumber", { blockNumber: Number.NaN }],
      ["blockHash", { blockHash: blockHash(7).slice(0, -2) }],
      ["blockHash", { blockHash: blockHash(7).toUpperCase().replace("0X", "0x") }],
      ["blockHash", { blockHash: blockHash(7).slice(2) }],
      ["previousDigest", { previousDigest: `0x${"g".repeat(64)}` }],
    ];
    for (const [field, change] of refused) {
      it(`refuses ${field} ${String(Object.values(change)[0])}`, function () {
        expect(() => first(change))
          .to.throw(FieldError)
          .with.property("field", field);
      });
    }

    it("refuses an address without its checksum, with what it expected and received", function () {
      const lowerCase = METER.toLowerCase();
      for (const use of [() => first({ meter: lowerCase }), () => genesisDigest(lowerCase)])
        expect(use)
          .to.throw(FieldError)
          .that.includes({ expected: "a checksummed address", received: lowerCase });
      expect(() => addressBytes("0x12")).to.throw(FieldError);
    });

    it("gives each meter a genesis of its own", function () {
      expect(genesisDigest(METER)).to.not.equal(genesisDigest(OTHER_METER));
    });
  });

  describe("chain", function () {
    it("verifies from its genesis, and any part of it from the digest before", function () {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 20 }), fc.nat(), (steps, seed) => {
          const readings = chain(steps);
          const cut = seed % readings.length;
          expect(verifyChain(readings, GENESIS)).to.deep.equal({ ok: true });
          const before = readings[cut - 1]?.digest ?? GENESIS;
          expect(verifyChain(readings.slice(cut), before)).to.deep.equal({ ok: true });
        }),
      );
    });

    it("verifies when empty", function () {
      expect(verifyChain([], GENESIS)).to.deep.equal({ ok: true });
    });

    const flips: Record<
      Exclude<keyof StampedReading, "blockTimestamp">,
      (reading: StampedReading) => unknown
    > = {
      meter: () => OTHER_METER,
      sequence: (reading) => reading.sequence + 1,
      registerWh: (reading) => reading.registerWh + 1n,
      powerW: (reading) => reading.powerW + 1n,
      blockNumber: (reading) => reading.blockNumber + 1,
      blockHash: (reading) => flipLastDigit(reading.blockHash),
      previousDigest: (reading) => flipLastDigit(reading.previousDigest),
      digest: (reading) => flipLastDigit(reading.digest),
    };
    for (const [field, flip] of Object.entries(flips)) {
      it(`breaks when ${field} of any reading is changed`, function () {
        fc.assert(
          fc.property(fc.array(step, { maxLength: 10 }), fc.nat(), (steps, seed) => {
            const readings = chain(steps);
            const at = seed % readings.length;
            readings[at] = { ...readings[at]!, [field]: flip(readings[at]!) };
            expect(verifyChain(readings, GENESIS)).to.include({ ok: false, fault: "wrong-digest" });
          }),
        );
      });
    }

    it("breaks when a changed reading is given a digest that fits, at the reading after", function () {
      fc.assert(
        fc.property(fc.array(step, { minLength: 1, maxLength: 10 }), fc.nat(), (steps, seed) => {
          const readings = chain(steps);
          const at = seed % (readings.length - 1);
          readings[at] = digested({ ...readings[at]!, powerW: readings[at]!.powerW + 1n });
          expectFault(readings, "broken-link", at + 1);
        }),
      );
    });

    it("breaks when any reading but the last is left out", function () {
      fc.assert(
        fc.property(fc.array(step, { minLength: 1, maxLength: 10 }), fc.nat(), (steps, seed) => {
          const readings = chain(steps);
          readings.splice(seed % (readings.length - 1), 1);
          expect(verifyChain(readings, GENESIS).ok).to.equal(false);
        }),
      );
    });

    it("says what was expected and received", function () {
      const second = next(first(), ONE_STEP);
      expect(verifyChain([first(), { ...second, digest: GENESIS }], GENESIS)).to.deep.equal({
        ok: false,
        fault: "wrong-digest",
        sequence: 1,
        expected: second.digest,
        received: GENESIS,
      });
    });

    it("reports a malformed reading instead of throwing", function () {
      expectFault([{ ...first(), powerW: -1n }], "malformed", 0);
      expectFault([{ ...first(), blockTimestamp: 0.5 }], "malformed", 0);
      expectFault([{ ...first(), meter: "nobody" }], "malformed", 0);
    });

    it("reports another meter's chain", function () {
      expectFault(
        [first({ meter: OTHER_METER, previousDigest: genesisDigest(OTHER_METER) })],
        "broken-link",
        0,
      );
      expectFault(
        [first(), digested({ ...next(first(), ONE_STEP), meter: OTHER_METER })],
        "foreign-meter",
        1,
      );
    });

    it("reports a gap in the sequence", function () {
      expectFault([first(), digested({ ...next(first(), ONE_STEP), sequence: 2 })], "sequence-gap", 2);
      expectFault([first(), digested({ ...next(first(), ONE_STEP), sequence: 0 })], "sequence-gap", 0);
    });

    it("holds number 0 and the meter's genesis to belong together", function () {
      const before = blockHash(1);
      expectFault([first({ sequence: 1 })], "sequence-gap", 1);
      expect(verifyChain([first({ previousDigest: before })], before)).to.include({
        ok: false,
        fault: "sequence-gap",
      });
    });

    it("reports a register that goes backwards", function () {
      const backwards = digested({ ...next(first(), ONE_STEP), registerWh: first().registerWh - 1n });
      expectFault([first(), backwards], "register-backwards", 1);
    });

    it("may have several readings of one block, and blocks of one second", function () {
      const second = next(first(), { wh: 5n, blocks: 0, seconds: 0 });
      const third = next(second, { wh: 0n, blocks: 1, seconds: 0 });
      expect(verifyChain([first(), second, third], GENESIS)).to.deep.equal({ ok: true });
    });

    it("reports a block whose number or timestamp is less than before", function () {
      const older: [string, Partial<Step>][] = [
        ["number", { blocks: -1 }],
        ["timestamp", { seconds: -1 }],
        ["timestamp of the same block", { blocks: 0, seconds: -1 }],
      ];
      for (const [what, change] of older) {
        const verdict = verifyChain([first(), next(first(), { ...ONE_STEP, ...change })], GENESIS);
        expect(verdict, what).to.include({ ok: false, fault: "block-older", sequence: 1 });
      }
    });

    it("reports a block of the same number but of another hash or timestamp, and says which", function () {
      const second = next(first(), { wh: 5n, blocks: 0, seconds: 0 });
      const expected = `block 7 (${blockHash(7)}) at 1000 s`;
      const conflicts: [Partial<StampedReading>, string][] = [
        [{ blockHash: blockHash(8) }, `block 7 (${blockHash(8)}) at 1000 s`],
        [{ blockTimestamp: 1_001 }, `block 7 (${blockHash(7)}) at 1001 s`],
      ];
      for (const [change, received] of conflicts) {
        const verdict = verifyChain([first(), digested({ ...second, ...change })], GENESIS);
        expect(verdict).to.deep.equal({
          ok: false,
          fault: "block-conflict",
          sequence: 1,
          expected,
          received,
        });
      }
    });
  });

  describe("energy of an epoch", function () {
    const last = first({ sequence: 4, registerWh: 1_000n, previousDigest: blockHash(4) });

    it("is the register at its last reading less the register before it", function () {
      const second = next(last, { ...ONE_STEP, wh: 30n });
      const third = next(second, { ...ONE_STEP, wh: 12n });
      expect(epochEnergyWh([second, third], last)).to.equal(42n);
    });

    it("is nothing when there is no reading in it", function () {
      expect(epochEnergyWh([], last)).to.equal(0n);
      expect(epochEnergyWh([], undefined)).to.equal(0n);
    });

    it("is the whole register when the meter's chain begins in it", function () {
      expect(epochEnergyWh([first()], undefined)).to.equal(100n);
    });

    it("refuses readings that do not follow the last one before", function () {
      const third = next(next(last, ONE_STEP), ONE_STEP);
      expect(() => epochEnergyWh([third], last))
        .to.throw(EpochReadingsError)
        .that.includes({ expected: last.digest, received: third.previousDigest });
      expect(() => epochEnergyWh([third], undefined)).to.throw(EpochReadingsError);
    });

    it("adds up to the register, however the readings fall into epochs", function () {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
          const readings = chain(steps);
          const epochs = new Set(readings.map(epochOf));
          let lastBefore: StampedReading | undefined;
          let total = 0n;
          for (const epoch of epochs) {
            const readingsOfEpoch = readings.filter((reading) => epochOf(reading) === epoch);
            total += epochEnergyWh(readingsOfEpoch, lastBefore);
            lastBefore = readingsOfEpoch.at(-1);
          }
          expect(total).to.equal(readings.at(-1)?.registerWh);
        }),
      );
    });
  });
});

function flipLastDigit(hex: string): string {
  return hex.slice(0, -1) + (hex.endsWith("0") ? "1" : "0");
}
