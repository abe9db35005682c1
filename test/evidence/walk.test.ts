import { expect } from "chai";
import { concat, Signature, toBeHex, type Wallet } from "ethers";

import type { CheckName } from "../../agents/evidence/checks.ts";
import { faultsIn } from "../../agents/evidence/checks.ts";
import {
  type Bundle,
  BundleFormatError,
  bundleJson,
  parseBundle,
  type Role,
} from "../../agents/evidence/format.ts";
import type { ChainFacts } from "../../agents/evidence/on-chain.ts";
import { bundleHash, sealDigest } from "../../agents/evidence/seal.ts";
import type { Venue } from "../../agents/evidence/statement.ts";
import { verifyBundle } from "../../agents/evidence/verify.ts";
import { type Alteration, alterationsOf, flippedAt } from "./alterations.ts";
import {
  AGGREGATOR,
  DER_SPEAKER,
  derBundle,
  METER,
  type MeteredEpoch,
  meteredEpoch,
  OTHER_ARIA,
  POWER_W,
  sealedAnew,
  signedEpoch,
  VENUE,
} from "./metered-epoch.ts";

/**
 * Which checks name a change of a field that its holder seals. Fields of a fixed value (role, format, version and the
 * kind of a commitment) are not here: with another one, the text is no bundle.
 */
const NAMED_BY: Readonly<Record<string, readonly CheckName[]>> = {
  chainId: ["signature", "chain"],
  registry: ["contract"],
  aria: ["signature", "contract"],
  epochSeconds: ["epoch", "contract"],
  meter: ["readings", "meter"],
  signer: ["signature", "meter", "authority"],
  "statement.der": ["signature"],
  "statement.epoch": ["epoch", "signature"],
  "statement.energyWh": ["energy", "signature"],
  "statement.readingsRoot": ["tree", "signature"],
  "statement.firstBlock": ["blockstamps", "signature"],
  "statement.firstBlockHash": ["blockstamps", "signature"],
  "statement.lastBlock": ["blockstamps", "signature"],
  "statement.lastBlockHash": ["blockstamps", "signature"],
  signature: ["signature"],
  previousDigest: ["readings"],
  before: ["headers", "readings", "energy"],
  "before.sequence": ["readings"],
  "before.registerWh": ["readings", "energy"],
  "before.powerW": ["readings"],
  "before.block": ["headers", "readings"],
  "before.digest": ["readings"],
  readings: [], // one less lacks its block's reading, one twice breaks the chain, one moved does both
  "readings.sequence": ["readings"],
  "readings.registerWh": ["readings"],
  "readings.powerW": ["readings"],
  "readings.block": ["headers", "readings"],
  "readings.digest": ["readings"],
  blocks: ["headers"],
  "blocks.number": ["headers", "blocks"],
  "blocks.hash": ["headers", "blocks"],
  "blocks.timestamp": ["headers", "blocks"],
  "blocks.header": ["headers"],
  "proofs.first": ["tree"],
  "proofs.last": ["tree"],
  commitment: [], // another kind, or none where the chain has one: see below
  "commitment.transaction": ["transaction"],
  "commitment.disputeId": ["transaction"],
  "commitment.requestId": ["transaction"],
  "commitment.flowRoot": ["commitment", "transaction"],
  "commitment.leaf.account": ["commitment", "transaction"],
  "commitment.leaf.epoch": ["commitment"],
  "commitment.leaf.energyWh": ["commitment"],
  "commitment.leaf.readingsRoot": ["commitment"],
  "commitment.leaf.salt": ["commitment"],
  "commitment.proof": ["commitment"],
  claim: ["terms"],
  "claim.requestedWh": ["claim", "terms"],
  "claim.creditedWh": ["claim", "terms"],
  "claim.claimWh": ["claim", "terms"],
  "claim.powerW": ["terms"],
  "claim.meterToleranceBps": ["terms"],
  "claim.toleranceFloorWh": ["terms"],
  leaves: ["commitment"],
  "leaves.account": ["commitment"],
  "leaves.epoch": ["commitment"],
  "leaves.energyWh": ["commitment"],
  "leaves.readingsRoot": ["commitment"],
  "leaves.salt": ["commitment"],
  feeder: ["meter"],
  neighbours: ["neighbours"],
  "neighbours.account": ["terms"],
  "neighbours.meter": ["neighbours", "terms"],
  "neighbours.statement": ["neighbours"],
  "neighbours.statement.der": ["neighbours", "terms"],
  "neighbours.statement.epoch": ["neighbours"],
  "neighbours.statement.energyWh": ["neighbours"],
  "neighbours.statement.readingsRoot": ["neighbours"],
  "neighbours.statement.firstBlock": ["neighbours"],
  "neighbours.statement.firstBlockHash": ["neighbours"],
  "neighbours.statement.lastBlock": ["neighbours"],
  "neighbours.statement.lastBlockHash": ["neighbours"],
  "neighbours.signature": ["neighbours"],
};

/** What a party may leave out of its own bundle, and what says nothing; nobody else may. */
const ALLOWED: readonly RegExp[] = [
  /^blocks\.\d+\.header made null$/, // listed as not checked: see below
  /^leaves made null$/, // as a DER is shown it
  /^leaves elements \d+ and \d+ swapped$/, // the tree has no order
  /^neighbours less element \d+$/, // nobody speaks for it then
];

const ROLES = ["der", "aggregator", "feeder"] as const;

describe("The walk over a bundle", function () {
  this.timeout(240_000);
  let epoch: MeteredEpoch;

  before(async function () {
    epoch = await meteredEpoch();
  });

  /** The names of the checks that fail. */
  async function failing(
    text: string,
    witness?: (bundle: Bundle) => Promise<ChainFacts | undefined>,
  ): Promise<CheckName[]> {
    let bundle: Bundle;
    try {
      bundle = parseBundle(text);
    } catch (error) {
      expect(error).to.be.instanceOf(BundleFormatError);
      return ["format"];
    }
    return faultsIn(verifyBundle(bundle, await witness?.(bundle))).map(({ check }) => check);
  }

  function alterations(role: Role): Generator<Alteration> {
    const { commitment } = JSON.parse(bundleJson(epoch.der)) as { commitment: unknown };
    return alterationsOf(bundleJson(epoch[role]), { commitment });
  }

  describe("that somebody else changed", function () {
    /** A text that can be read is found by its seal, whatever else is wrong with it. */
    function expectFound(found: readonly CheckName[], what: string): void {
      expect(found.includes("format") || found.includes("seal"), `${what}: ${found.join()}`).to.be.true;
    }

    for (const role of ROLES) {
      it(`finds every change of any field of role ${role}, with a chain and without`, async function () {
        expect(await failing(bundleJson(epoch[role]))).to.deep.equal([]);
        expect(await failing(bundleJson(epoch[role]), epoch.witness)).to.deep.equal([]);
        for (const { what, text } of alterations(role)) {
          expectFound(await failing(text), `${what}, without a chain`);
          expectFound(await failing(text, epoch.witness), `${what}, with a chain`);
        }
      });
    }

    it("finds any byte of a small bundle flipped, or left out", async function () {
      // With one reading, and so one block.
      const text = bundleJson(derBundle(await signedEpoch(DER_SPEAKER, POWER_W, [103, 105])));
      expect(await failing(text)).to.deep.equal([]);
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += 1) {
        const what = `byte ${at}: ${text.slice(at - 20, at + 20)}`;
        expectFound(await failing(flippedAt(text, at)), what);
        expectFound(
          await failing(Buffer.from(bytes.with(at, bytes[at]! ^ 0x80)).toString()),
          `${what}, its highest bit`,
        );
        expectFound(await failing(text.slice(0, at) + text.slice(at + 1)), `${what}, left out`);
      }
    });

    it("finds another seal: of another key, of another bundle, or in another form", async function () {
      const { der, aggregator, feeder, witness } = epoch;
      const hash = bundleHash(der);
      const sealedBy = (key: Wallet, venue: Venue = VENUE): string =>
        key.signingKey.sign(sealDigest(venue, hash)).serialized;
      const { r, s, yParity } = Signature.from(der.seal);
      const mirrored = toBeHex(CURVE_ORDER - BigInt(s), 32);
      const seals: Record<string, string> = {
        "of another key": sealedBy(AGGREGATOR),
        "for another ARIA": sealedBy(METER, { ...VENUE, aria: OTHER_ARIA }),
        "for another chain": sealedBy(METER, { ...VENUE, chainId: 1n }),
        "of another bundle": aggregator.seal,
        "of a statement": der.signature,
        "over the bare hash": METER.signingKey.sign(hash).serialized,
        "of nothing": `0x${"00".repeat(65)}`,
        "mirrored, with s in the upper half": concat([r, mirrored, toBeHex(28 - yParity)]),
        "with v of 0 or 1": concat([r, s, toBeHex(yParity, 1)]),
        "with v of 35 or 36": concat([r, s, toBeHex(35 + yParity)]),
      };
      for (const [what, seal] of Object.entries(seals)) {
        expect(seal, what).to.not.equal(der.seal);
        const text = bundleJson({ ...der, seal });
        expect(await failing(text), what).to.deep.equal(["seal"]);
        expect(await failing(text, witness), what).to.deep.equal(["seal"]);
      }
      const capitals = bundleJson(der).replace(der.seal, der.seal.toUpperCase().replace("0X", "0x"));
      const compact = bundleJson({ ...der, seal: Signature.from(der.seal).compactSerialized });
      for (const text of [capitals, compact]) expect(await failing(text)).to.deep.equal(["format"]);
      expect(await failing(bundleJson(sealedAnew(feeder)))).to.deep.equal([]); // so that it is the seal that was found
    });
  });

  describe("that its holder changed and sealed anew", function () {
    const seen = new Set<string>();

    for (const role of ROLES) {
      it(`finds a change of any field of role ${role} by the check of that field`, async function () {
        for (const { field, what, text } of alterations(role)) {
          const json = sealedJson(text);
          if (json === undefined || json === bundleJson(epoch[role])) continue;
          const found = await failing(json, epoch.witness);
          expect(found.includes("seal"), what).to.equal(field === "signer"); // whose key it does not have
          if (ALLOWED.some((pattern) => pattern.test(what))) {
            expect(found, what).to.deep.equal([]);
          } else {
            expect(found, what).to.not.be.empty;
            expect(found, what).to.include.members([...(NAMED_BY[field] ?? ["a row of the table"])]);
            seen.add(field);
          }
        }
      });
    }

    it("has come by every row of the table", function () {
      expect([...seen].sort()).to.deep.equal(Object.keys(NAMED_BY).sort());
    });

    it("finds a commitment that is taken away, or of another kind", async function () {
      const { der, aggregator, feeder, witness } = epoch;
      const cases: [Bundle, CheckName[]][] = [
        [{ ...der, commitment: null }, ["transaction"]],
        [{ ...der, commitment: aggregator.commitment }, ["commitment", "transaction"]],
        [{ ...aggregator, commitment: null }, ["commitment", "transaction"]],
        [{ ...aggregator, commitment: null, leaves: null }, ["transaction"]],
        [{ ...aggregator, commitment: der.commitment }, ["commitment", "transaction"]],
        [{ ...feeder, commitment: der.commitment }, ["commitment"]],
        [{ ...feeder, commitment: aggregator.commitment }, ["commitment"]],
      ];
      for (const [bundle, checks] of cases) {
        const what = `${bundle.commitment?.kind ?? "none"} of role ${bundle.role}`;
        expect(await failing(bundleJson(sealedAnew(bundle)), witness), what).to.deep.equal(checks);
      }
    });

    it("lists headers that are left out as not checked", function () {
      const blocks = epoch.der.blocks.map((block, i) => (i < 3 ? { ...block, header: null } : block));
      const checks = verifyBundle(sealedAnew({ ...epoch.der, blocks }));
      expect(faultsIn(checks)).to.be.empty;
      expect(checks.find(({ check }) => check === "headers")).to.deep.equal({
        check: "headers",
        outcome: "unchecked",
        detail: "3 of 4 blocks come without",
      });
    });
  });

  /** The text with the seal of the key that it names; undefined if it is no bundle, or that key is not here. */
  function sealedJson(text: string): string | undefined {
    try {
      return bundleJson(sealedAnew(parseBundle(text)));
    } catch (error) {
      expect(error).to.be.instanceOf(BundleFormatError);
      return undefined;
    }
  }
});

/** Of secp256k1: a signature with s has a twin with this less s. */
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
