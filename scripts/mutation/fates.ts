import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

import { z } from "zod/v4";

import type { Mutant } from "./mutants.ts";
import type { Durations } from "./tester.ts";
import type { Verdict } from "./worker.ts";

/** What became of the mutants, kept as it is found out: a run that is stopped goes on where it was. */

const FILE = "cache/mutation.json";

/** A mutant is noticed by a test of a suite, or passes suites, named by the hash of what they were then. */
const fateSchema = z.object({
  noticedBy: z.object({ suite: z.string(), test: z.string() }).optional(),
  passed: z.array(z.string()),
});
const fatesSchema = z.object({
  /** of each test, by suite as it was then */
  durations: z.record(z.string(), z.record(z.string(), z.number())),
  /** the mutants that each of mocha's tests comes by, by suite as it was then */
  reached: z.record(z.string(), z.record(z.string(), z.array(z.number()))).default({}),
  /** by source and index */
  mutants: z.record(z.string(), z.record(z.string(), fateSchema)),
});
export type Fate = z.output<typeof fateSchema>;

export class Fates {
  readonly #fates: z.output<typeof fatesSchema>;

  constructor(afresh: boolean) {
    this.#fates =
      !afresh && existsSync(FILE)
        ? fatesSchema.parse(JSON.parse(readFileSync(FILE, "utf8")))
        : { durations: {}, reached: {}, mutants: {} };
  }

  /** What each test of a suite takes without a mutant, measured once for each state of the suite. */
  async durations(state: string, measure: () => Promise<Durations>): Promise<Durations> {
    const known = this.#fates.durations[state];
    if (known !== undefined) return known;
    const durations = await measure();
    this.#fates.durations[state] = { ...durations };
    this.#save();
    return durations;
  }

  /** The mutants that each test comes by, by their numbers, traced once for each state of the suite. */
  async reached(state: string, trace: () => Promise<Verdict["reached"]>): Promise<Verdict["reached"]> {
    const known = this.#fates.reached[state];
    if (known !== undefined) return known;
    this.#fates.reached = { [state]: { ...(await trace()) } };
    this.#save();
    return this.#fates.reached[state] ?? {};
  }

  of(source: Source, index: number): Fate {
    return this.#fates.mutants[source.id]?.[index] ?? { passed: [] };
  }

  set(source: Source, index: number, fate: Fate): void {
    (this.#fates.mutants[source.id] ??= {})[index] = fate;
    this.#save();
  }

  /** The tests of a suite that noticed the nearest mutants of a source, the nearest first. */
  likely(source: Source, index: number, suite: string, most: number): string[] {
    const line = source.mutants[index]?.line ?? 0;
    const distance = (other: string): number => Math.abs((source.mutants[Number(other)]?.line ?? 0) - line);
    const near = Object.entries(this.#fates.mutants[source.id] ?? {}).sort(
      ([a], [b]) => distance(a) - distance(b),
    );
    const tests = near.flatMap(([, { noticedBy }]) => (noticedBy?.suite === suite ? noticedBy.test : []));
    return [...new Set(tests)].slice(0, most);
  }

  #save(): void {
    mkdirSync(dirname(FILE), { recursive: true });
    // A process that is killed leaves either what was there or what comes, and never half of it.
    writeFileSync(`${FILE}.new`, JSON.stringify(this.#fates));
    renameSync(`${FILE}.new`, FILE);
  }
}

/** What the fates are of. */
export interface Source {
  readonly file: string;
  readonly text: Buffer;
  readonly mutants: readonly Mutant[];
  /** Its path, with the hash of its mutants. */
  readonly id: string;
}

export function hashOf(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex").slice(0, 16);
}
