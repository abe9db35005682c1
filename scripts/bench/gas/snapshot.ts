import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import type { Figures } from "../part.ts";
import { measure } from "./measure.ts";

/**
 * The gas figures as they were last agreed on, in snapshot.json beside this file. A test holds the benchmark against them, to the
 * unit of gas; after a change that is meant, `npm run gas:snapshot` writes them anew.
 */

export const SNAPSHOT_FILE = new URL("snapshot.json", import.meta.url);

/** Signatures and block hashes are calldata whose zero bytes differ from run to run. */
const UNSTEADY = new Set(["raiseGas", "disputeGas"]);

/** The figures that come out the same in each run. */
export function steady(figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).filter(([name]) => !UNSTEADY.has(name)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(SNAPSHOT_FILE, `${JSON.stringify(steady(await measure()), null, 2)}\n`);
}
