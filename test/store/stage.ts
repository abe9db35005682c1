/** What the tests of the store have in common: chains of readings, a file to keep them in, and other processes. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

import { expect } from "chai";

import { SmartMeter } from "../../agents/metering/meter.ts";
import { genesisDigest, readingDigest, type StampedReading } from "../../agents/metering/reading.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { ReadingStore, StoredHearing } from "../../agents/store/store.ts";

export const METER = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
export const OTHER_METER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
export const ARIA = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
export const OTHER_ARIA = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB";
const BLOCK_SECONDS = 12;

/** A chain with so many readings of each block, of which every second one comes in the same second. */
export function sharingBlocks(counts: readonly number[]): StampedReading[] {
  const readings: StampedReading[] = [];
  for (const [index, count] of counts.entries()) {
    const blockTimestamp = (1 + Math.floor(index / 2)) * BLOCK_SECONDS;
    for (let read = 0; read < count; read += 1) {
      const stamp = { blockNumber: index + 1, blockHash: hash(index + 1), blockTimestamp };
      readings.push(following(readings.at(-1), stamp));
    }
  }
  return readings;
}

type Blockstamped = Pick<StampedReading, "blockNumber" | "blockHash" | "blockTimestamp">;

export function blockOf({ blockNumber, blockHash, blockTimestamp }: StampedReading): Blockstamped {
  return { blockNumber, blockHash, blockTimestamp };
}

/** A reading of a block that continues the chain. */
export function following(previous: StampedReading | undefined, stamp: Blockstamped): StampedReading {
  const reading = {
    meter: METER,
    sequence: previous === undefined ? 0 : previous.sequence + 1,
    registerWh: (previous?.registerWh ?? 0n) + 1n,
    powerW: 3_600n,
    previousDigest: previous?.digest ?? genesisDigest(METER),
    ...stamp,
  };
  return { ...reading, digest: readingDigest(reading) };
}

/** The first readings of a meter, at 12, 24, 36... seconds. */
export function readingsOf(address: string, count: number): StampedReading[] {
  const source = { stepSeconds: 900, powerW: () => 5_000n };
  const meter = new SmartMeter({ address, source, startUnixSeconds: 0 });
  return Array.from({ length: count }, (_, index) =>
    meter.read({ number: index + 1, hash: hash(index + 1), timestamp: (index + 1) * BLOCK_SECONDS }),
  );
}

export function hash(number: number): string {
  return `0x${number.toString(16).padStart(64, "0")}`;
}

/** What was heard on a dispute of ARIA. */
export function hearingOf(disputeId: bigint): StoredHearing {
  return {
    aria: ARIA,
    disputeId,
    der: `{"dispute":"${disputeId}"}`,
    aggregator: undefined,
    feeder: "x".repeat(10_000),
    evidenceHash: hash(Number(disputeId)),
    verdict: '{"fault":"aggregator"}',
    heardAt: 1_000 + Number(disputeId),
  };
}

/** The rejection of a promise, which must be of the type. */
export async function rejection<T extends Error>(
  promise: Promise<unknown>,
  type: abstract new (...args: never[]) => T,
): Promise<T> {
  const outcome = await promise.then(
    () => "nothing was rejected",
    (error: unknown) => error,
  );
  expect(outcome).to.be.instanceOf(type);
  return outcome as T;
}

/** A store in a folder of its own. */
export class StoreStage {
  readonly folder = mkdtempSync(join(tmpdir(), "proof-of-flow-store-"));
  readonly path = join(this.folder, "store.sqlite");
  store: ReadingStore = openSqliteStore(this.path);

  async reopen(): Promise<void> {
    await this.close();
    this.store = openSqliteStore(this.path);
  }

  async close(): Promise<void> {
    await this.store.close().catch(() => undefined); // the test may have closed it
  }

  async remove(): Promise<void> {
    await this.close();
    rmSync(this.folder, { recursive: true });
  }

  /**
   * Runs a script in a process of its own, with the store's path and what it takes to use it at hand.
   * @param within a command that runs the one it is given
   */
  run(script: string, within: readonly string[] = []): ChildProcessByStdio<null, Readable, null> {
    const [meterModule, readingModule, storeModule, stageModule] = [
      "agents/metering/meter.ts",
      "agents/metering/reading.ts",
      "agents/store/sqlite.ts",
      "test/store/stage.ts",
    ].map((module) => new URL(`../../${module}`, import.meta.url).href);
    const prelude = `
      import { writeSync } from "node:fs";
      import { SmartMeter } from "${meterModule}";
      import { genesisDigest, verifyChain } from "${readingModule}";
      import { openSqliteReader, openSqliteStore } from "${storeModule}";
      import { hearingOf, METER } from "${stageModule}";
      const path = ${JSON.stringify(this.path)};
      const say = (what) => writeSync(1, what + "\\n");
    `;
    const args = ["--no-warnings", "--import", "tsx", "--input-type=module", "--eval", prelude + script];
    const [command = "", ...rest] = [...within, process.execPath, ...args];
    return spawn(command, rest, { stdio: ["ignore", "pipe", "inherit"] });
  }

  /** The lines a script prints. */
  async outputOf(script: string, within: readonly string[] = []): Promise<string[]> {
    const lines: string[] = [];
    for await (const line of createInterface(this.run(script, within).stdout)) lines.push(line);
    return lines;
  }
}
