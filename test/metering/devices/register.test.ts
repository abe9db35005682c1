import { expect } from "chai";
import fc from "fast-check";

import type { Sample } from "../../../agents/metering/devices/device.ts";
import {
  isFrozen,
  nextStep,
  type RegisterState,
  type Step,
  type Suspect,
} from "../../../agents/metering/devices/register.ts";

const WH = 1_000_000n;
/** 12 seconds at 3600 W are 12 Wh; a tenth more is believed. */
const LIMITS = { ratedW: 3_600n, slackSeconds: 0 };
const START = 1_781_913_600;

function sample(registerMicroWh: bigint, more: Partial<Sample> = {}): Sample {
  return { registerMicroWh, stepMicroWh: 1n, saidAt: 0, ...more };
}

function wh(registerWh: bigint, more: Partial<Sample> = {}): Sample {
  return sample(registerWh * WH, more);
}

/** What the meter makes of samples, one every 12 seconds. */
class Run {
  state: RegisterState | undefined;
  suspect: Suspect | undefined;
  countedWh = 0n;
  now = START;

  take(next: Sample, seconds = 12): Step["kind"] {
    this.now += seconds;
    const step = nextStep(this.state, this.suspect, next, this.now, LIMITS);
    if (step.kind === "implausible") {
      this.suspect = step.suspect;
      return step.kind;
    }
    [this.state, this.suspect] = [step.state, undefined];
    expect(step.addWh >= 0n, "it never falls").to.equal(true);
    this.countedWh += step.addWh;
    return step.kind;
  }

  kinds(...samples: Sample[]): string[] {
    return samples.map((each) => this.take(each));
  }
}

describe("A device's register", function () {
  it("begins to count at what it shows first", function () {
    const run = new Run();
    expect(run.kinds(wh(5_000_000n), wh(5_000_010n))).to.deep.equal(["start", "counted"]);
    expect(run.countedWh).to.equal(10n);
  });

  it("keeps fractions of a Wh until they make one", function () {
    const run = new Run();
    run.kinds(sample(900_000n), sample(1_500_000n), sample(1_900_000n));
    expect(run.countedWh).to.equal(1n);
    expect(run.state?.restMicroWh).to.equal(0n);
  });

  it("counts exactly what flowed, however it is sampled, as long as no more flows than can", function () {
    const flows = fc.array(fc.bigInt(0n, 13n * WH), { maxLength: 50 });
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 15n), flows, (first, moved) => {
        const run = new Run();
        run.take(sample(first));
        let shown = first;
        for (const flow of moved) expect(run.take(sample((shown += flow)))).to.equal("counted");
        expect(run.countedWh).to.equal((shown - first) / WH);
      }),
    );
  });

  it("counts across its end as if it had none", function () {
    const span = 1_000n * WH;
    const flows = fc.array(fc.bigInt(0n, 13n * WH), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(fc.bigInt(0n, span - 1n), flows, (first, moved) => {
        const run = new Run();
        run.take(sample(first, { spanMicroWh: span }));
        let shown = first;
        for (const flow of moved) {
          const before = shown % span;
          shown += flow;
          const kind = run.take(sample(shown % span, { spanMicroWh: span }));
          expect(kind).to.equal(shown % span < before ? "rollover" : "counted");
        }
        expect(run.countedWh).to.equal((shown - first) / WH);
      }),
    );
  });

  it("never counts more than can have flowed, whatever it shows", function () {
    const anything = fc.record({
      registerMicroWh: fc.oneof(fc.bigInt(0n, 100n * WH), fc.bigInt(0n, 2n ** 80n)),
      spanMicroWh: fc.option(fc.bigInt(1n, 2n ** 80n), { nil: undefined }),
      identity: fc.option(fc.constantFrom("a", "b"), { nil: undefined }),
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(anything, fc.integer({ min: 1, max: 600 })), { maxLength: 60 }),
        (all) => {
          const run = new Run();
          let elapsed = 0n;
          for (const [said, seconds] of all) {
            run.take(sample(said.registerMicroWh, said), seconds);
            elapsed += BigInt(seconds);
          }
          // 1 Wh a second, a tenth more, and each sample's last digit of 1 µWh.
          expect(run.countedWh * WH <= (elapsed * WH * 11n) / 10n + BigInt(all.length)).to.equal(true);
        },
      ),
    );
  });

  describe("that does not follow", function () {
    it("from one sample alone is set aside, and nothing is lost", function () {
      const run = new Run();
      const kinds = run.kinds(wh(100n), wh(110n), wh(0n), wh(130n), wh(999_999n), wh(150n));
      expect(kinds).to.deep.equal(["start", "counted", "implausible", "counted", "implausible", "counted"]);
      expect(run.countedWh).to.equal(50n);
    });

    it("has begun anew at 0 when the next sample goes on from there; nothing is counted across", function () {
      const run = new Run();
      const kinds = run.kinds(wh(100_000n), wh(100_010n), wh(3n), wh(13n), wh(23n));
      expect(kinds).to.deep.equal(["start", "counted", "implausible", "restart", "counted"]);
      expect(run.countedWh).to.equal(20n);
    });

    it("keeps the fraction of a Wh that was counted before", function () {
      const run = new Run();
      const leap = [sample(500_000_000n), sample(500_400_000n), sample(500_900_000n)];
      run.kinds(sample(100_000n), sample(600_000n), ...leap);
      expect(run.countedWh).to.equal(1n);
    });

    it("cannot be counted backwards when its end is set below what it showed", function () {
      const run = new Run();
      const low = { spanMicroWh: 1_000n * WH };
      expect(run.kinds(wh(50_000n), wh(10n, low), wh(20n, low)).slice(1)).to.deep.equal([
        "implausible",
        "restart",
      ]);
    });

    it("has leapt ahead when the next goes on from there; nothing is counted across", function () {
      const run = new Run();
      expect(run.kinds(wh(100n), wh(9_000n), wh(9_010n), wh(9_020n))).to.deep.equal([
        "start",
        "implausible",
        "restart",
        "counted",
      ]);
      expect(run.countedWh).to.equal(10n);
    });

    it("is not taken for one that passed its end, far from it", function () {
      const run = new Run();
      const spanMicroWh = 100_000n * WH;
      expect(run.kinds(wh(50_000n, { spanMicroWh }), wh(5n, { spanMicroWh }))[1]).to.equal("implausible");
    });

    it("is believed in none of many samples that contradict each other", function () {
      const run = new Run();
      const leaps = [5_000n, 90n, 7_000n, 1_000n, 300_000n].map((each) => wh(each));
      expect(run.kinds(wh(100n), ...leaps).slice(1)).to.deep.equal(leaps.map(() => "implausible"));
      expect(run.countedWh).to.equal(0n);
    });
  });

  it("may move in large steps, as some show whole kWh or are read by a logger every quarter of an hour", function () {
    const steps = new Run();
    const kWh = { stepMicroWh: 1_000n * WH };
    expect(steps.kinds(wh(7_000n, kWh), wh(8_000n, kWh))[1]).to.equal("counted");
    const logger = new Run();
    logger.take(wh(0n));
    for (let i = 0; i < 74; i += 1) logger.take(wh(0n));
    expect(logger.take(wh(900n))).to.equal("counted");
    expect(logger.countedWh).to.equal(900n);
  });

  it("of another device counts from what that one shows first", function () {
    const run = new Run();
    const [old, young] = [{ identity: "old" }, { identity: "young" }];
    const kinds = run.kinds(wh(100n, old), wh(105n, young), wh(115n, young), wh(120n));
    expect(kinds).to.deep.equal(["start", "replacement", "counted", "counted"]);
    expect(run.countedWh).to.equal(15n);
    expect(run.state?.identity).to.equal("young");
  });

  it("is believed after an outage as far as it can have moved in that time", function () {
    const run = new Run();
    run.take(wh(0n));
    expect(run.take(wh(3_600n), 3_600)).to.equal("counted");
    expect(run.take(wh(3_600n + 3_961n), 3_600)).to.equal("implausible");
  });

  it("is frozen when it stands still though the device says it exports", function () {
    const state = { identity: undefined, shownMicroWh: 0n, restMicroWh: 0n, movedAt: START };
    const limits = { ratedW: 3_600n, slackSeconds: 60 };
    const frozen = (powerW: bigint | undefined, seconds: number, stepMicroWh = WH): boolean =>
      isFrozen(state, wh(0n, { powerW, stepMicroWh }), START + seconds, limits);
    expect(frozen(3_600n, 61)).to.equal(true);
    expect(frozen(3_600n, 60), "too soon").to.equal(false);
    expect(frozen(0n, 3_600), "at night").to.equal(false);
    expect(frozen(-50n, 3_600), "standby").to.equal(false);
    expect(frozen(undefined, 3_600), "power unknown").to.equal(false);
    expect(frozen(3_600n, 900, 1_000n * WH), "steps of 1 kWh").to.equal(false);
  });
});
