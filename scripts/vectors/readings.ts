import { createHash } from "node:crypto";

import {
  READINGS_PER_CHECKPOINT,
  readingsProofs,
  readingsRoot,
} from "../../agents/evidence/readings-tree.ts";
import {
  genesisDigest,
  type Reading,
  readingDigest,
  type StampedReading,
} from "../../agents/metering/reading.ts";

const METER = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";
const LARGEST_QUANTITY = 2n ** 63n - 1n;

type Measured = Pick<Reading, "registerWh" | "powerW" | "blockNumber">;

/** The second and third share a block; the last has the largest figures that fit. */
const MEASURED: readonly Measured[] = [
  { registerWh: 0n, powerW: 0n, blockNumber: 0 },
  { registerWh: 2_500n, powerW: 10_000n, blockNumber: 25_000_000 },
  { registerWh: 2_502n, powerW: 7_200n, blockNumber: 25_000_000 },
  { registerWh: 4_294_967_296n, powerW: 4_294_967_296n, blockNumber: 4_294_967_296 },
  { registerWh: LARGEST_QUANTITY, powerW: LARGEST_QUANTITY, blockNumber: Number.MAX_SAFE_INTEGER },
];

/** A meter's chain from its genesis on: digests by SHA-256. */
export function readings(): unknown {
  const genesis = genesisDigest(METER);
  const chain: unknown[] = [];
  let previousDigest = genesis;
  for (const [sequence, { registerWh, powerW, blockNumber }] of MEASURED.entries()) {
    const blockHash = sha256(`block ${blockNumber}`);
    const reading = { meter: METER, sequence, registerWh, powerW, blockNumber, blockHash, previousDigest };
    previousDigest = readingDigest(reading);
    chain.push({ ...reading, digest: previousDigest });
  }
  return { meter: METER, genesis, chain };
}

/** Around the number that a checkpoint covers, and enough for a tree of several levels that is not full. */
const COUNTS = [1, 63, 64, 65, 128, 333];

/** Trees over readings whose digests are made by a rule, so that they need not be listed. */
export function readingsTrees(): unknown {
  return {
    readingsPerCheckpoint: READINGS_PER_CHECKPOINT,
    trees: COUNTS.map((count) => {
      const digests = Array.from({ length: count }, (_, i) => sha256(`reading ${i}`));
      const stamped = digests.map((digest) => ({ digest }) as StampedReading);
      const checkpoints = digests.filter(
        (_, i) => (i + 1) % READINGS_PER_CHECKPOINT === 0 || i === count - 1,
      );
      return { count, checkpoints, root: readingsRoot(stamped), proofs: readingsProofs(stamped) };
    }),
  };
}

function sha256(text: string): string {
  return `0x${createHash("sha256").update(text).digest("hex")}`;
}
