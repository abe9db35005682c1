/**
 * Where production comes from: the `MeterSource` a meter reads, its energy, and the few ways to combine
 * sources. Power is in W, energy in Ws, both as integer bigint; time is in unix seconds.
 */

/** A source of production, as a device would report it: mean power over steps of fixed length. */
export interface MeterSource {
  /** Length of a step in seconds; power is constant within one. Steps are aligned to unix time. */
  readonly stepSeconds: number;
  /** Mean power in W, never negative, over the step that holds this instant (unix seconds). */
  powerW(unixSeconds: number): bigint;
}

/** Steps a cached source remembers. Meters read near the chain's present, so old steps are soon unused. */
const CACHED_STEPS = 4096;

/** Step of a source that has no step of its own, because it never changes. */
const ANY_STEP_SECONDS = 900;

/**
 * Energy in watt-seconds delivered in [from, to), the exact integral of the steps.
 *
 * It costs one reading of the source per step touched, so a block of some seconds costs one or two.
 *
 * @throws RangeError when a bound is not a whole second, or the interval ends before it begins.
 */
export function energyWs(source: MeterSource, fromUnixSeconds: number, toUnixSeconds: number): bigint {
  if (!Number.isSafeInteger(fromUnixSeconds) || !Number.isSafeInteger(toUnixSeconds)) {
    throw new RangeError(`energy is between whole seconds, not [${fromUnixSeconds}, ${toUnixSeconds})`);
  }
  if (toUnixSeconds < fromUnixSeconds) {
    throw new RangeError(`interval ends before it begins: [${fromUnixSeconds}, ${toUnixSeconds})`);
  }
  let energy = 0n;
  let instant = fromUnixSeconds;
  while (instant < toUnixSeconds) {
    const stepEnd = stepStart(instant, source.stepSeconds) + source.stepSeconds;
    const end = Math.min(stepEnd, toUnixSeconds);
    energy += source.powerW(instant) * BigInt(end - instant);
    instant = end;
  }
  return energy;
}

/** Start of the step that holds the instant, in unix seconds; floors before 1970 as well. */
export function stepStart(unixSeconds: number, stepSeconds: number): number {
  return Math.floor(unixSeconds / stepSeconds) * stepSeconds;
}

/**
 * A source computed step by step and remembered, since several meters may read the same one.
 *
 * @param powerOfStep power in W over the step that begins at the given unix seconds; must be pure.
 */
export function stepped(stepSeconds: number, powerOfStep: (startUnixSeconds: number) => bigint): MeterSource {
  const cache = new Map<number, bigint>();
  return {
    stepSeconds,
    powerW(unixSeconds) {
      const start = stepStart(unixSeconds, stepSeconds);
      const known = cache.get(start);
      if (known !== undefined) return known;
      const power = powerOfStep(start);
      if (cache.size >= CACHED_STEPS) cache.clear();
      cache.set(start, power);
      return power;
    },
  };
}

/**
 * The source times numerator / denominator, truncated to whole watts in each step.
 *
 * @throws RangeError when the numerator is negative or the denominator not positive.
 */
export function scaled(source: MeterSource, numerator: bigint, denominator: bigint): MeterSource {
  if (numerator < 0n || denominator <= 0n) {
    throw new RangeError(`a source cannot be scaled by ${numerator}/${denominator}`);
  }
  return {
    stepSeconds: source.stepSeconds,
    powerW: (unixSeconds) => (source.powerW(unixSeconds) * numerator) / denominator,
  };
}

/** All sources together, as the feeder sees them. Steps may differ; no source at all is 0 W. */
export function sum(sources: readonly MeterSource[]): MeterSource {
  const parts = [...sources];
  return {
    stepSeconds: parts.map((part) => part.stepSeconds).reduce(greatestCommonDivisor, 0) || ANY_STEP_SECONDS,
    powerW: (unixSeconds) => parts.reduce((total, part) => total + part.powerW(unixSeconds), 0n),
  };
}

/**
 * The source read at another time: at instant t it reports what `source` does at t + offset. It takes
 * chain time to the time of a recording.
 *
 * An offset that is no multiple of the step moves the steps off their unix alignment, so the step shrinks
 * to the greatest length that is aligned again. Prefer offsets that are whole steps.
 *
 * @throws RangeError when the offset is not a whole number of seconds.
 */
export function shiftedTime(source: MeterSource, offsetSeconds: number): MeterSource {
  if (!Number.isSafeInteger(offsetSeconds)) {
    throw new RangeError(`time is shifted by whole seconds, not by ${offsetSeconds}`);
  }
  return {
    stepSeconds: greatestCommonDivisor(source.stepSeconds, Math.abs(offsetSeconds)),
    powerW: (unixSeconds) => source.powerW(unixSeconds + offsetSeconds),
  };
}

/** Euclid's algorithm, for non-negative integers; the divisor of 0 and n is n. */
function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
