import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

import { expect } from "chai";

import { genesisDigest, verifyChain } from "../../agents/metering/reading.ts";
import { following, hash, METER, readingsOf, StoreStage } from "./stage.ts";

const KIB = 2_048;

/** Appends until the store refuses, and tells what it said and what a reader still finds. */
const FILL = `
  const store = openSqliteStore(path);
  const source = { stepSeconds: 900, powerW: () => 5_000n };
  const meter = new SmartMeter({ address: METER, source, startUnixSeconds: 0 });
  const block = (number) => ({ number, hash: "0x" + String(number).padStart(64, "0"), timestamp: number * 12 });
  let stored = 0;
  for (let number = 1; ; ) {
    const batch = [];
    for (; batch.length < 100; number += 1) batch.push(meter.read(block(number)));
    try {
      await store.appendReadings(batch);
      stored += batch.length;
    } catch (error) {
      say(error.name + ": " + error.message.replace(path, "PATH"));
      break;
    }
  }
  say(stored);
  const readings = await store.readingsBetween(METER, 0, Infinity);
  say(readings.length + " " + verifyChain(readings, genesisDigest(METER)).ok);
  await store.close();
`;

describe("SQLite store on a disk that takes no more", function () {
  this.timeout(30_000);

  let stage: StoreStage;

  beforeEach(async function () {
    stage = new StoreStage();
    await stage.store.close();
  });

  afterEach(async function () {
    await stage.remove();
  });

  it("says so, keeps all that was stored, and goes on where it was once there is room", async function () {
    // The system refuses to let any file of the process grow beyond this, which SQLite hears as a failing disk.
    const [said, stored, found] = await stage.outputOf(FILL, [
      "sh",
      "-c",
      `ulimit -f ${2 * KIB}; exec "$0" "$@"`,
    ]);
    expect(said).to.equal(
      "StoreDiskError: PATH: expected a disk that works and has room, received disk I/O error",
    );
    expect(Number(stored)).to.be.above(0);
    expect(found).to.equal(`${stored} true`);
    await stage.reopen();
    const last = await stage.store.lastReading(METER);
    const next = { blockNumber: 1_000_000, blockHash: hash(1), blockTimestamp: 100_000_000 };
    await stage.store.appendReadings([following(last, next)]);
    const all = await stage.store.readingsBetween(METER, 0, Infinity);
    expect(verifyChain(all, genesisDigest(METER))).to.deep.equal({ ok: true });
    expect(all).to.have.length(Number(stored) + 1);
  });

  it("says that it is full, on a disk of its own of two megabytes", async function () {
    // In a namespace of its own, a process may mount what nobody else sees; some systems do not allow it.
    const inside = ["unshare", "--map-root-user", "--mount"];
    if (
      spawnSync(inside[0]!, [...inside.slice(1), "mount", "-t", "tmpfs", "none", stage.folder]).status !== 0
    )
      this.skip();
    const mount = `mount -t tmpfs -o size=${KIB}k none '${stage.folder}'; exec "$0" "$@"`;
    const [said, stored, found] = await stage.outputOf(FILL, [...inside, "sh", "-c", mount]);
    expect(said).to.equal(
      "StoreDiskError: PATH: expected a disk that works and has room, received database or disk is full",
    );
    expect(Number(stored)).to.be.above(0);
    expect(found).to.equal(`${stored} true`);
  });

  it("is not opened where it cannot be made, and what is there stays", async function () {
    await stage.reopen();
    await stage.store.appendReadings(readingsOf(METER, 10));
    await stage.store.close();
    const before = readFileSync(stage.path);
    const script = `try { openSqliteStore(path + "-new"); } catch (error) { say(error.name); }`;
    expect(await stage.outputOf(script, ["sh", "-c", `ulimit -f 0; exec "$0" "$@"`])).to.deep.equal([
      "StoreDiskError",
    ]);
    expect(readFileSync(stage.path).equals(before)).to.equal(true);
  });
});
