/**
 * Replays a measured series from a CSV file as if it were metered now. A row's stamp is taken as the start
 * of its step, and its value as the mean power of that step.
 */

import { energyWs, shiftedTime, stepped, type MeterSource } from "../source.ts";
import {
  cleanSeries,
  type CleanSeries,
  type PowerUnit,
  type ReplayDay,
  type ReplayReport,
} from "./cleaning.ts";
import { readCells, ReplayError, type CsvOptions } from "./csv.ts";

export type { PowerUnit, ReplayDay, ReplayGap, ReplayReport, StuckReading } from "./cleaning.ts";
export { ReplayError, type ReplayErrorCode } from "./csv.ts";

/** A column of power in a CSV file. */
export interface ReplayOptions extends CsvOptions {
  readonly unit: PowerUnit;
}

/** A replayed plant, in the time of its file; `shiftedTime` takes it to the chain's. */
export interface Replay {
  /** The series as measured and cleaned; 0 W outside the time of the file. */
  readonly source: MeterSource;
  /** The series as a decent weather service would have foretold it. */
  readonly forecast: MeterSource;
  readonly report: ReplayReport;
  /** The local days of the file, in order. */
  readonly days: readonly ReplayDay[];
}

const UNITS: readonly string[] = ["W", "kW"] satisfies PowerUnit[];

const SECONDS_PER_DAY = 86_400;

/** Part of a day's steps, in percent, with which it counts as full. */
const FULL_DAY_PERCENT = 90;

/** The forecast is the mean over this time, centred. */
const FORECAST_WINDOW_SECONDS = 3600;

/** Step of the forecast: fine against its window, coarse against a file of one-second rows. */
const FORECAST_STEP_SECONDS = 300;

/**
 * Opens a file for replay. However dirty its data, the replayed energy is at most that of its positive
 * cells, each for one step; the report says what was done to them.
 *
 * @throws ReplayError when an option is wrong; its code says which.
 */
export function loadReplay(options: ReplayOptions): Replay {
  if (!UNITS.includes(options.unit)) {
    throw new ReplayError("unknown-unit", `unknown unit "${options.unit}": give W or kW`);
  }
  const series = cleanSeries(readCells(options), options.unit);
  const source = seriesSource(series);
  return { source, forecast: movingAverage(source), report: series.report, days: series.days };
}

/**
 * The first local midnight from which a day with nearly all its readings follows, in unix seconds of the
 * file; the file's first step when it has no such day. A demo can start there.
 */
export function firstFullDay({ days, report }: Replay): number {
  const first = Date.parse(report.first) / 1000;
  const enough = (SECONDS_PER_DAY * FULL_DAY_PERCENT) / 100;
  const fullDay = days.find(
    ({ startUnixSeconds, readings }) => startUnixSeconds >= first && readings * report.stepSeconds >= enough,
  );
  return fullDay?.startUnixSeconds ?? first;
}

/** The series as a source. Files are not always aligned to unix time, so it is shifted there from its origin. */
function seriesSource({ originUnixSeconds, stepSeconds, powerW }: CleanSeries): MeterSource {
  const onItsGrid: MeterSource = {
    stepSeconds,
    powerW: (secondsOfGrid) => powerW.get(Math.floor(secondsOfGrid / stepSeconds)) ?? 0n,
  };
  return shiftedTime(onItsGrid, -originUnixSeconds);
}

/** The centred mean over an hour. As a mean of the source, it is never above the source's peak. */
function movingAverage(source: MeterSource): MeterSource {
  return stepped(FORECAST_STEP_SECONDS, (start) => {
    const from = start + (FORECAST_STEP_SECONDS - FORECAST_WINDOW_SECONDS) / 2;
    return energyWs(source, from, from + FORECAST_WINDOW_SECONDS) / BigInt(FORECAST_WINDOW_SECONDS);
  });
}
