import { readFileSync } from "node:fs";

import { parse } from "yaml";
import { z } from "zod/v4";

import type { Mutant } from "./mutants.ts";

/** The changes that no test can notice, and why: they change no behaviour, or only what is no promise. */

const explainedSchema = z.array(
  z.strictObject({
    why: z.string(),
    source: z.string(),
    changes: z
      .array(
        z.strictObject({
          in: z.string(),
          before: z.string(),
          after: z.string(),
          /** Which of those with these texts it is, from 1 on, where a function has several. */
          nth: z.int().min(1).optional(),
        }),
      )
      .min(1),
  }),
);

export type Explained = z.output<typeof explainedSchema>;
type Change = Explained[number]["changes"][number];

/** A source with all of its mutants. */
interface Mutated {
  readonly file: string;
  readonly mutants: readonly Mutant[];
}

export function readExplained(): Explained {
  return explainedSchema.parse(parse(readFileSync(new URL("explained.yaml", import.meta.url), "utf8")));
}

/** Why a mutant cannot be noticed, if that is known. */
export function whyUnnoticed(
  explained: Explained,
  { file, mutants }: Mutated,
  mutant: Mutant,
): string | undefined {
  return explained.find(
    ({ source, changes }) =>
      source === file && changes.some((change) => meantBy(change, mutants).includes(mutant)),
  )?.why;
}

/** What is explained of these sources, and is not one of their mutants: it is gone, or one of several. */
export function unclear(explained: Explained, sources: readonly Mutated[]): Change[] {
  return sources.flatMap(({ file, mutants }) =>
    explained
      .filter(({ source }) => source === file)
      .flatMap(({ changes }) => changes)
      .filter((change) => meantBy(change, mutants).length !== 1),
  );
}

function meantBy(change: Change, mutants: readonly Mutant[]): Mutant[] {
  const alike = mutants.filter((mutant) => isOf(change, mutant));
  return change.nth === undefined ? alike : alike.slice(change.nth - 1, change.nth);
}

/** Texts are compared but for their white space. */
function isOf(change: Change, { within, before, after }: Mutant): boolean {
  return (
    change.in === within &&
    squeezed(change.before) === squeezed(before) &&
    squeezed(change.after) === squeezed(after)
  );
}

function squeezed(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
