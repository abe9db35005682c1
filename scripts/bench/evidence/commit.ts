import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { toBeHex } from "ethers";

import { readingsOf } from "../../../agents/evidence/bundle.ts";
import { Commitment, type FlowLeaf } from "../../../agents/evidence/commitment.ts";
import { keptMeterId } from "../../../agents/evidence/kept-meter.ts";
import { readingsRoot } from "../../../agents/evidence/readings-tree.ts";
import { keccak } from "../../../agents/hashing/keccak.ts";
import type { Block } from "../../../agents/metering/reading.ts";
import { Recorder } from "../../../agents/metering/recorder.ts";
import { SimulatedMeter } from "../../../agents/metering/simulated-meter.ts";
import { openSqliteStore } from "../../../agents/store/sqlite.ts";
import type { ReadingStore } from "../../../agents/store/store.ts";
import { rounded, timed } from "../clock.ts";
import { report } from "../program.ts";

/**
 * What a day's commitment costs an Aggregator of a thousand DERs: its meters' readings of every minute, recorded on
 * disk, read back by the epoch, made into roots, and those into the tree that a sweep commits to.
 */

const DERS = 1_000;
const EPOCHS = 96;
const EPOCH_SECONDS = 900;
const READING_SECONDS = 60;
const READINGS = (EPOCHS * EPOCH_SECONDS) / READING_SECONDS;
const START = 1_781_913_600;
const ARIA = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
const READING_BYTES = 119;
const LEAF_BYTES = 160;

const folder = mkdtempSync(join(tmpdir(), "proof-of-flow-bench-"));
try {
  const store = openSqliteStore(join(folder, "readings.sqlite"));
  const meters = Array.from({ length: DERS }, (_, der) => keptMeterId(ARIA, toBeHex(der, 20)));
  const start = performance.now();
  const before = process.cpuUsage();
  await record(store, meters);
  const recorded = performance.now();
  await commit(store, meters);
  const done = performance.now();
  const { user, system } = process.cpuUsage(before);
  await store.close();
  const peakMiB = process.resourceUsage().maxRSS / 1_024;
  report({
    commitSeconds: rounded((done - start) / 1_000),
    commitCoreSeconds: rounded((user + system) / 1_000_000),
    commitRecordSeconds: rounded((recorded - start) / 1_000),
    commitTreeSeconds: rounded((done - recorded) / 1_000),
    commitPeakMiB: Math.round(peakMiB),
    commitFloorSeconds: rounded(timed(hashOnly).wall),
  });
} finally {
  rmSync(folder, { recursive: true });
}

async function record(store: ReadingStore, meters: readonly string[]): Promise<void> {
  const recorder = new Recorder(store);
  for (const [der, address] of meters.entries())
    recorder.add(
      new SimulatedMeter({
        address,
        source: { stepSeconds: EPOCH_SECONDS, powerW: () => BigInt(5_000 + der) },
      }),
    );
  // The first block starts the meters; then each epoch's blocks at once, as when an agent catches up.
  await recorder.record([blockAt(-1)]);
  const perEpoch = EPOCH_SECONDS / READING_SECONDS;
  for (let i = 0; i < READINGS; i += perEpoch)
    await recorder.record(Array.from({ length: perEpoch }, (_, minute) => blockAt(i + minute)));
}

function blockAt(minute: number): Block {
  const hex = hash("sha256", `block ${minute}`);
  return { number: 1_000 + 5 * minute, hash: `0x${hex}`, timestamp: START + minute * READING_SECONDS };
}

async function commit(store: ReadingStore, meters: readonly string[]): Promise<void> {
  const leaves: FlowLeaf[] = [];
  for (const [der, meter] of meters.entries()) {
    for (let i = 0; i < EPOCHS; i += 1) {
      const epoch = START / EPOCH_SECONDS + i;
      const { readings, energyWh } = await readingsOf(store, { meter, epoch, epochSeconds: EPOCH_SECONDS });
      const salt = `0x${hash("sha256", `${der} ${i}`)}`;
      leaves.push({ account: BigInt(der), epoch, energyWh, readingsRoot: readingsRoot(readings), salt });
    }
  }
  const commitment = new Commitment(leaves);
  const json = commitment.json();
  await store.saveCommitment({ aria: ARIA, requestId: 1n, flowRoot: commitment.root, json });
}

/** Nobody can commit to the same with less than these hashes: of readings, of leaves (twice), and of nodes. */
function hashOnly(): void {
  const [reading, leaf] = [Buffer.alloc(READING_BYTES), Buffer.alloc(LEAF_BYTES)];
  for (let i = 0; i < DERS * READINGS; i += 1) hash("sha256", reading, "hex");
  const leaves = DERS * EPOCHS;
  for (let i = 0; i < leaves; i += 1) keccak(keccak(leaf));
  for (let i = 1; i < leaves; i += 1) keccak(leaf.subarray(0, 64));
}
