import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";
import fc from "fast-check";

import { SmartMeter } from "../../agents/metering/meter.ts";
import {
  type ChainFaultKind,
  FieldError,
  genesisDigest,
  readingDigest,
  type StampedReading,
  verifyChain,
} from "../../agents/metering/reading.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import {
  BrokenChainError,
  ConflictError,
  type ReadingStore,
  StoreFileError,
  StoreLockedError,
  StoreVersionError,
} from "../../agents/store/store.ts";

const METER = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
const OTHER_METER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const ARIA = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
const OTHER_ARIA = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB";
const BLOCK_SECONDS = 12;

const readsPerBlock = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 8 });

/** A chain with so many readings of each block, of which every second one comes in the same second. */
function sharingBlocks(counts: readonly number[]): StampedReading[] {
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

function blockOf({ blockNumber, blockHash, blockTimestamp }: StampedReading): Blockstamped {
  return { blockNumber, blockHash, blockTimestamp };
}

function following(previous: StampedReading | undefined, stamp: Blockstamped): StampedReading {
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
function readingsOf(address: string, count: number): StampedReading[] {
  const source = { stepSeconds: 900, powerW: () => 5_000n };
  const meter = new SmartMeter({ address, source, startUnixSeconds: 0 });
  return Array.from({ length: count }, (_, index) =>
    meter.read({ number: index + 1, hash: hash(index + 1), timestamp: (index + 1) * BLOCK_SECONDS }),
  );
}

function hash(number: number): string {
  return `0x${number.toString(16).padStart(64, "0")}`;
}

/** The rejection of a promise, which must be of the type. */
async function rejection<T extends Error>(
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

describe("SQLite store", function () {
  let directory: string;
  let path: string;
  let store: ReadingStore;

  beforeEach(function () {
    directory = mkdtempSync(join(tmpdir(), "proof-of-flow-store-"));
    path = join(directory, "store.sqlite");
    store = openSqliteStore(path);
  });

  afterEach(async function () {
    await store.close().catch(() => undefined); // some tests have closed it
    rmSync(directory, { recursive: true });
  });

  async function reopen(): Promise<void> {
    await store.close();
    store = openSqliteStore(path);
  }

  describe("readings", function () {
    it("are what was appended, also after opening it again", async function () {
      const readings = readingsOf(METER, 5);
      await store.appendReadings(readings.slice(0, 3));
      await reopen();
      await store.appendReadings(readings.slice(3));
      await reopen();
      expect(await store.readingsBetween(METER, 0, Infinity)).to.deep.equal(readings);
      expect(await store.lastReading(METER)).to.deep.equal(readings[4]);
    });

    it("keep every value a reading can have", async function () {
      const fields = fc.record({
        registerWh: fc.bigInt(0n, 2n ** 63n - 1n),
        powerW: fc.bigInt(0n, 2n ** 63n - 1n),
        blockNumber: fc.maxSafeNat(),
        blockTimestamp: fc.maxSafeNat(),
      });
      await fc.assert(
        fc.asyncProperty(fields, async (values) => {
          const memory = openSqliteStore(":memory:");
          const reading = { ...readingsOf(METER, 1)[0]!, ...values };
          const stamped = { ...reading, digest: readingDigest(reading) };
          await memory.appendReadings([stamped]);
          expect(await memory.lastReading(METER)).to.deep.equal(stamped);
          await memory.close();
        }),
        { numRuns: 25 },
      );
    });

    it("are none of a meter that has none", async function () {
      expect(await store.lastReading(METER)).to.equal(undefined);
      expect(await store.lastReadingBefore(METER, 1_000)).to.equal(undefined);
      expect(await store.readingsBetween(METER, 0, 1_000)).to.deep.equal([]);
    });

    it("are kept apart by meter, though appended together", async function () {
      const [ours, theirs] = [readingsOf(METER, 3), readingsOf(OTHER_METER, 3)];
      await store.appendReadings(ours.flatMap((reading, index) => [reading, theirs[index]!]));
      expect(await store.readingsBetween(METER, 0, Infinity)).to.deep.equal(ours);
      expect(await store.readingsBetween(OTHER_METER, 0, Infinity)).to.deep.equal(theirs);
    });

    it("are found by time: from included, to excluded, before meaning before", async function () {
      const readings = readingsOf(METER, 5);
      await store.appendReadings(readings);
      expect(await store.readingsBetween(METER, 24, 48)).to.deep.equal(readings.slice(1, 3));
      expect(await store.readingsBetween(METER, 25, 49)).to.deep.equal(readings.slice(2, 4));
      expect(await store.lastReadingBefore(METER, 24)).to.deep.equal(readings[0]);
      expect(await store.lastReadingBefore(METER, 25)).to.deep.equal(readings[1]);
      expect(await store.lastReadingBefore(METER, 12)).to.equal(undefined);
    });

    it("that share a block or a second are kept in their order, and found by time together", async function () {
      await fc.assert(
        fc.asyncProperty(readsPerBlock, fc.nat(60), fc.nat(60), async (counts, from, to) => {
          const memory = openSqliteStore(":memory:");
          const readings = sharingBlocks(counts);
          await memory.appendReadings(readings);
          expect(await memory.readingsBetween(METER, from, to)).to.deep.equal(
            readings.filter(({ blockTimestamp }) => from <= blockTimestamp && blockTimestamp < to),
          );
          expect(await memory.lastReadingBefore(METER, from)).to.deep.equal(
            readings.findLast(({ blockTimestamp }) => blockTimestamp < from),
          );
          expect(await memory.lastReading(METER)).to.deep.equal(readings.at(-1));
          await memory.close();
        }),
      );
    });

    it("of a block that was read before continue its chain, also after opening it again", async function () {
      const readings = sharingBlocks([3, 2]);
      await store.appendReadings(readings.slice(0, 1));
      await reopen();
      await store.appendReadings(readings.slice(1, 4));
      await store.appendReadings(readings.slice(4));
      expect(await store.readingsBetween(METER, 0, Infinity)).to.deep.equal(readings);
    });

    it("may be none at all", async function () {
      await store.appendReadings([]);
    });

    it("are refused when they do not continue the meter's chain, and nothing of the call is kept", async function () {
      const readings = readingsOf(METER, 4);
      const [, , third, fourth] = readings;
      await store.appendReadings(readings.slice(0, 2));
      const fork = { ...third!, powerW: 1n };
      const faults: [StampedReading[], ChainFaultKind, number][] = [
        [[fourth!], "sequence-gap", 3],
        [[readings[1]!], "sequence-gap", 1],
        [[third!, third!], "sequence-gap", 2],
        [[fork], "wrong-digest", 2],
        [[{ ...fork, digest: readingDigest(fork) }, fourth!], "broken-link", 3],
        [[{ ...third!, powerW: -1n }], "malformed", 2],
        [[...readingsOf(OTHER_METER, 1), third!, fourth!, fourth!], "sequence-gap", 3],
        [[following(readings[1], blockOf(readings[0]!))], "block-older", 2],
        [[following(readings[1], { ...blockOf(readings[1]!), blockHash: hash(9) })], "block-conflict", 2],
      ];
      for (const [refused, fault, sequence] of faults) {
        const error = await rejection(store.appendReadings(refused), BrokenChainError);
        expect(error.fault).to.include({ fault, sequence });
        expect(error).to.include({
          meter: METER,
          expected: error.fault.expected,
          received: error.fault.received,
        });
        expect(await store.lastReading(METER)).to.deep.equal(readings[1]);
        expect(await store.lastReading(OTHER_METER)).to.equal(undefined);
      }
      await store.appendReadings([third!, fourth!]);
    });

    it("are refused as a meter's first when its chain has begun before", async function () {
      const error = await rejection(store.appendReadings(readingsOf(METER, 2).slice(1)), BrokenChainError);
      expect(error.fault).to.include({ fault: "broken-link", expected: genesisDigest(METER) });
    });

    it("are refused of an address without checksum", async function () {
      await rejection(store.lastReading(METER.toLowerCase()), FieldError);
    });
  });

  describe("statements", function () {
    const statement = {
      meter: METER,
      epoch: 7,
      aria: ARIA,
      payload: '{"energyWh":"42"}',
      signature: `0x${"1f".repeat(65)}`,
    };

    it("are kept, and may be saved again", async function () {
      await store.saveStatement(statement);
      await store.saveStatement(statement);
      await reopen();
      expect(await store.statementOf(METER, 7, ARIA)).to.deep.equal(statement);
    });

    it("are one for each meter, epoch and contract", async function () {
      const others = [
        { ...statement, meter: OTHER_METER, payload: "1" },
        { ...statement, epoch: 8, payload: "2" },
        { ...statement, aria: OTHER_ARIA, payload: "3" },
      ];
      expect(await store.statementOf(METER, 7, ARIA)).to.equal(undefined);
      for (const each of [statement, ...others]) await store.saveStatement(each);
      for (const each of [statement, ...others])
        expect(await store.statementOf(each.meter, each.epoch, each.aria)).to.deep.equal(each);
    });

    it("refuse a second one, whatever of it differs", async function () {
      await store.saveStatement(statement);
      const payload = await rejection(store.saveStatement({ ...statement, payload: "{}" }), ConflictError);
      expect(payload).to.include({ expected: statement.payload, received: "{}" });
      const signature = await rejection(
        store.saveStatement({ ...statement, signature: "0x00" }),
        ConflictError,
      );
      expect(signature).to.include({ expected: statement.signature, received: "0x00" });
      expect(await store.statementOf(METER, 7, ARIA)).to.deep.equal(statement);
    });

    it("refuse a signature that is not lower-case hex", async function () {
      for (const signature of ["0x", "1f1f", "0x1f1", "0x1F"])
        await rejection(store.saveStatement({ ...statement, signature }), FieldError);
    });
  });

  describe("commitments", function () {
    const commitment = { aria: ARIA, requestId: 2n ** 256n - 1n, flowRoot: hash(9), json: '{"leaves":[]}' };

    it("are kept, and may be saved again", async function () {
      expect(await store.commitmentOf(ARIA, commitment.requestId)).to.equal(undefined);
      await store.saveCommitment(commitment);
      await store.saveCommitment(commitment);
      await reopen();
      expect(await store.commitmentOf(ARIA, commitment.requestId)).to.deep.equal(commitment);
      expect(await store.commitmentOf(ARIA, 0n)).to.equal(undefined);
      expect(await store.commitmentOf(OTHER_ARIA, commitment.requestId)).to.equal(undefined);
    });

    it("refuse a second one for the request", async function () {
      await store.saveCommitment(commitment);
      const error = await rejection(
        store.saveCommitment({ ...commitment, flowRoot: hash(8) }),
        ConflictError,
      );
      expect(error).to.include({ expected: hash(9), received: hash(8) });
      await rejection(store.saveCommitment({ ...commitment, json: "{}" }), ConflictError);
      expect(await store.commitmentOf(ARIA, commitment.requestId)).to.deep.equal(commitment);
    });

    it("refuse a root that is no hash, and a request that is no uint256", async function () {
      await rejection(store.saveCommitment({ ...commitment, flowRoot: "0x12" }), FieldError);
      for (const requestId of [-1n, 2n ** 256n])
        await rejection(store.commitmentOf(ARIA, requestId), FieldError);
    });
  });

  describe("latest block", function () {
    it("is that of the last reading of any meter, and none before the first", async function () {
      expect(await store.latestBlock()).to.equal(undefined);
      const readings = readingsOf(METER, 3);
      await store.appendReadings(readings);
      await reopen();
      expect(await store.latestBlock()).to.equal(readings.at(-1)?.blockNumber);
    });
  });

  describe("file", function () {
    it("refuses to change or delete what was said, whoever asks", async function () {
      await store.appendReadings(readingsOf(METER, 1));
      await store.saveStatement({ meter: METER, epoch: 1, aria: ARIA, payload: "{}", signature: "0x00" });
      await store.saveCommitment({ aria: ARIA, requestId: 1n, flowRoot: hash(1), json: "{}" });
      await store.close();
      const database = new DatabaseSync(path);
      for (const [table, column] of [
        ["readings", "power_w"],
        ["statements", "payload"],
        ["commitments", "json"],
      ]) {
        expect(() => {
          database.exec(`UPDATE ${table} SET ${column} = 1`);
        }).to.throw(`${table} are append-only`);
        expect(() => {
          database.exec(`DELETE FROM ${table}`);
        }).to.throw(`${table} are append-only`);
      }
      database.close();
    });

    it("is refused to a second opener, of this process or another, until it is closed", async function () {
      expect(() => openSqliteStore(path))
        .to.throw(StoreLockedError)
        .that.includes({ expected: "a store nobody has open" });
      expect(
        await outputOf(`
        try { openSqliteStore(path); console.log("opened"); } catch (error) { console.log(error.name); }
      `),
      ).to.deep.equal(["StoreLockedError"]);
      await reopen();
    });

    /** A file as something else has written it, which must be refused and left as it is. */
    function expectRefusal(type: new (...args: never[]) => Error): void {
      const before = readFileSync(path);
      expect(() => openSqliteStore(path)).to.throw(type);
      expect(readFileSync(path).equals(before)).to.equal(true);
    }

    it("of a newer version is refused and left as it is", async function () {
      await store.close();
      withDatabase((database) => {
        database.exec("PRAGMA user_version = 99");
      });
      expectRefusal(StoreVersionError);
      expect(() => openSqliteStore(path))
        .to.throw()
        .that.includes({ expected: "schema version 2", received: "version 99" });
    });

    it("that is no database is refused and left as it is", async function () {
      await store.close();
      writeFileSync(path, "time,powerW\n".repeat(1_000));
      expectRefusal(StoreFileError);
    });

    it("that is a database of something else is refused and left as it is", async function () {
      await store.close();
      rmSync(path);
      withDatabase((database) => {
        database.exec("CREATE TABLE readings (meter TEXT)");
      });
      expectRefusal(StoreFileError);
    });

    it("that lost its end is refused and left as it is", async function () {
      await store.appendReadings(readingsOf(METER, 500));
      await store.close();
      truncateSync(path, 40_000);
      expectRefusal(StoreFileError);
    });

    it("with a damaged page is refused and left as it is", async function () {
      await store.appendReadings(readingsOf(METER, 500));
      await store.close();
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.fill(0xa5, bytes.length - 4_096));
      expectRefusal(StoreFileError);
    });

    it("in a directory that does not exist is refused", function () {
      expect(() => openSqliteStore(join(directory, "missing", "store.sqlite"))).to.throw(StoreFileError);
    });

    function withDatabase(work: (database: DatabaseSync) => void): void {
      const database = new DatabaseSync(path);
      work(database);
      database.close();
    }
  });

  describe("when its process is killed in the middle of appending", function () {
    const BATCH = 20;

    for (const acknowledged of [1, 10, 40]) {
      it(`keeps all of ${acknowledged} acknowledged calls or more, none by half, in an unbroken chain`, async function () {
        this.timeout(20_000);
        await store.close();
        const child = run(`
          const store = openSqliteStore(path);
          const source = { stepSeconds: 900, powerW: () => 5_000n };
          const meter = new SmartMeter({ address: "${METER}", source, startUnixSeconds: 0 });
          for (let number = 1; ; ) {
            const batch = [];
            for (; batch.length < ${BATCH}; number += 1)
              batch.push(meter.read({ number, hash: "0x" + String(number).padStart(64, "0"), timestamp: number * 12 }));
            await store.appendReadings(batch);
            writeSync(1, batch.at(-1).sequence + "\\n");
          }
        `);
        const ended = once(child, "exit");
        const lines: string[] = [];
        for await (const line of createInterface(child.stdout)) {
          lines.push(line);
          if (lines.length === acknowledged) child.kill("SIGKILL");
        }
        expect(await ended).to.deep.equal([null, "SIGKILL"]);

        store = openSqliteStore(path);
        const readings = await store.readingsBetween(METER, 0, Infinity);
        expect(verifyChain(readings, genesisDigest(METER))).to.deep.equal({ ok: true });
        expect(readings.at(-1)?.sequence).to.be.at.least(Number(lines.at(-1)));
        expect(readings.length % BATCH).to.equal(0);
      });
    }
  });

  /** Runs a script in a process of its own, with the store's path and what it takes to fill it at hand. */
  function run(script: string) {
    const [meterModule, storeModule] = ["metering/meter.ts", "store/sqlite.ts"].map(
      (module) => new URL(`../../agents/${module}`, import.meta.url).href,
    );
    const prelude = `
      import { writeSync } from "node:fs";
      import { SmartMeter } from "${meterModule}";
      import { openSqliteStore } from "${storeModule}";
      const path = ${JSON.stringify(path)};
    `;
    const args = ["--no-warnings", "--import", "tsx", "--input-type=module", "--eval", prelude + script];
    return spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  }

  async function outputOf(script: string): Promise<string[]> {
    const lines: string[] = [];
    for await (const line of createInterface(run(script).stdout)) lines.push(line);
    return lines;
  }
});
