import { expect } from "chai";

import type { CheckName } from "../../agents/evidence/checks.ts";
import { faultsIn } from "../../agents/evidence/checks.ts";
import { type Bundle, BundleFormatError, bundleJson, parseBundle } from "../../agents/evidence/format.ts";
import type { ChainFacts } from "../../agents/evidence/on-chain.ts";
import { verifyBundle } from "../../agents/evidence/verify.ts";
import { alterationsOf, flippedAt } from "./alterations.ts";
import {
  DER_SPEAKER,
  derBundle,
  type MeteredEpoch,
  meteredEpoch,
  POWER_W,
  signedEpoch,
  witnessOf,
} from "./metered-epoch.ts";

/**
 * Which checks name every change of a field that can still be read. Fields of a fixed value (role, format, version and
 * the kind of a commitment) are not here: with another one, the text is no bundle.
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

/** What a party may leave out, and what says nothing. */
const ALLOWED: readonly RegExp[] = [
  /^blocks\.\d+\.header made null$/, // listed as not checked: see below
  /^leaves made null$/, // as a DER is shown it
  /^leaves elements \d+ and \d+ swapped$/, // the tree has no order
  /^neighbours less element \d+$/, // nobody speaks for it then
];

describe("The walk over a bundle", function () {
  this.timeout(120_000);
  let epoch: MeteredEpoch;
  const seen = new Set<string>();

  before(async function () {
    epoch = await meteredEpoch();
  });

  /** The names of the checks that fail; undefined for text that is no bundle. */
  async function failing(
    text: string,
    witness: (bundle: Bundle) => Promise<ChainFacts>,
  ): Promise<CheckName[] | undefined> {
    let bundle: Bundle;
    try {
      bundle = parseBundle(text);
    } catch (error) {
      expect(error).to.be.instanceOf(BundleFormatError);
      return undefined;
    }
    return faultsIn(verifyBundle(bundle, await witness(bundle))).map(({ check }) => check);
  }

  for (const role of ["der", "aggregator", "feeder"] as const) {
    it(`finds every change of any field of evidence of role ${role}`, async function () {
      const json = bundleJson(epoch[role]);
      const dispute = (JSON.parse(bundleJson(epoch.der)) as { commitment: unknown }).commitment;
      for (const { field, what, text } of alterationsOf(json, { commitment: dispute })) {
        const found = await failing(text, epoch.witness);
        if (ALLOWED.some((pattern) => pattern.test(what))) {
          expect(found, what).to.deep.equal([]);
        } else if (found !== undefined) {
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
      expect(await failing(bundleJson(bundle), witness), what).to.deep.equal(checks);
    }
  });

  it("lists headers that are left out as not checked", function () {
    const blocks = epoch.der.blocks.map((block, i) => (i < 3 ? { ...block, header: null } : block));
    const headers = verifyBundle({ ...epoch.der, blocks }).find(({ check }) => check === "headers");
    expect(headers).to.deep.equal({
      check: "headers",
      outcome: "unchecked",
      detail: "3 of 4 blocks come without",
    });
  });

  it("finds any byte of a small bundle flipped", async function () {
    const signed = await signedEpoch(DER_SPEAKER, POWER_W, [103, 105]); // one reading, and so one block
    const text = bundleJson(derBundle(signed));
    const witness = witnessOf({ dispute: signed });
    expect(await failing(text, witness)).to.deep.equal([]);
    const header = [text.indexOf('"header":"0x') + 12, text.indexOf('"}],"proofs"')] as const;
    for (let at = 0; at < text.length; at += 1) {
      // Most of a header is one hash and a filter of zeros; every sixteenth digit stands for the rest.
      if (at >= header[0] && at < header[1] && at % 16 !== 0) continue;
      const found = await failing(flippedAt(text, at), witness);
      if (found !== undefined) expect(found, `byte ${at}: ${text.slice(at - 20, at + 20)}`).to.not.be.empty;
    }
  });
});
