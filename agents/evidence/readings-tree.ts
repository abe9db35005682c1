import { merkleTree, provesMember } from "../hashing/merkle.ts";
import type { StampedReading } from "../metering/reading.ts";

/**
 * The Merkle tree over an epoch's readings. Its leaves are checkpoints: the digest of every 64th reading, and of the
 * last. As each digest covers all readings before it, a checkpoint pins its whole stretch; a proof of one reading is
 * its stretch of the chain and the proof of the stretch's checkpoint. So an epoch of a few readings is one leaf, and a
 * day of one reading a second is 1,350.
 */
export const READINGS_PER_CHECKPOINT = 64;

/** Proofs that lead from the first and the last checkpoint to the root. */
export interface ReadingsProofs {
  readonly first: string[];
  readonly last: string[];
}

/** @param readings at least one, in their order */
export function readingsRoot(readings: readonly StampedReading[]): string {
  const [only, ...more] = checkpointsOf(readings);
  return only !== undefined && more.length === 0 ? only : merkleTree(checkpointsOf(readings)).root;
}

/** @param readings at least one, in their order */
export function readingsProofs(readings: readonly StampedReading[]): ReadingsProofs {
  const tree = merkleTree(checkpointsOf(readings));
  return { first: tree.getProof(0), last: tree.getProof(tree.length - 1) };
}

/** Whether proofs lead from the first and the last checkpoint of these readings to a root. */
export function provesReadings(
  root: string,
  readings: readonly StampedReading[],
  { first, last }: ReadingsProofs,
): boolean {
  const checkpoints = checkpointsOf(readings);
  const [head, tail] = [checkpoints[0], checkpoints.at(-1)];
  if (head === undefined || tail === undefined) return false;
  return provesMember(root, head, first) && provesMember(root, tail, last);
}

function checkpointsOf(readings: readonly StampedReading[]): string[] {
  return readings
    .filter((_, i) => (i + 1) % READINGS_PER_CHECKPOINT === 0 || i === readings.length - 1)
    .map(({ digest }) => digest);
}
