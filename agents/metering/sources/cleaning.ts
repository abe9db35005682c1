/**
 * Turns the cells of a measurement file into a series on a regular grid of steps. Its rule: a reading that
 * cannot be trusted is 0 W, and everything done to the data is counted, so that the series never holds
 * more energy than the positive cells of the file.
 */

import { ReplayError, type StampedCell, type StampedCells } from "./csv.ts";

/** Unit of a column of power. */
export type PowerUnit = "W" | "kW";

/** Steps that are counted as 0 W; `to` is where the last of them ends. */
export interface ReplayGap {
  readonly from: string;
  readonly to: string;
  readonly steps: number;
}

/** Repeats of one reading that are counted as 0 W, with that reading in the unit of the file. */
export interface StuckReading extends ReplayGap {
  readonly value: number;
}

/**
 * What was done to the data. Plain JSON; time stamps are ISO 8601 in UTC. Every row is either used, empty,
 * duplicate or unparseable; negative and stuck readings are among the used.
 */
export interface ReplayReport {
  /** Rows below the header. */
  readonly rows: number;
  /** Rows whose number stands at its step. */
  readonly used: number;
  /** Readings below zero, counted as 0 W. */
  readonly negative: number;
  /** Rows without a number in the column, counted as 0 W. */
  readonly empty: number;
  /** Rows stamped earlier than one before them, sorted in. */
  readonly outOfOrder: number;
  /** Rows at a step that has a row already, left out. */
  readonly duplicates: number;
  /** Rows whose time stamp cannot be read, left out. */
  readonly unparseable: number;
  /** Steps without a row. */
  readonly gaps: readonly ReplayGap[];
  /** Runs of a reading that did not move. */
  readonly stuck: readonly StuckReading[];
  readonly stepSeconds: number;
  /** Start of the first and of the last step. */
  readonly first: string;
  readonly last: string;
  /** Greatest power of the series, W. */
  readonly peakW: number;
  /** Energy of the series, Wh, truncated. */
  readonly energyWh: number;
}

/** A local day that the file touches, and how many of its steps have a reading. */
export interface ReplayDay {
  readonly startUnixSeconds: number;
  readonly readings: number;
}

/** A clean series: step number n begins at origin + n * step. Steps that are not in the map are 0 W. */
export interface CleanSeries {
  readonly originUnixSeconds: number;
  readonly stepSeconds: number;
  readonly powerW: ReadonlyMap<number, bigint>;
  readonly days: readonly ReplayDay[];
  readonly report: ReplayReport;
}

/** A cell's number: in the unit of the file to compare, in whole watts (never negative) to count. */
interface Reading {
  readonly value: number;
  readonly powerW: bigint;
}

/** A row at its step. */
interface Slot {
  readonly step: number;
  readonly dayStart: number;
  readonly reading: Reading | undefined;
}

/** A reading is stuck when it lasts both this many steps and this long. */
const STUCK_STEPS = 6;
const STUCK_SECONDS = 30 * 60;

/** From this share of the file's maximum on, in percent, a constant reading is a plant at its limit. */
const PLATEAU_PERCENT = 99n;

/**
 * Sorts, aligns and cleans the cells.
 *
 * @throws ReplayError no-usable-rows when there are no two steps, or no cell is a number.
 */
export function cleanSeries({ cells, rows, unparseable }: StampedCells, unit: PowerUnit): CleanSeries {
  const sorted = cells.toSorted((a, b) => a.unixSeconds - b.unixSeconds);
  const stepSeconds = stepOf(sorted);
  const originUnixSeconds = mostCommon(sorted.map(({ unixSeconds }) => unixSeconds % stepSeconds));
  const slots = alignToSteps(sorted, originUnixSeconds, stepSeconds, unit);

  const readings = slots.flatMap(({ reading }) => reading ?? []);
  if (readings.length === 0) {
    throw new ReplayError("no-usable-rows", `no cell of the ${rows} rows is a number: choose another column`);
  }
  const stuckRuns = findStuck(slots, stepSeconds);
  const powerW = trustedPower(slots, stuckRuns);
  const powers = [...powerW.values()];

  const stamp = (step: number): string => isoStamp(originUnixSeconds + step * stepSeconds);
  const period = (from: number, to: number): ReplayGap => ({
    from: stamp(from),
    to: stamp(to),
    steps: to - from,
  });
  const report: ReplayReport = {
    rows,
    used: readings.length,
    negative: readings.filter(({ value }) => value < 0).length,
    empty: slots.length - readings.length,
    outOfOrder: countOutOfOrder(cells),
    duplicates: cells.length - slots.length,
    unparseable,
    gaps: findGaps(slots).map(({ from, to }) => period(from, to)),
    stuck: stuckRuns.map(({ from, to, value }) => ({ ...period(from, to), value })),
    stepSeconds,
    first: stamp(slots[0]?.step ?? 0),
    last: stamp(slots.at(-1)?.step ?? 0),
    peakW: Number(powers.reduce((peak, power) => (power > peak ? power : peak), 0n)),
    energyWh: Number((powers.reduce((total, power) => total + power, 0n) * BigInt(stepSeconds)) / 3600n),
  };
  return { originUnixSeconds, stepSeconds, powerW, days: countDays(slots), report };
}

/**
 * The power in a cell, exact from its decimal digits and truncated toward zero to whole watts: 111.9081 kW
 * is 111908 W. Below zero, as inverters draw at night, is 0 W. Undefined when the cell is no number, or one
 * beyond what a JSON number holds.
 */
export function parseReading(cell: string, unit: PowerUnit): Reading | undefined {
  const match = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d{1,2}))?$/i.exec(cell);
  const [, sign, whole = "", fraction = "", exponent = "0"] = match ?? [];
  const digits = whole + fraction;
  if (digits === "") return undefined;

  const places = Number(exponent) + (unit === "kW" ? 3 : 0) - fraction.length;
  const magnitude =
    places >= 0 ? BigInt(digits) * 10n ** BigInt(places) : BigInt(digits) / 10n ** BigInt(-places);
  if (magnitude > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  return { value: Number(cell), powerW: sign === "-" ? 0n : magnitude };
}

/** The most common difference between stamps, in seconds. */
function stepOf(sorted: readonly StampedCell[]): number {
  const differences = sorted
    .map(({ unixSeconds }, index) => unixSeconds - (sorted[index - 1]?.unixSeconds ?? unixSeconds))
    .filter((difference) => difference > 0);
  if (differences.length === 0) {
    throw new ReplayError(
      "no-usable-rows",
      "the length of a step needs two rows at different times: add rows",
    );
  }
  return mostCommon(differences);
}

/** The most common of some numbers, of equally common ones the smallest. */
function mostCommon(numbers: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const number of numbers) counts.set(number, (counts.get(number) ?? 0) + 1);
  const [[winner] = [0]] = [...counts].sort(([a, times], [b, otherTimes]) => otherTimes - times || a - b);
  return winner;
}

/** One slot per step that has a row: the first row of each. Stamps that jitter go to the nearest step. */
function alignToSteps(
  sorted: readonly StampedCell[],
  originUnixSeconds: number,
  stepSeconds: number,
  unit: PowerUnit,
): Slot[] {
  const slots = new Map<number, Slot>();
  for (const { unixSeconds, dayStart, cell } of sorted) {
    const step = Math.round((unixSeconds - originUnixSeconds) / stepSeconds);
    if (!slots.has(step)) slots.set(step, { step, dayStart, reading: parseReading(cell, unit) });
  }
  return [...slots.values()];
}

function countOutOfOrder(cells: readonly StampedCell[]): number {
  let latest = -Infinity;
  let count = 0;
  for (const { unixSeconds } of cells) {
    if (unixSeconds < latest) count += 1;
    latest = Math.max(latest, unixSeconds);
  }
  return count;
}

/** Steps [from, to) between rows that no row covers. */
function findGaps(slots: readonly Slot[]): { from: number; to: number }[] {
  return slots.flatMap(({ step }, index) => {
    const from = (slots[index - 1]?.step ?? step - 1) + 1;
    return from < step ? [{ from, to: step }] : [];
  });
}

/**
 * Steps [from, to) that repeat a stuck reading. The first reading of a run stands: it was a fresh value.
 * A plateau at the maximum is let through, so a sensor that sticks at the very peak is not found.
 */
function findStuck(
  slots: readonly Slot[],
  stepSeconds: number,
): { from: number; to: number; value: number }[] {
  const maximum = slots.reduce(
    (peak, { reading }) => (reading && reading.powerW > peak ? reading.powerW : peak),
    0n,
  );
  const runs: { from: number; to: number; value: number }[] = [];
  let begin = 0;
  for (let end = 1; end <= slots.length; end += 1) {
    const [first, previous, next] = [slots[begin], slots[end - 1], slots[end]];
    if (first === undefined || previous === undefined || repeats(previous, next)) continue;
    const length = end - begin;
    const isLong = length >= STUCK_STEPS && length * stepSeconds >= STUCK_SECONDS;
    const { value, powerW } = first.reading ?? { value: 0, powerW: 0n };
    const isPlateau = powerW * 100n >= maximum * PLATEAU_PERCENT;
    if (isLong && powerW > 0n && !isPlateau)
      runs.push({ from: first.step + 1, to: previous.step + 1, value });
    begin = end;
  }
  return runs;
}

/** Whether a slot is the very next step with the very same number. */
function repeats(previous: Slot, next: Slot | undefined): boolean {
  return (
    next?.reading !== undefined &&
    next.step === previous.step + 1 &&
    next.reading.value === previous.reading?.value
  );
}

function trustedPower(
  slots: readonly Slot[],
  stuckRuns: readonly { from: number; to: number }[],
): Map<number, bigint> {
  const power = new Map<number, bigint>();
  for (const { step, reading } of slots) {
    if (reading !== undefined) power.set(step, reading.powerW);
  }
  for (const { from, to } of stuckRuns) {
    for (let step = from; step < to; step += 1) power.set(step, 0n);
  }
  return power;
}

function countDays(slots: readonly Slot[]): ReplayDay[] {
  const days = new Map<number, number>();
  for (const { dayStart, reading } of slots) {
    days.set(dayStart, (days.get(dayStart) ?? 0) + (reading === undefined ? 0 : 1));
  }
  return [...days].map(([startUnixSeconds, readings]) => ({ startUnixSeconds, readings }));
}

function isoStamp(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().replace(".000Z", "Z");
}
