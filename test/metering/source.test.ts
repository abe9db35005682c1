import { expect } from "chai";
import fc from "fast-check";

import {
  energyWs,
  scaled,
  shiftedTime,
  stepStart,
  stepped,
  sum,
  type MeterSource,
} from "../../agents/metering/source.ts";

/** A source whose steps all differ, so that a misplaced one shows. */
function staircase(stepSeconds: number): MeterSource {
  return stepped(stepSeconds, (start) => {
    const step = start / stepSeconds;
    return BigInt(((step % 97) + 97) % 97);
  });
}

/** The definition of energy, second by second. */
function energyBySeconds(source: MeterSource, from: number, to: number): bigint {
  let energy = 0n;
  for (let second = from; second < to; second += 1) energy += source.powerW(second);
  return energy;
}

const stepLength = fc.constantFrom(1, 7, 12, 60, 900);
const instant = fc.integer({ min: -4000, max: 4000 });
const duration = fc.nat({ max: 2000 });

describe("energy of a source", () => {
  it("is power times time within a step", () => {
    expect(energyWs({ stepSeconds: 60, powerW: () => 500n }, 0, 12)).to.equal(6000n);
  });

  it("is nothing over no time", () => {
    expect(energyWs(staircase(60), 90, 90)).to.equal(0n);
  });

  it("is the sum over every second, wherever the cuts fall", () => {
    fc.assert(
      fc.property(stepLength, instant, duration, (step, from, length) => {
        const source = staircase(step);
        expect(energyWs(source, from, from + length)).to.equal(energyBySeconds(source, from, from + length));
      }),
    );
  });

  it("adds up over adjoining intervals, so no block boundary loses or doubles any", () => {
    fc.assert(
      fc.property(stepLength, instant, duration, duration, (step, from, first, second) => {
        const source = staircase(step);
        const middle = from + first;
        const end = middle + second;
        expect(energyWs(source, from, middle) + energyWs(source, middle, end)).to.equal(
          energyWs(source, from, end),
        );
      }),
    );
  });

  it("reads the source once per step, not once per second", () => {
    let readings = 0;
    const source: MeterSource = {
      stepSeconds: 60,
      powerW() {
        readings += 1;
        return 1n;
      },
    };
    energyWs(source, 30, 930);
    expect(readings).to.equal(16);
  });

  it("refuses an interval that ends before it begins, or cuts a second", () => {
    expect(() => energyWs(staircase(60), 10, 9)).to.throw(RangeError, "ends before it begins");
    expect(() => energyWs(staircase(60), 0.5, 9)).to.throw(RangeError, "whole seconds");
    expect(() => energyWs(staircase(60), 0, Infinity)).to.throw(RangeError, "whole seconds");
  });
});

describe("a stepped source", () => {
  it("is aligned to unix time, before 1970 too", () => {
    expect(stepStart(119, 60)).to.equal(60);
    expect(stepStart(120, 60)).to.equal(120);
    expect(stepStart(-1, 60)).to.equal(-60);
  });

  it("computes a step once, however many meters read it", () => {
    const computed: number[] = [];
    const source = stepped(60, (start) => {
      computed.push(start);
      return 1n;
    });
    for (const second of [0, 1, 59, 60, 30, 119]) source.powerW(second);
    expect(computed).to.deep.equal([0, 60]);
  });

  it("gives the same after it has forgotten a step", () => {
    const source = staircase(1);
    const before = source.powerW(5);
    energyWs(source, 0, 10_000);
    expect(source.powerW(5)).to.equal(before);
  });
});

describe("combined sources", () => {
  it("scale by an exact fraction, truncated to whole watts", () => {
    const source = scaled({ stepSeconds: 60, powerW: () => 100n }, 2n, 3n);
    expect(source.powerW(0)).to.equal(66n);
    expect(source.stepSeconds).to.equal(60);
  });

  it("cannot be scaled below zero or by nothing", () => {
    expect(() => scaled(staircase(60), -1n, 1n)).to.throw(RangeError);
    expect(() => scaled(staircase(60), 1n, 0n)).to.throw(RangeError);
  });

  it("add up power and energy across different steps", () => {
    fc.assert(
      fc.property(stepLength, stepLength, instant, duration, (stepA, stepB, from, length) => {
        const [a, b] = [staircase(stepA), staircase(stepB)];
        const to = from + length;
        expect(energyWs(sum([a, b]), from, to)).to.equal(energyWs(a, from, to) + energyWs(b, from, to));
      }),
    );
  });

  it("are nothing when there are none", () => {
    expect(energyWs(sum([]), 0, 86_400)).to.equal(0n);
  });

  it("can be read at another time, by whole steps or not", () => {
    fc.assert(
      fc.property(stepLength, instant, instant, duration, (step, offset, from, length) => {
        const source = staircase(step);
        const moved = energyWs(shiftedTime(source, offset), from, from + length);
        expect(moved).to.equal(energyWs(source, from + offset, from + offset + length));
      }),
    );
  });

  it("keep their step when shifted by whole steps", () => {
    expect(shiftedTime(staircase(900), -86_400).stepSeconds).to.equal(900);
    expect(shiftedTime(staircase(900), 60).stepSeconds).to.equal(60);
    expect(() => shiftedTime(staircase(900), 0.5)).to.throw(RangeError);
  });
});
