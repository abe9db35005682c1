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
 * Writes the evidence of a dispute into a folder, each part byte for byte as it was heard, and what was made of it.
 * @returns the names of the files
 */
export function writeCase(folder: string, heard: HeardCase): string[] {
  const { disputeId, chainId, aria, evidence, verdict, evidenceHash, heardAt } = heard;
  const files = writeTexts(folder, {
    "der.json": evidence.der,
    "aggregator.json": evidence.aggregator,
    "feeder.json": evidence.feeder,
  });
  const ruling = { disputeId, aria, chainId, verdict, evidenceHash, heardAt, files };
  return [...files, ...writeTexts(folder, { "ruling.json": `${jsonText(ruling)}\n` })];
}
