import { expect } from "chai";
import fc from "fast-check";

import { derivedSeed, smoothNoise } from "../../agents/metering/sources/noise.ts";

const PERIOD = 600;
const seed = fc.integer();
const instant = fc.integer({ min: 0, max: 4_000_000_000 });

function series(ofSeed: number): number[] {
  const noise = smoothNoise(ofSeed, PERIOD);
  return Array.from({ length: 10_000 }, (_, index) => noise(index * 97));
}

describe("smooth noise", () => {
  it("is between 0 and 1 for every seed and instant", () => {
    fc.assert(
      fc.property(seed, instant, (ofSeed, at) => {
        expect(smoothNoise(ofSeed, PERIOD)(at)).to.be.within(0, 1);
      }),
    );
  });

  it("is the same for the same seed, in whatever order it is asked", () => {
    const noise = smoothNoise(7, PERIOD);
    const later = noise(1_781_999_999);
    noise(3);
    expect(noise(1_781_999_999)).to.equal(later);
    expect(series(7)).to.deep.equal(series(7));
  });

  it("has these very bits on every platform", () => {
    expect(smoothNoise(1, PERIOD)(1_781_913_600)).to.equal(0.004007233772426844);
    expect(smoothNoise(1, PERIOD)(1_781_913_777)).to.equal(0.08773805300183449);
  });

  it("is unrelated for other seeds", () => {
    for (const [a, b] of [
      [1, 2],
      [0, 1],
      [1, derivedSeed(1, 1)],
    ] as const) {
      expect(Math.abs(correlation(series(a), series(b)))).to.be.below(0.1);
    }
  });

  it("never jumps: within a second it moves by less than a hundredth of its range", () => {
    fc.assert(
      fc.property(seed, instant, (ofSeed, at) => {
        const noise = smoothNoise(ofSeed, PERIOD);
        expect(Math.abs(noise(at + 1) - noise(at))).to.be.below(0.01);
      }),
    );
  });

  it("has the mean of its nodes", () => {
    const noise = smoothNoise(3, PERIOD, (uniform) => (uniform < 0.3 ? 1 : 0));
    const values = Array.from({ length: 100_000 }, (_, index) => noise(index * 61));
    expect(Math.abs(mean(values) - 0.3)).to.be.at.most(0.01);
  });
});

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const [meanA, meanB] = [mean(a), mean(b)];
  const covariance = mean(a.map((value, index) => (value - meanA) * ((b[index] ?? 0) - meanB)));
  const deviation = (values: readonly number[], middle: number): number =>
    Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
  return covariance / (deviation(a, meanA) * deviation(b, meanB));
}
