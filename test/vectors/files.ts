/** Reads vectors/*.json as they lie in the repository. */

import { readFileSync } from "node:fs";

import type { VectorFile } from "../../scripts/vectors/files.ts";

export function textOf(file: VectorFile): string {
  return readFileSync(new URL(`../../vectors/${file}`, import.meta.url), "utf8");
}

/** The content of a file; tests take it to be of its form, and what is missing shows as a difference. */
export function vectorsOf(file: VectorFile): unknown {
  return JSON.parse(textOf(file));
}
