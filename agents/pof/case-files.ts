import { mkdirSync } from "node:fs";
import { join } from "node:path";

import type { Verdict } from "../evidence/adjudicate.ts";
import type { Evidence } from "../evidence/case.ts";
import { writeTexts } from "./files.ts";
import { jsonText } from "./words.ts";

/** A dispute that was heard, and what was made of it. */
export interface HeardCase {
  readonly disputeId: bigint;
  readonly chainId: bigint;
  readonly aria: string;
  readonly evidence: Evidence;
  readonly verdict: Verdict;
  readonly evidenceHash: string;
  /** The chain's time, unix seconds. */
  readonly heardAt: number;
}

/**
 * Writes the evidence of a dispute into a folder of its own, each part byte for byte as it was heard, and what was
 * made of it.
 * @returns the folder
 */
export function writeCase(folder: string, heard: HeardCase): string {
  const { disputeId, chainId, aria, evidence, verdict, evidenceHash, heardAt } = heard;
  const own = join(folder, disputeId.toString());
  mkdirSync(own);
  const files = writeTexts(own, {
    "der.json": evidence.der,
    "aggregator.json": evidence.aggregator,
    "feeder.json": evidence.feeder,
  });
  const ruling = { disputeId, aria, chainId, verdict, evidenceHash, heardAt, files };
  writeTexts(own, { "ruling.json": `${jsonText(ruling)}\n` });
  return own;
}
