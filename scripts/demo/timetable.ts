/** When what happens in the demo's day. Times in unix seconds of the chain, epochs by their number on the chain. */
export interface Timetable {
  readonly epochSeconds: number;
  /** Midnight of the day. */
  readonly midnight: number;
  /** The epochs to be settled, in order; a pause for the hand-over lies between two of them. */
  readonly epochs: readonly number[];
  /** Last epoch of the first ARIA, first epoch of the second. */
  readonly lastBefore: number;
  readonly firstAfter: number;
  /** An inverter fails. */
  readonly outage: Span;
  /** The Aggregator's meter of one DER reads too little. */
  readonly underReport: Span;
  /** One DER's own meter reads too much. */
  readonly overClaim: Span;
  /** A DER leaves from this epoch on. */
  readonly departure: number;
}

/** A time from its start to before its end. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export const EPOCH_SECONDS = 900;
/** The summer solstice of 2026, at the demo's place. */
const MIDNIGHT = Date.UTC(2026, 5, 21) / 1000;
const NOON = MIDNIGHT + 43_200;

/** Chain time that a hand-over takes: the dispute window, then a block for each DER that joins again, with room. */
const PAUSE_SECONDS = 550;
const PAUSE_SECONDS_PER_DER = 1.5;

/** Lays the epochs around noon, so that a short day is one with sun. */
export function timetable(epochCount: number, derCount: number): Timetable {
  const before = Math.floor(epochCount / 2);
  const first = NOON / EPOCH_SECONDS - before;
  const pause = Math.ceil((PAUSE_SECONDS + PAUSE_SECONDS_PER_DER * derCount) / EPOCH_SECONDS);
  const epochs = Array.from({ length: epochCount }, (_, i) => first + i + (i < before ? 0 : pause));
  const at = (i: number): number => epochs[i] ?? first;
  const length = Math.max(1, Math.round(epochCount / 48));
  const span = (share: number): Span => {
    const from = at(Math.floor(share * epochCount)) * EPOCH_SECONDS;
    return { from, to: from + length * EPOCH_SECONDS };
  };
  return {
    epochSeconds: EPOCH_SECONDS,
    midnight: MIDNIGHT,
    epochs,
    lastBefore: at(before - 1),
    firstAfter: at(before),
    outage: span(0.55),
    underReport: span(0.44),
    overClaim: span(0.65),
    departure: at(Math.floor(0.2 * epochCount)),
  };
}

/** The time of day of a chain time, HH:MM. */
export function timeOfDay(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().slice(11, 16);
}

export function within(unixSeconds: number, { from, to }: Span): boolean {
  return unixSeconds >= from && unixSeconds < to;
}
