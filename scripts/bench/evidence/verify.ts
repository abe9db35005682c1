import { hash } from "node:crypto";

import { getBytes } from "ethers";

import { parseBundle } from "../../../agents/evidence/format.ts";
import { verifyBundle } from "../../../agents/evidence/verify.ts";
import { keccak } from "../../../agents/hashing/keccak.ts";
import { rounded, timed, typical } from "../clock.ts";
import { report } from "../program.ts";
import { DAY_SECONDS, dayOfSeconds } from "./day.ts";

/** How long one takes to check a day of one-second readings, from the text of a bundle to the verdict. */

const RUNS = 5;
const READING_BYTES = 119;

const { text, facts, headers } = await dayOfSeconds();
const headerBytes = headers.map((rlp) => getBytes(rlp));
const first = timed(verify);
const again = typical(RUNS, verify);
const floor = typical(RUNS, hashOnly);
report({
  verifyPerSecond: Math.round(DAY_SECONDS / again.wall),
  verifySeconds: rounded(again.wall),
  verifyCoreSeconds: rounded(again.core),
  verifyFirstSeconds: rounded(first.wall),
  verifyFloorSeconds: rounded(floor.wall),
  verifyFloorCoreSeconds: rounded(floor.core),
});

function verify(): void {
  const bad = verifyBundle(parseBundle(text), facts).find(({ outcome }) => outcome !== "holds");
  if (bad !== undefined) throw new Error(`the day does not stand: ${bad.check}, ${bad.detail}`);
}

/** No verifier can do less than to hash what was hashed. */
function hashOnly(): void {
  const reading = Buffer.alloc(READING_BYTES);
  for (let i = 0; i <= DAY_SECONDS; i += 1) hash("sha256", reading, "hex");
  for (const header of headerBytes) keccak(header);
}
