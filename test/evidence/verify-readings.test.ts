import { expect } from "chai";

import type { SignedEpoch } from "../../agents/evidence/bundle.ts";
import type { CheckName } from "../../agents/evidence/checks.ts";
import type { Bundle } from "../../agents/evidence/format.ts";
import { readingDigest, type StampedReading } from "../../agents/metering/reading.ts";
import { failing, failingOf, reading } from "./checking.ts";
import {
  DER_SPEAKER,
  derBundle,
  forgedEpoch,
  type MeteredEpoch,
  meteredEpoch,
  readingsFrom,
  witnessOf,
} from "./metered-epoch.ts";
import { block, paperBlock } from "./paper-chain.ts";

describe("verifyBundle, of readings and energy,", function () {
  let epoch: MeteredEpoch;

  before(async function () {
    epoch = await meteredEpoch();
  });

  it("accepts a meter that reads more often than there are blocks: they share the newest", async function () {
    const [, before, ...honest] = readingsFrom(99, 103);
    const often: StampedReading[] = [];
    for (const one of honest.flatMap((once) => [once, once, once])) {
      const { sequence, digest: previousDigest } = often.at(-1) ?? before!;
      often.push(reading(one, { sequence: sequence + 1, previousDigest }));
    }
    const forged = await forgedEpoch(DER_SPEAKER, before, often);
    const bundle = derBundle(forged);
    expect(bundle.blocks).to.have.length(4);
    expect(await failing(bundle, witnessOf({ dispute: forged }))).to.deep.equal([]);
  });

  describe("finds readings that were", function () {
    const all = readingsFrom(98, 105);
    const [early, before] = [all[1]!, all[2]!];
    const inside = all.slice(3, 6);

    it("nothing wrong with, so that it is the rest that is found below", async function () {
      expect(await failingOf(before, inside)).to.deep.equal([]);
    });

    it("left out at the start", async function () {
      expect(await failingOf(before, inside.slice(1))).to.deep.equal(["readings"]);
    });

    it("left out in between", async function () {
      expect(await failingOf(before, [inside[0]!, inside[2]!])).to.deep.equal(["readings"]);
    });

    it("put in another order", async function () {
      const [first, second, third] = inside;
      expect(await failingOf(before, [second!, first!, third!])).to.include("readings");
    });

    it("put in twice", async function () {
      const [first, ...rest] = inside;
      expect(await failingOf(before, [first!, first!, ...rest])).to.include("readings");
    });

    it("begun anew, without the one before", async function () {
      expect(await failingOf(undefined, inside)).to.include("energy");
    });

    it("taken after the epoch", async function () {
      expect(await failingOf(before, all.slice(3, 7))).to.deep.equal(["epoch"]);
    });

    it("taken before the epoch", async function () {
      expect(await failingOf(early, all.slice(2, 6))).to.deep.equal(["epoch"]);
    });

    it("counted from one in the epoch itself", async function () {
      expect(await failingOf(all[3], all.slice(4, 6))).to.deep.equal(["epoch"]);
    });

    it("counted from one before the epoch before: energy of the gap is of nobody knows when", async function () {
      const slow = [95, 96, 101, 102, 103];
      const meter = readingsAt(slow);
      expect(await failingOf(meter[1], meter.slice(2))).to.deep.equal(["gap"]);
    });

    it("of a register that falls", async function () {
      const [first, second, third] = inside;
      const low = reading(second!, { registerWh: first!.registerWh - 1n });
      expect(
        await failingOf(before, [first!, low, reading(third!, { previousDigest: low.digest })]),
      ).to.include("readings");
    });

    it("of a register beyond 63 bits, where no reading can be digested", async function () {
      const { der, witness } = epoch;
      const readings = der.readings.with(-1, { ...der.readings.at(-1)!, registerWh: 2n ** 63n });
      expect(await failing({ ...der, readings }, witness)).to.include.members(["readings", "energy"]);
    });

    it("stamped with a block of another fork", async function () {
      const { timestamp } = block(102);
      const fork = paperBlock(102, timestamp, "prague", "fork");
      const forged = await chainedWith(102, { blockHash: fork.hash });
      const bundle = withBlock(derBundle(forged), { hash: fork.hash, timestamp, header: fork.rlp }, 102);
      expect(await failing(bundle)).to.deep.equal([]); // without a chain, nobody can tell forks apart
      expect(await failing(bundle, witnessOf({ dispute: forged }))).to.deep.equal(["blocks"]);
    });

    it("stamped with a block that nobody knows", async function () {
      const unknown = paperBlock(9_102, block(102).timestamp);
      const stamp = { blockNumber: 9_102, blockHash: unknown.hash };
      const forged = await chainedWith(102, stamp, 103, { blockNumber: 9_103 });
      const { hash, timestamp, rlp: header } = unknown;
      const bundle = withBlock(derBundle(forged), { hash, timestamp, header }, 9_102);
      expect(await failing(bundle, witnessOf({ dispute: forged }))).to.include("blocks");
    });

    it("dated back, or ahead, of their block", async function () {
      for (const offset of [-900, -1, 1, 900, 1e9]) {
        const { timestamp, rlp } = block(103);
        const moved = withBlock(
          epoch.der,
          { hash: block(103).hash, timestamp: timestamp + offset, header: rlp },
          103,
        );
        expect(await failing(moved, epoch.witness), `${offset} s`).to.include.members(["headers", "blocks"]);
        const headless = withBlock(
          epoch.der,
          { hash: block(103).hash, timestamp: timestamp + offset, header: null },
          103,
        );
        expect(await failing(headless, epoch.witness), `${offset} s`).to.include("blocks");
      }
    });

    it("given with blocks that are others, more, fewer, twice or in another order", async function () {
      const { der, witness } = epoch;
      const { blocks } = der;
      const spare = { ...blocks[0]!, number: 99 };
      const lists = [
        blocks.slice(1),
        blocks.slice(0, -1),
        [...blocks, spare],
        [...blocks, blocks[3]!],
        [...blocks].reverse(),
      ];
      for (const list of lists) {
        expect(await failing({ ...der, blocks: list }, witness), `${list.length} blocks`).to.include(
          "headers",
        );
      }
    });

    /** A meter's readings of some blocks only. */
    function readingsAt(numbers: number[]): StampedReading[] {
      const chain: StampedReading[] = [];
      for (const [sequence, number] of numbers.entries()) {
        const previous = chain.at(-1);
        const { hash: blockHash, timestamp: blockTimestamp } = block(number);
        const from = readingsFrom(number, number)[0]!;
        const stamped = { ...from, sequence, registerWh: BigInt(100 * sequence), blockHash, blockTimestamp };
        const linked = previous === undefined ? stamped : { ...stamped, previousDigest: previous.digest };
        chain.push({ ...linked, digest: readingDigest(linked) });
      }
      return chain;
    }

    /** The epoch with the readings of some blocks changed, and all digests made to fit. */
    function chainedWith(...changes: (number | Partial<StampedReading>)[]): Promise<SignedEpoch> {
      let previousDigest = before.digest;
      const readings = inside.map((honest) => {
        const at = changes.indexOf(honest.blockNumber);
        const change = at < 0 ? {} : (changes[at + 1] as Partial<StampedReading>);
        const changed = reading(honest, { ...change, previousDigest });
        previousDigest = changed.digest;
        return changed;
      });
      return forgedEpoch(DER_SPEAKER, before, readings);
    }

    function withBlock<B extends Bundle>(
      bundle: B,
      stamp: Pick<B["blocks"][number], "hash" | "timestamp" | "header">,
      number: number,
    ): B {
      const blocks = bundle.blocks.map((known) => (known.number === number ? { number, ...stamp } : known));
      return { ...bundle, blocks };
    }
  });

  describe("finds energy that", function () {
    it("is more than the DER can feed from the reading before to the last one", async function () {
      const atMost = 2_500n + 50n + 1n; // 10 kW for 900 s, two meters' tolerance, a register's last digit
      const powered = async (energyWh: bigint): Promise<CheckName[]> => {
        const [first, ...rest] = readingsFrom(100, 103);
        const registerWh = first!.registerWh + energyWh;
        const last = reading(rest.at(-1)!, { registerWh });
        return failingOf(first, [...rest.slice(0, -1), last]);
      };
      expect(await powered(atMost)).to.deep.equal([]);
      expect(await powered(atMost + 1n)).to.deep.equal(["power"]);
    });

    it("is what a DER at full power feeds, though blocks come late: that is honest", async function () {
      // The reading before is 540 s before the epoch, the last one 240 s before its end: 1,200 s of 10 kW.
      const all = readingsFrom(98, 103);
      const [before, skipped] = [all[1]!, all[2]!];
      const inside: StampedReading[] = [];
      for (const honest of all.slice(3)) {
        const previous = inside.at(-1) ?? before;
        const change = { sequence: previous.sequence + 1, previousDigest: previous.digest };
        inside.push(reading(honest, change));
      }
      expect(skipped.blockNumber).to.equal(100);
      expect(await failingOf(before, inside)).to.deep.equal([]);
    });

    it("differs from the register's", async function () {
      const [before, ...readings] = readingsFrom(100, 103);
      expect(await failingOf(before, readings, { energyWh: 2_501n })).to.deep.equal(["energy"]);
    });
  });
});
