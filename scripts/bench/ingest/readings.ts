import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { toBeHex } from "ethers";

import { keptMeterId } from "../../../agents/evidence/kept-meter.ts";
import { addressBytes, type Block } from "../../../agents/metering/reading.ts";
import { Recorder } from "../../../agents/metering/recorder.ts";
import { SimulatedMeter } from "../../../agents/metering/simulated-meter.ts";
import { openSqliteStore } from "../../../agents/store/sqlite.ts";
import { middle, startClock, timed, type Took } from "../clock.ts";
import { report } from "../program.ts";

/**
 * How fast a recorder takes the readings of its meters: integrated, hashed, checked against their chains, and on disk.
 * Beside it, in turns, what SQLite takes of rows with the same values when nothing is asked of them: no chain, no check
 * and no order.
 */

const METERS = 100;
/** Of each meter in a transaction, as when an agent catches up. */
const READINGS_AT_ONCE = 100;
const AT_ONCE = METERS * READINGS_AT_ONCE;
const TRANSACTIONS = 20;
/** An odd number. */
const ROUNDS = 7;
const START = 1_781_913_600;
const AGGREGATOR = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";

const folder = mkdtempSync(join(tmpdir(), "proof-of-flow-bench-"));
try {
  const store = openSqliteStore(join(folder, "readings.sqlite"));
  const { insertRound, close } = rawTable(join(folder, "raw.sqlite"));
  const recorder = new Recorder(store);
  const meters = Array.from({ length: METERS }, (_, der) => keptMeterId(AGGREGATOR, toBeHex(der, 20)));
  for (const [der, address] of meters.entries()) {
    const source = { stepSeconds: 900, powerW: () => BigInt(5_000 + der) };
    recorder.add(new SimulatedMeter({ address, source }));
  }
  await recorder.record([blockAt(0)]); // starts the meters
  await recordRound(recorder, 0); // the first round warms both up
  insertRound();
  const [recorded, inserted]: [Took[], Took[]] = [[], []];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const stop = startClock();
    await recordRound(recorder, round);
    recorded.push(stop());
    inserted.push(timed(insertRound));
  }
  await store.close();
  close();
  const [readingsPerSecond, rawInsertsPerSecond] = [perSecond(recorded, "wall"), perSecond(inserted, "wall")];
  report({
    readingsPerSecond,
    rawInsertsPerSecond,
    shareOfRawInserts: Math.round((1_000 * readingsPerSecond) / rawInsertsPerSecond) / 1_000,
    readingsPerCoreSecond: perSecond(recorded, "core"),
    rawInsertsPerCoreSecond: perSecond(inserted, "core"),
  });
} finally {
  rmSync(folder, { recursive: true });
}

/** Of the round in the middle. */
function perSecond(rounds: readonly Took[], clock: keyof Took): number {
  return Math.round((TRANSACTIONS * AT_ONCE) / middle(rounds.map((took) => took[clock])));
}

async function recordRound(recorder: Recorder, round: number): Promise<void> {
  for (let i = 0; i < TRANSACTIONS; i += 1) {
    const first = 1 + (round * TRANSACTIONS + i) * READINGS_AT_ONCE;
    await recorder.record(Array.from({ length: READINGS_AT_ONCE }, (_, block) => blockAt(first + block)));
  }
}

/** A block a second. */
function blockAt(second: number): Block {
  const hex = hash("sha256", `block ${second}`);
  return { number: 1_000 + second, hash: `0x${hex}`, timestamp: START + second };
}

/** A table of the columns of a reading, in a file that is written as durably as a store is. */
function rawTable(path: string): { readonly insertRound: () => void; readonly close: () => void } {
  const database = new DatabaseSync(path);
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE rows (
      meter BLOB, block_timestamp INTEGER, sequence INTEGER, register_wh INTEGER, power_w INTEGER,
      block_number INTEGER, block_hash BLOB, previous_digest BLOB, digest BLOB
    ) STRICT`);
  const insert = database.prepare("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const [meter, digest] = [addressBytes(AGGREGATOR), hash("sha256", "digest", "buffer")];
  let second = 0;
  const insertRound = (): void => {
    for (let i = 0; i < TRANSACTIONS; i += 1) {
      database.exec("BEGIN");
      for (let row = 0; row < AT_ONCE; row += 1) {
        second += 1;
        insert.run(meter, START + second, second, 1_000_000, 5_000, 1_000 + second, digest, digest, digest);
      }
      database.exec("COMMIT");
    }
  };
  return { insertRound, close: database.close.bind(database) };
}
