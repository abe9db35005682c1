import { expect } from "chai";

import { type Bundle, readingsRoot } from "../../agents/evidence/bundle.ts";
import { signStatement } from "../../agents/evidence/statement.ts";
import { type BundleFault, type HeaderOf, verifyBundle } from "../../agents/evidence/verify.ts";
import { readingDigest, type StampedReading } from "../../agents/metering/reading.ts";
import {
  DER,
  EPOCH,
  EXPECTED,
  headerOf,
  honestBundle,
  METER,
  OTHER_ARIA,
  OTHER_DER,
  readingsFrom,
  VENUE,
} from "./metered-epoch.ts";

type Check = BundleFault["check"];

const WORD = `0x${"0d".repeat(32)}`;

function checksOf(bundle: Bundle, expected = EXPECTED, headers: HeaderOf = headerOf): Check[] {
  return [...new Set(verifyBundle(bundle, expected, headers).map(({ check }) => check))];
}

/** The bundle with its statement signed again, as a meter would that was made to say so. */
async function signed(bundle: Bundle): Promise<Bundle> {
  return { ...bundle, signature: await signStatement(METER, VENUE, bundle.statement) };
}

/** The bundle with other readings, and a signed statement that commits to them. */
function restated(bundle: Bundle, readings: StampedReading[], energyWh: bigint): Promise<Bundle> {
  const [first, last] = [readings[0]!, readings.at(-1)!];
  const statement = {
    ...bundle.statement,
    energyWh,
    readingsRoot: readingsRoot(readings),
    firstBlock: first.blockNumber,
    firstBlockHash: first.blockHash,
    lastBlock: last.blockNumber,
    lastBlockHash: last.blockHash,
  };
  return signed({ ...bundle, statement, readings });
}

describe("verifyBundle", function () {
  let bundle: Bundle;

  before(async function () {
    bundle = await honestBundle();
  });

  it("finds nothing wrong with an honest bundle", async function () {
    expect(verifyBundle(bundle, EXPECTED, headerOf)).to.deep.equal([]);
    expect(verifyBundle(await honestBundle(101), EXPECTED, headerOf)).to.deep.equal([]);
  });

  describe("finds a changed field of the bundle:", function () {
    const cases: Record<string, [Partial<Bundle>, Check]> = {
      chainId: [{ chainId: 1n }, "venue"],
      aria: [{ aria: OTHER_ARIA }, "venue"],
      meter: [{ meter: OTHER_DER }, "chain"],
      signature: [{ signature: `0x${"01".repeat(65)}` }, "signature"],
    };
    for (const [field, [change, check]] of Object.entries(cases)) {
      it(field, function () {
        expect(checksOf({ ...bundle, ...change })).to.include(check);
      });
    }

    it("before, taken away", function () {
      const rootless = { ...bundle };
      delete rootless.before;
      expect(checksOf(rootless)).to.include.members(["chain", "energy"]);
    });
  });

  describe("finds a changed field of the statement, whether it was signed again or not:", function () {
    const cases: Record<keyof Bundle["statement"], [Partial<Bundle["statement"]>, Check]> = {
      der: [{ der: OTHER_DER }, "subject"],
      epoch: [{ epoch: EPOCH + 1 }, "subject"],
      energyWh: [{ energyWh: 2_501n }, "energy"],
      readingsRoot: [{ readingsRoot: WORD }, "root"],
      firstBlock: [{ firstBlock: 100 }, "blockstamp"],
      firstBlockHash: [{ firstBlockHash: WORD }, "blockstamp"],
      lastBlock: [{ lastBlock: 104 }, "blockstamp"],
      lastBlockHash: [{ lastBlockHash: WORD }, "blockstamp"],
    };
    for (const [field, [change, check]] of Object.entries(cases)) {
      it(field, async function () {
        const changed = { ...bundle, statement: { ...bundle.statement, ...change } };
        expect(checksOf(changed)).to.have.members([check, "signature"]);
        expect(checksOf(await signed(changed))).to.deep.equal([check]);
      });
    }
  });

  describe("finds a changed field of a reading:", function () {
    const cases: Record<keyof StampedReading, [Partial<StampedReading>, Check]> = {
      meter: [{ meter: OTHER_DER }, "chain"],
      sequence: [{ sequence: 9 }, "chain"],
      registerWh: [{ registerWh: 99_999n }, "chain"],
      powerW: [{ powerW: 1n }, "chain"],
      blockNumber: [{ blockNumber: 110 }, "chain"],
      blockHash: [{ blockHash: WORD }, "chain"],
      previousDigest: [{ previousDigest: WORD }, "chain"],
      digest: [{ digest: WORD }, "chain"],
      blockTimestamp: [{ blockTimestamp: EPOCH * 900 + 1 }, "blockstamp"],
    };
    for (const [field, [change, check]] of Object.entries(cases)) {
      it(field, function () {
        const { readings } = bundle;
        const last = readings.length - 1;
        for (const place of [0, 1, last]) {
          const changed = readings.with(place, { ...readings[place]!, ...change });
          expect(checksOf({ ...bundle, readings: changed }), `reading ${place}`).to.include(check);
        }
        expect(checksOf({ ...bundle, before: { ...bundle.before!, ...change } }), "before").to.include(check);
      });
    }

    it("its energy, with the digests made to fit", async function () {
      const { readings } = bundle;
      const honest = readings.at(-1)!;
      const forgery = { ...honest, registerWh: honest.registerWh + 1_000n };
      const forged = readings.with(-1, { ...forgery, digest: readingDigest(forgery) });
      // Only the meter could say so, as only it can sign; what it then says it measured, it says for good.
      expect(checksOf({ ...bundle, readings: forged })).to.have.members(["root", "energy"]);
      expect(checksOf(await restated(bundle, forged, 3_500n))).to.deep.equal([]);
    });
  });

  describe("finds readings that were", function () {
    it("left out at the start", async function () {
      const rest = bundle.readings.slice(1);
      expect(checksOf(await restated(bundle, rest, 1_666n))).to.include("chain");
    });

    it("left out in between", async function () {
      const rest = [bundle.readings[0]!, bundle.readings[2]!];
      expect(checksOf(await restated(bundle, rest, 2_500n))).to.include("chain");
    });

    it("put in another order", async function () {
      const [first, second, third] = bundle.readings;
      expect(checksOf(await restated(bundle, [second!, first!, third!], 2_500n))).to.include("chain");
    });

    it("taken after the epoch", async function () {
      const late = readingsFrom(99, 104).slice(2);
      expect(checksOf(await restated(bundle, late, 3_334n))).to.deep.equal(["epoch"]);
    });

    it("taken before the epoch", async function () {
      const all = readingsFrom(99, 103);
      const early = { ...bundle, before: all[0]! };
      expect(checksOf(await restated(early, all.slice(1), 3_333n))).to.deep.equal(["epoch"]);
    });

    it("counted from one in the epoch itself", async function () {
      const all = readingsFrom(99, 103);
      const inside = { ...bundle, before: all[2]! };
      expect(checksOf(await restated(inside, all.slice(3), 1_666n))).to.deep.equal(["epoch"]);
    });

    it("stamped with blocks that the chain does not have", function () {
      expect(checksOf(bundle, EXPECTED, () => undefined)).to.deep.equal(["blockstamp"]);
    });

    it("stamped with a block of another fork", function () {
      const forked: HeaderOf = (number) =>
        number === 102 ? { ...headerOf(102)!, hash: WORD } : headerOf(number);
      const faults = verifyBundle(bundle, EXPECTED, forked);
      expect(faults).to.have.length(1);
      expect(faults[0]?.detail).to.contain("block 102 as the chain has it");
    });
  });

  describe("finds evidence that is of", function () {
    it("another DER, epoch, ARIA or chain than was asked for", function () {
      expect(checksOf(bundle, { ...EXPECTED, der: OTHER_DER })).to.deep.equal(["subject"]);
      expect(checksOf(bundle, { ...EXPECTED, epoch: EPOCH + 1 })).to.include("subject");
      const elsewhere = { ...EXPECTED, venue: { ...VENUE, aria: OTHER_ARIA } };
      expect(checksOf(bundle, elsewhere)).to.have.members(["venue", "signature"]);
      const otherChain = { ...EXPECTED, venue: { ...VENUE, chainId: 1n } };
      expect(checksOf(bundle, otherChain)).to.have.members(["venue", "signature"]);
    });

    it("a meter that was not commissioned", function () {
      expect(checksOf(bundle, { ...EXPECTED, signer: DER })).to.deep.equal(["signature"]);
    });
  });

  it("says what it expected and what it received", function () {
    const changed = { ...bundle, statement: { ...bundle.statement, energyWh: 2_600n } };
    const [, energy] = verifyBundle(changed, EXPECTED, headerOf);
    expect(energy).to.deep.equal({ check: "energy", detail: "expected 2600 Wh, received 2500 Wh" });
  });
});
