import { readFileSync } from "node:fs";

import { parse } from "yaml";
import { z } from "zod/v4";

import type { Mutant } from "./mutants.ts";

/** The changes that no test can notice, and why: they change no behaviour, or only what is no promise. */

const explainedSchema = z.array(
  z.strictObject({
    why: z.string(),
    source: z.string(),
    changes: z.array(z.strictObject({ in: z.string(), before: z.string(), after: z.string() })).min(1),
  }),
);

export type Explained = z.output<typeof explainedSchema>;
type Change = Explained[number]["changes"][number];

export function readExplained(): Explained {
  return explainedSchema.parse(parse(readFileSync(new URL("explained.yaml", import.meta.url), "utf8")));
}

/** Why a mutant cannot be noticed, if that is known. */
export function whyUnnoticed(explained: Explained, file: string, mutant: Mutant): string | undefined {
  return explained.find(
    ({ source, changes }) => source === file && changes.some((change) => isOf(change, mutant)),
  )?.why;
}

/** What is explained of these sources, and cannot be found in them any more. */
export function outdated(
  explained: Explained,
  sources: readonly { readonly file: string; readonly mutants: readonly Mutant[] }[],
): Change[] {
  return sources.flatMap(({ file, mutants }) =>
    explained
      .filter(({ source }) => source === file)
      .flatMap(({ changes }) => changes)
      .filter((change) => !mutants.some((mutant) => isOf(change, mutant))),
  );
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
