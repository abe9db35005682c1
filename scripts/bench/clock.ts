/** What some work took. Others on the same machine lengthen the first; both are close where it is idle. */
export interface Took {
  /** Seconds on the wall. */
  readonly wall: number;
  /** Seconds of one core, those of the runtime's helpers added. */
  readonly core: number;
}

export function timed(work: () => void): Took {
  const stop = startClock();
  work();
  return stop();
}

/** @returns what tells how long it took since */
export function startClock(): () => Took {
  const [start, before] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(before);
    return { wall: (performance.now() - start) / 1_000, core: (user + system) / 1_000_000 };
  };
}

/** The middle ones of an odd number of runs. */
export function typical(runs: number, work: () => void): Took {
  const all = Array.from({ length: runs }, () => timed(work));
  return { wall: middle(all.map(({ wall }) => wall)), core: middle(all.map(({ core }) => core)) };
}

export function middle(figures: number[]): number {
  return figures.sort((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN;
}

export function rounded(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
