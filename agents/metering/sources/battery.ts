/** A battery that feeds in during a daily window, as an operator would schedule it for the evening peak. */

import { stepStart, type MeterSource } from "../source.ts";

/** A battery and its daily schedule. It is refilled between windows, outside the metering point. */
export interface BatteryOptions {
  /** Energy it can deliver in one window, in Wh. */
  readonly capacityWh: bigint;
  /** Power it discharges at while it lasts, in W. */
  readonly dischargeW: bigint;
  /** Start of the window, UTC seconds of the day. */
  readonly windowStartSeconds: number;
  /** End of the window, UTC seconds of the day; before the start is on the next day, equal a whole day. */
  readonly windowEndSeconds: number;
}

const SECONDS_PER_DAY = 86_400;

/** Longest step; every day has a whole number of them. */
const STEP_SECONDS = 60;

/**
 * The battery, in steps of 60 s, or shorter where the window does not fall on whole minutes. In the step in
 * which it runs empty the power is the mean of that step, so that no more than the capacity leaves.
 * Its schedule is known beforehand: it is its own forecast.
 *
 * @throws RangeError when a bound of the window is not a whole second of the day.
 */
export function simulatedBattery(options: BatteryOptions): MeterSource {
  const { windowStartSeconds, windowEndSeconds, dischargeW } = options;
  for (const bound of [windowStartSeconds, windowEndSeconds]) {
    if (!Number.isInteger(bound) || bound < 0 || bound > SECONDS_PER_DAY) {
      throw new RangeError(`a window begins and ends on a whole second of the day, not at ${bound}`);
    }
  }
  const stepSeconds = longestStepWithin(windowStartSeconds, windowEndSeconds);
  const windowSeconds = secondsAfter(windowStartSeconds, windowEndSeconds) || SECONDS_PER_DAY;
  const capacityWs = options.capacityWh * 3600n;
  return {
    stepSeconds,
    powerW(unixSeconds) {
      const elapsed = secondsAfter(windowStartSeconds, stepStart(unixSeconds, stepSeconds));
      if (elapsed >= windowSeconds) return 0n;
      const leftWs = capacityWs - dischargeW * BigInt(elapsed);
      if (leftWs <= 0n) return 0n;
      const powerThatEmpties = leftWs / BigInt(stepSeconds);
      return powerThatEmpties < dischargeW ? powerThatEmpties : dischargeW;
    },
  };
}

/** Seconds from one time of day to the next occurrence of another. */
function secondsAfter(start: number, instant: number): number {
  const difference = (instant - start) % SECONDS_PER_DAY;
  return difference < 0 ? difference + SECONDS_PER_DAY : difference;
}

/** The longest step, up to a minute, of which both bounds are multiples. */
function longestStepWithin(...bounds: readonly number[]): number {
  let step = STEP_SECONDS;
  while (STEP_SECONDS % step !== 0 || bounds.some((bound) => bound % step !== 0)) step -= 1;
  return step;
}
