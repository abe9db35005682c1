import { expect } from "chai";
import { getBytes, hexlify, id } from "ethers";

import { type CheckName, CHECKS } from "../../agents/evidence/checks.ts";
import { type FlowLeaf, provesLeaf } from "../../agents/evidence/commitment.ts";
import type { Bundle } from "../../agents/evidence/format.ts";
import { signStatement } from "../../agents/evidence/statement.ts";
import { verifyBundle } from "../../agents/evidence/verify.ts";
import { failing } from "./checking.ts";
import {
  AGGREGATOR,
  aggregatorBundle,
  AGGREGATOR_SPEAKER,
  DER_ACCOUNT,
  DER_SPEAKER,
  CLAIM,
  derBundle,
  feederBundle,
  forgedEpoch,
  leavesWith,
  type MeteredEpoch,
  meteredEpoch,
  neighbourOf,
  NEIGHBOURS,
  OLD_METER,
  OTHER_ARIA,
  OTHER_DER,
  POWER_W,
  readingsFrom,
  signedEpoch,
  VENUE,
  witnessOf,
} from "./metered-epoch.ts";
import { EPOCH, EPOCH_SECONDS } from "./paper-chain.ts";

describe("verifyBundle", function () {
  let epoch: MeteredEpoch;

  before(async function () {
    epoch = await meteredEpoch();
  });

  it("makes every check on honest evidence of each role, and all hold", async function () {
    for (const bundle of [epoch.der, epoch.aggregator, epoch.feeder]) {
      const checks = verifyBundle(bundle, await epoch.witness(bundle));
      expect(checks.map(({ check }) => check)).to.deep.equal(Object.keys(CHECKS));
      expect(checks.map(({ outcome }) => outcome)).to.deep.equal(checks.map(() => "holds"));
    }
  });

  it("lists the checks that need a chain as not made where there is none", function () {
    const names = ["chain", "contract", "blocks", "authority", "transaction", "terms"];
    for (const bundle of [epoch.der, epoch.aggregator, epoch.feeder]) {
      const checks = verifyBundle(bundle);
      expect(checks.map(({ check }) => check)).to.deep.equal(Object.keys(CHECKS));
      for (const { check, outcome } of checks) {
        expect(outcome, check).to.equal(names.includes(check) ? "unchecked" : "holds");
      }
    }
  });

  it("does not say that anything holds on a chain, or with a contract, that is another", async function () {
    const facts = await epoch.witness(epoch.der);
    const outcomes = (changed: typeof facts): string[] => {
      const checks = verifyBundle(epoch.der, changed);
      return checks.slice(-6).map(({ outcome }) => outcome);
    };
    const rest = new Array<string>(4).fill("unchecked");
    expect(outcomes({ ...facts, chainId: 1n })).to.deep.equal(["fails", "unchecked", ...rest]);
    expect(outcomes({ ...facts, service: undefined })).to.deep.equal(["holds", "fails", ...rest]);
    const longer = { ...facts, service: { epochSeconds: 3_600 } };
    expect(outcomes(longer)).to.deep.equal(["holds", "fails", ...rest]);
  });

  it("says what it expected and what it received", async function () {
    const statement = { ...epoch.der.statement, energyWh: 2_600n };
    const checks = verifyBundle({ ...epoch.der, statement }, await epoch.witness(epoch.der));
    const energy = checks.find(({ check }) => check === "energy");
    expect(energy).to.deep.equal({
      check: "energy",
      outcome: "fails",
      detail: "expected 2600 Wh, received 2500 Wh",
    });
  });

  it("accepts a meter whose chain begins in the epoch", async function () {
    const young = await signedEpoch(DER_SPEAKER, POWER_W, [101, 105]);
    expect(await failing(derBundle(young), witnessOf({ dispute: young }))).to.deep.equal([]);
  });

  describe("finds a claim that", function () {
    it("is not what the register shows beyond the credit, within what was requested", async function () {
      const { der } = epoch;
      for (const [change, claimWh] of [
        [{}, 1_400n],
        [{ requestedWh: 9_000n }, 1_500n],
        [{ creditedWh: 2_400n }, 0n],
        [{ creditedWh: 9_000n }, 0n],
      ] as const) {
        const claim = { ...CLAIM, ...change, claimWh };
        expect(await failing({ ...der, claim })).to.deep.equal([]);
        expect(await failing({ ...der, claim: { ...claim, claimWh: claimWh + 1n } })).to.deep.equal([
          "claim",
        ]);
      }
    });

    it("is of other terms than the chain has", async function () {
      const { der, witness } = epoch;
      const claim = { ...CLAIM, requestedWh: 9_000n, claimWh: 1_500n };
      expect(await failing({ ...der, claim }, witness)).to.deep.equal(["terms"]);
      expect(await failing({ ...der, claim: null }, witness)).to.deep.equal(["terms"]);
    });

    it("is of a dispute with another statement, or of none", async function () {
      const { der } = epoch;
      const other = await forgedEpoch(DER_SPEAKER, readingsFrom(99, 103)[1], readingsFrom(99, 102).slice(2));
      expect(await failing(der, witnessOf({ dispute: other }))).to.include("transaction");
      expect(await failing(der, witnessOf({ dispute: null }))).to.deep.equal(["transaction", "terms"]);
    });
  });

  describe("finds a sweep that", function () {
    let leaves: FlowLeaf[];

    before(function () {
      leaves = epoch.aggregator.leaves!;
    });

    /** What fails of the Aggregator's evidence with other leaves, all swept with. */
    async function failingWith(other: FlowLeaf[]): Promise<CheckName[]> {
      const signed = await signedEpoch(AGGREGATOR_SPEAKER, 4_000n);
      const bundle = aggregatorBundle(signed, other);
      const { flowRoot } = bundle.commitment as { flowRoot: string };
      return failing(bundle, witnessOf({ dispute: null, flowRoot }));
    }

    it("is as it should be, so that it is the rest that is found below", async function () {
      expect(await failingWith(leaves)).to.deep.equal([]);
    });

    it("has another figure, or other readings, than the meter", async function () {
      const own = (leaf: FlowLeaf): boolean => leaf.account === DER_ACCOUNT && leaf.epoch === EPOCH;
      for (const change of [{ energyWh: 999n }, { readingsRoot: id("others") }]) {
        const other = leaves.map((leaf) => (own(leaf) ? { ...leaf, ...change } : leaf));
        expect(await failingWith(other)).to.deep.equal(["commitment"]);
      }
    });

    it("has two leaves for one account and epoch", async function () {
      const [first] = leaves;
      expect(await failingWith([...leaves, { ...first!, salt: id("another") }])).to.deep.equal([
        "commitment",
      ]);
      expect(await failingWith([...leaves, first!])).to.deep.equal(["commitment"]);
    });

    it("is shown with leaves left out, added or changed", async function () {
      const { aggregator, witness } = epoch;
      const lists = [
        leaves.slice(1),
        [...leaves, { ...leaves[0]!, epoch: EPOCH + 2 }],
        leaves.with(5, { ...leaves[5]!, energyWh: 0n }),
      ];
      for (const list of lists) {
        expect(await failing({ ...aggregator, leaves: list }, witness)).to.deep.equal(["commitment"]);
      }
    });

    it("is proved with the leaf or the proof of another", async function () {
      const { aggregator, witness } = epoch;
      const { commitment } = aggregator;
      if (commitment?.kind !== "sweep") throw new Error("the Aggregator committed");
      const neighbours = leavesWith(aggregator.statement, [1_000n, 2_000n]).find(
        ({ account }) => account === 4n,
      )!;
      const withLeaf = { ...aggregator, commitment: { ...commitment, leaf: neighbours } };
      expect(await failing(withLeaf, witness)).to.include.members(["commitment", "transaction"]);
      const proof = commitment.proof.toReversed();
      expect(provesLeaf(commitment.flowRoot, commitment.leaf, proof)).to.be.false;
      const withProof = { ...aggregator, commitment: { ...commitment, proof } };
      expect(await failing(withProof, witness)).to.deep.equal(["commitment"]);
    });

    it("shows leaves without any commitment: they could be anything", async function () {
      const bare = { ...epoch.aggregator, commitment: null };
      expect(await failing(bare)).to.deep.equal(["commitment"]);
      expect(await failing(bare, witnessOf({ dispute: null, flowRoot: null }))).to.deep.equal(["commitment"]);
      const without = { ...bare, leaves: null };
      expect(await failing(without, witnessOf({ dispute: null, flowRoot: null }))).to.deep.equal([]);
    });

    it("is not on the chain, or another is", async function () {
      const { aggregator } = epoch;
      for (const flowRoot of [null, id("another root")]) {
        expect(await failing(aggregator, witnessOf({ dispute: null, flowRoot }))).to.deep.equal([
          "transaction",
        ]);
      }
    });
  });

  describe("finds neighbours", function () {
    const [first, second] = NEIGHBOURS;

    async function failingWith(neighbours: typeof epoch.feeder.neighbours): Promise<CheckName[]> {
      return failing({ ...epoch.feeder, neighbours }, epoch.witness);
    }

    it("as they should be, whether they say anything or not", async function () {
      const [a, b] = epoch.feeder.neighbours;
      const silent = { ...a!, statement: null, signature: null };
      for (const list of [[a!, b!], [silent, b!], [b!], []]) {
        expect(await failingWith(list)).to.deep.equal([]);
      }
    });

    it("whose statement is signed by another key, though commissioned once", async function () {
      const [, b] = epoch.feeder.neighbours;
      const forged = await neighbourOf({ ...first, meter: second.meter });
      const passedOff = { ...forged, meter: first.meter.address };
      expect(await failingWith([passedOff, b!])).to.deep.equal(["neighbours"]);
      expect(await failingWith([forged, b!])).to.deep.equal(["terms"]);
    });

    it("whose statement is of another epoch, DER or ARIA", async function () {
      const [a, b] = epoch.feeder.neighbours;
      const cases: [Partial<NonNullable<typeof a>["statement"]>, typeof VENUE, CheckName][] = [
        [{ epoch: EPOCH - 1 }, VENUE, "neighbours"],
        [{ der: second.der }, VENUE, "terms"],
        [{}, { ...VENUE, aria: OTHER_ARIA }, "neighbours"],
        [{}, { ...VENUE, chainId: 1n }, "neighbours"],
      ];
      for (const [change, venue, check] of cases) {
        const statement = { ...a!.statement!, ...change };
        const signature = await signStatement(first.meter, venue, statement);
        expect(await failingWith([{ ...a!, statement, signature }, b!])).to.deep.equal([check]);
      }
    });

    it("with a statement and no signature, or the other way about", async function () {
      const [a, b] = epoch.feeder.neighbours;
      expect(await failingWith([{ ...a!, statement: null }, b!])).to.deep.equal(["neighbours"]);
      expect(await failingWith([{ ...a!, signature: null }, b!])).to.deep.equal(["neighbours"]);
    });

    it("unsorted, doubled, or that the chain does not know", async function () {
      const [a, b] = epoch.feeder.neighbours;
      expect(await failingWith([b!, a!])).to.deep.equal(["neighbours"]);
      expect(await failingWith([a!, a!])).to.deep.equal(["neighbours"]);
      expect(await failingWith([a!, b!, { ...b!, account: 9n }])).to.deep.equal(["terms"]);
    });
  });

  describe("finds a signature", function () {
    it("of a key that was the right one for other epochs", async function () {
      const readings = readingsFrom(99, 103, POWER_W, OLD_METER.address);
      const speaker = { ...DER_SPEAKER, meter: OLD_METER.address, signer: OLD_METER };
      const forged = await forgedEpoch(speaker, readings[1], readings.slice(2));
      const address = OLD_METER.address;
      const bundle = { ...derBundle(forged), meter: address, signer: address };
      expect(await failing(bundle)).to.deep.equal([]);
      expect(await failing(bundle, witnessOf({ dispute: forged }))).to.deep.equal(["authority"]);
    });

    it("of another party, over its own readings at the same connection", async function () {
      const { aggregator, der } = epoch;
      const { commitment, claim } = der;
      const rest: Partial<typeof aggregator> = { ...aggregator };
      delete rest.leaves;
      delete rest.seal;
      const passedOff = { ...rest, role: "der", commitment, claim: { ...claim!, claimWh: 0n } } as typeof der;
      expect(await failing(passedOff, epoch.witness)).to.include.members([
        "meter",
        "authority",
        "transaction",
      ]);
    });

    it("made for another epoch, DER, ARIA or chain, and used again", async function () {
      const { der, witness } = epoch;
      const replayed: [Partial<typeof der>, CheckName[]][] = [
        [{ statement: { ...der.statement, epoch: EPOCH + 1 } }, ["signature", "epoch"]],
        [{ statement: { ...der.statement, der: OTHER_DER } }, ["signature", "authority"]],
        [{ aria: OTHER_ARIA }, ["signature", "contract"]],
        [{ chainId: 1n }, ["signature", "chain"]],
      ];
      for (const [change, checks] of replayed) {
        expect(await failing({ ...der, ...change }, witness)).to.include.members(checks);
      }
    });

    it("in any other form than the one that ARIA takes", async function () {
      const { der, witness } = epoch;
      const bytes = getBytes(der.signature);
      const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
      const s = order - BigInt(hexlify(bytes.slice(32, 64)));
      const v = bytes[64]!;
      const mirrored = hexlify(bytes.slice(0, 32)) + s.toString(16).padStart(64, "0") + (55 - v).toString(16);
      const others = [v - 27, v + 8, v + 10, 255, 0].map((other) => hexlify(bytes.with(64, other)));
      const nothing = `0x${"00".repeat(65)}`;
      for (const signature of [mirrored, ...others, nothing, `0x${"ff".repeat(65)}`]) {
        expect(await failing({ ...der, signature }, witness), signature).to.deep.equal(["signature"]);
      }
    });
  });

  describe("does not stumble over", function () {
    const most = 2n ** 64n - 1n;

    it("the greatest that the form allows, anywhere", async function () {
      const { der, witness } = epoch;
      const statement = { ...der.statement, epoch: 2 ** 32 - 1, energyWh: most, lastBlock: 2 ** 53 - 1 };
      const claim = {
        requestedWh: most,
        creditedWh: 0n,
        claimWh: most,
        powerW: most,
        meterToleranceBps: most,
        toleranceFloorWh: most,
      };
      const readings = der.readings.map((one) => ({
        ...one,
        registerWh: most,
        powerW: most,
        block: 2 ** 53 - 1,
      }));
      const hostile = { ...der, statement, claim, readings, epochSeconds: 2 ** 53 - 1, chainId: most };
      expect(await failing(hostile, witness)).to.include.members(["readings", "signature", "chain"]);
      expect(await failing({ ...hostile, chainId: VENUE.chainId }, witness)).to.include("contract");
      const sameLength = { ...hostile, chainId: VENUE.chainId, epochSeconds: EPOCH_SECONDS };
      expect(await failing(sameLength, witness)).to.include.members(["transaction", "terms"]);
    });

    it("a header that is no header", async function () {
      const { der, witness } = epoch;
      const nested = `0x${"c1".repeat(20_000)}c0`;
      for (const header of ["0x00", "0xc0", "0x80", "0xf8", "0xbfffffffffffffffff", nested]) {
        const blocks = der.blocks.with(1, { ...der.blocks[1]!, header });
        expect(await failing({ ...der, blocks }, witness), header.slice(0, 20)).to.deep.equal(["headers"]);
      }
    });

    it("ten thousand readings, blocks, leaves and neighbours that are none", async function () {
      const { der, aggregator, feeder } = epoch;
      const many = <T>(one: T): T[] => new Array<T>(10_000).fill(one);
      const filled: Bundle[] = [
        { ...der, readings: many(der.readings[0]!) },
        { ...der, blocks: many(der.blocks[0]!) },
        { ...der, proofs: { first: many(id("node")), last: [] } },
        { ...aggregator, leaves: many(aggregator.leaves![0]!) },
        { ...feeder, neighbours: many({ ...feeder.neighbours[0]!, statement: null, signature: null }) },
      ];
      const started = performance.now();
      for (const bundle of filled) expect(await failing(bundle)).to.not.be.empty;
      expect(performance.now() - started).to.be.below(30_000);
    });
  });

  it("finds evidence of a feeder that is signed by someone else, or of another feeder", async function () {
    const { feeder, witness } = epoch;
    expect(await failing({ ...feeder, feeder: 3 }, witness)).to.deep.equal(["meter"]);
    const speaker = { meter: feeder.meter, der: AGGREGATOR.address, signer: AGGREGATOR };
    const forged = await signedEpoch(speaker, 23_000n);
    const bundle = { ...feederBundle(forged, []), signer: AGGREGATOR.address };
    expect(await failing(bundle, witness)).to.deep.equal(["meter", "authority"]);
  });
});
