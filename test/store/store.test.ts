import { expect } from "chai";
import fc from "fast-check";

import {
  type ChainFaultKind,
  FieldError,
  genesisDigest,
  readingDigest,
  type StampedReading,
} from "../../agents/metering/reading.ts";
import { BrokenChainError, ConflictError, type ReadingStore } from "../../agents/store/store.ts";
import { describeEachStore, type Stage } from "./each-store.ts";
import {
  ARIA,
  blockOf,
  following,
  hash,
  METER,
  OTHER_ARIA,
  OTHER_METER,
  readingsOf,
  rejection,
  sharingBlocks,
} from "./stage.ts";

const readsPerBlock = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 8 });

describeEachStore("store", function (newStage) {
  let stage: Stage;
  let store: ReadingStore;

  beforeEach(async function () {
    stage = await newStage();
    store = stage.store;
  });

  afterEach(async function () {
    await stage.remove();
  });

  async function reopen(): Promise<void> {
    await stage.reopen();
    store = stage.store;
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
          const memory = await stage.fresh();
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
          const memory = await stage.fresh();
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

    it("may be any number at once", async function () {
      for (const count of [15, 16, 17, 40]) {
        const memory = await stage.fresh();
        const readings = readingsOf(METER, count + 1);
        await memory.appendReadings(readings.slice(0, count));
        await memory.appendReadings(readings.slice(count));
        expect(await memory.readingsBetween(METER, 0, Infinity)).to.deep.equal(readings);
        await memory.close();
      }
    });

    it("continue those of a call that was not waited for", async function () {
      const readings = readingsOf(METER, 3);
      await Promise.all(readings.map((reading) => store.appendReadings([reading])));
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

  describe("memories of meters", function () {
    const [first, second, third] = readingsOf(METER, 3) as [StampedReading, StampedReading, StampedReading];

    it("are none before the first, then the last of each meter, also after opening it again", async function () {
      expect(await store.memoryOf(METER)).to.equal(undefined);
      await store.appendReadings([first], [{ meter: METER, memory: "one" }]);
      await store.appendReadings([second], [{ meter: METER, memory: "two\0and more" }]);
      await reopen();
      expect(await store.memoryOf(METER)).to.equal("two\0and more");
      expect(await store.memoryOf(OTHER_METER)).to.equal(undefined);
    });

    it("stay as they are while their meter leaves no new one, and when its readings are refused", async function () {
      await store.appendReadings([first], [{ meter: METER, memory: "one" }]);
      await store.appendReadings([second]);
      await rejection(store.appendReadings([first], [{ meter: METER, memory: "two" }]), BrokenChainError);
      expect(await store.memoryOf(METER)).to.equal("one");
    });

    it("are on disk with the readings or not at all", async function () {
      await store.appendReadings([first, second], [{ meter: METER, memory: "one" }]);
      const refused = store.appendReadings([third], [{ meter: METER.toLowerCase(), memory: "two" }]);
      await rejection(refused, FieldError);
      expect(await store.lastReading(METER)).to.deep.equal(second);
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

  describe("seals", function () {
    const seal = { bundleHash: hash(9), seal: `0x${"1f".repeat(65)}` };

    it("are kept by the bundle's hash, and may be saved again", async function () {
      expect(await store.sealOf(hash(9))).to.equal(undefined);
      await store.saveSeal(seal);
      await store.saveSeal(seal);
      await reopen();
      expect(await store.sealOf(hash(9))).to.equal(seal.seal);
      expect(await store.sealOf(hash(8))).to.equal(undefined);
    });

    it("refuse a second one for the bundle, and what is no hash or no hex", async function () {
      await store.saveSeal(seal);
      const error = await rejection(store.saveSeal({ ...seal, seal: "0x00" }), ConflictError);
      expect(error).to.include({ expected: seal.seal, received: "0x00" });
      await rejection(store.saveSeal({ ...seal, bundleHash: "0x12" }), FieldError);
      await rejection(store.sealOf("0x12"), FieldError);
      for (const other of ["0x", "1f", "0x1F"])
        await rejection(store.saveSeal({ bundleHash: hash(8), seal: other }), FieldError);
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
});
