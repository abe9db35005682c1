/**
 * How a device's register becomes the meter's, which never falls: a pure step from sample to sample. What cannot have
 * flowed is not counted. A register that fell or leapt is believed at the second sample that goes on from there; then
 * the meter counts from that one on, and what flowed between is lost rather than guessed.
 */

import { MICRO_WH_PER_WH } from "./decimal.ts";
import type { Sample } from "./device.ts";

/** What the meter must know to go on; kept with its last reading. */
export interface RegisterState {
  readonly identity: string | undefined;
  /** What the device's register showed, µWh. */
  readonly shownMicroWh: bigint;
  /** What was counted beyond the meter's whole Wh, µWh: below one Wh. */
  readonly restMicroWh: bigint;
  /** Block time (Unix seconds) at which the device's register last moved. Some move only every quarter of an hour. */
  readonly movedAt: number;
}

/** A sample that does not follow from the state, until the next one shows whether it was a glitch. */
export interface Suspect {
  readonly sample: Sample;
  /** Block time, Unix seconds. */
  readonly at: number;
}

export type Step =
  | {
      readonly kind: "counted" | "rollover" | "start" | "restart" | "replacement";
      readonly state: RegisterState;
      /** Whole Wh to add to the meter's register. */
      readonly addWh: bigint;
    }
  | { readonly kind: "implausible"; readonly suspect: Suspect };

/** What limits how far a register can have moved. */
export interface Limits {
  /** Power the DER can feed, W. */
  readonly ratedW: bigint;
  /** By how much the samples compared may be older than their blocks, seconds. */
  readonly slackSeconds: number;
}

/** Devices may feed somewhat more than their rating, and clocks differ a little. */
const HEADROOM_PERCENT = 110n;
const SECONDS_PER_HOUR = 3_600n;

/** @param now time of the block that the reading is for, Unix seconds */
export function nextStep(
  state: RegisterState | undefined,
  suspect: Suspect | undefined,
  sample: Sample,
  now: number,
  limits: Limits,
): Step {
  if (state === undefined) return beginAnew("start", undefined, sample, now);
  if (state.identity !== undefined && sample.identity !== undefined && state.identity !== sample.identity)
    return beginAnew("replacement", state, sample, now);

  const flow = flowBetween(state.shownMicroWh, sample, now - state.movedAt, limits);
  if (flow !== undefined) {
    const total = state.restMicroWh + flow.microWh;
    return {
      kind: flow.rolledOver ? "rollover" : "counted",
      addWh: total / MICRO_WH_PER_WH,
      state: {
        identity: sample.identity ?? state.identity,
        shownMicroWh: sample.registerMicroWh,
        restMicroWh: total % MICRO_WH_PER_WH,
        movedAt: flow.microWh > 0n ? now : state.movedAt,
      },
    };
  }
  const follows =
    suspect !== undefined &&
    flowBetween(suspect.sample.registerMicroWh, sample, now - suspect.at, limits) !== undefined;
  return follows
    ? beginAnew("restart", state, sample, now)
    : { kind: "implausible", suspect: { sample, at: now } };
}

/** Whether a register stands still though the device says it exports: something between is repeating old figures. */
export function isFrozen(state: RegisterState, sample: Sample, now: number, limits: Limits): boolean {
  const seconds = now - state.movedAt;
  if (sample.powerW === undefined || seconds <= limits.slackSeconds) return false;
  const exportedMicroWh = (sample.powerW * BigInt(seconds) * MICRO_WH_PER_WH) / SECONDS_PER_HOUR;
  return exportedMicroWh > 2n * sample.stepMicroWh + MICRO_WH_PER_WH;
}

function beginAnew(
  kind: "start" | "restart" | "replacement",
  state: RegisterState | undefined,
  sample: Sample,
  now: number,
): Step {
  return {
    kind,
    addWh: 0n,
    state: {
      identity: sample.identity ?? state?.identity,
      shownMicroWh: sample.registerMicroWh,
      restMicroWh: state?.restMicroWh ?? 0n,
      movedAt: now,
    },
  };
}

/** What flowed while a register went from one figure to the next; undefined if it cannot have. */
function flowBetween(
  fromMicroWh: bigint,
  { registerMicroWh, stepMicroWh, spanMicroWh }: Sample,
  seconds: number,
  { ratedW, slackSeconds }: Limits,
): { microWh: bigint; rolledOver: boolean } | undefined {
  const wattSeconds = ratedW * BigInt(seconds + slackSeconds);
  const most = (wattSeconds * MICRO_WH_PER_WH * HEADROOM_PERCENT) / (SECONDS_PER_HOUR * 100n) + stepMicroWh;
  const moved = registerMicroWh - fromMicroWh;
  if (moved >= 0n) return moved <= most ? { microWh: moved, rolledOver: false } : undefined;
  if (spanMicroWh === undefined || fromMicroWh >= spanMicroWh) return undefined;
  const around = moved + spanMicroWh;
  return around <= most ? { microWh: around, rolledOver: true } : undefined;
}
