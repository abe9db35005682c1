import { toJson } from "../../agents/evidence/json.ts";
import { headers } from "./blocks.ts";
import { readings, readingsTrees } from "./readings.ts";
import { seals } from "./seals.ts";
import { postings, requests } from "./settlement.ts";
import { flowTrees, statements } from "./statements.ts";

/** All vectors, by the name of the file in vectors/ that holds them. */
export const VECTORS = {
  "readings.json": readings,
  "readings-trees.json": readingsTrees,
  "statements.json": statements,
  "seals.json": seals,
  "flow-trees.json": flowTrees,
  "requests.json": requests,
  "postings.json": postings,
  "headers.json": headers,
} as const;
export type VectorFile = keyof typeof VECTORS;

/** The text of a file of vectors. */
export async function vectorText(file: VectorFile): Promise<string> {
  return `${JSON.stringify(JSON.parse(toJson(await VECTORS[file]())), undefined, 2)}\n`;
}
