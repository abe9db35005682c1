/** Which checks fail of a bundle. */

import type { SignedEpoch } from "../../agents/evidence/bundle.ts";
import { type CheckName, faultsIn } from "../../agents/evidence/checks.ts";
import { type Bundle, bundleJson, parseBundle } from "../../agents/evidence/format.ts";
import { verifyBundle } from "../../agents/evidence/verify.ts";
import { readingDigest, type StampedReading } from "../../agents/metering/reading.ts";
import {
  DER_SPEAKER,
  derBundle,
  forgedEpoch,
  type MeteredEpoch,
  sealedAnew,
  witnessOf,
} from "./metered-epoch.ts";

type Witness = MeteredEpoch["witness"];

/**
 * Names of the checks that fail; the bundle goes the way of a file. Its holder seals what it makes up: what others make
 * of a bundle is found by the seal, see walk.test.ts.
 */
export async function failing(bundle: Bundle, witness?: Witness): Promise<CheckName[]> {
  const parsed = parseBundle(bundleJson(sealedAnew(bundle)));
  const faults = faultsIn(verifyBundle(parsed, await witness?.(parsed)));
  return [...new Set(faults.map(({ check }) => check))];
}

/** What fails of a statement that the DER's meter was made to sign, and that was disputed with. */
export async function failingOf(
  before: StampedReading | undefined,
  readings: StampedReading[],
  change: Partial<SignedEpoch["statement"]> = {},
): Promise<CheckName[]> {
  const forged = await forgedEpoch(DER_SPEAKER, before, readings, change);
  return failing(derBundle(forged), witnessOf({ dispute: forged }));
}

/** A reading changed, with the digest made to fit. */
export function reading(honest: StampedReading, change: Partial<StampedReading>): StampedReading {
  const changed = { ...honest, ...change };
  return { ...changed, digest: readingDigest(changed) };
}
