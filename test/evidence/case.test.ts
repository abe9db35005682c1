import { expect } from "chai";
import { id, keccak256, toUtf8Bytes, ZeroHash } from "ethers";

import type { RuleName } from "../../agents/evidence/adjudicate.ts";
import { type Evidence, isOwn, judge, type Judgement, type Subject } from "../../agents/evidence/case.ts";
import type { CheckName } from "../../agents/evidence/checks.ts";
import { type Bundle, bundleJson, type Role } from "../../agents/evidence/format.ts";
import { signStatement } from "../../agents/evidence/statement.ts";
import {
  AGGREGATOR_SPEAKER,
  aggregatorBundle,
  DER,
  DER_SPEAKER,
  FEEDER_SPEAKER,
  type FeederBundle,
  feederBundle,
  leavesWith,
  type MeteredEpoch,
  meteredEpoch,
  METER,
  OLD_METER,
  OTHER_DER,
  POWER_W,
  sealedAnew,
  signedEpoch,
  VENUE,
  witnessOf,
} from "./metered-epoch.ts";
import { EPOCH } from "./paper-chain.ts";

const ROLES = ["der", "aggregator", "feeder"] as const;

/** A bundle as its holder gives it, whatever it made up in it. */
const sealedJson = (bundle: Bundle): string => bundleJson(sealedAnew(bundle));
const NO_CHAIN = (): Promise<undefined> => Promise.resolve(undefined);

describe("judge", function () {
  this.timeout(60_000);
  let epoch: MeteredEpoch;
  let evidence: Evidence;
  let subject: Subject;

  before(async function () {
    epoch = await meteredEpoch();
    const { der, aggregator, feeder } = epoch;
    evidence = { der: sealedJson(der), aggregator: sealedJson(aggregator), feeder: sealedJson(feeder) };
    subject = { ...VENUE, statement: { der: DER, epoch: EPOCH } };
  });

  function heard(change: Partial<Evidence> = {}, of: Subject | undefined = subject): Promise<Judgement> {
    return judge({ ...evidence, ...change }, epoch.witness, of);
  }

  async function ruleOf(change: Partial<Evidence>, of?: Subject): Promise<RuleName> {
    return (await heard(change, of)).verdict.rule;
  }

  function failing({ examined }: Judgement, role: Role): CheckName[] | undefined {
    return examined[role]?.checks.filter(({ outcome }) => outcome === "fails").map(({ check }) => check);
  }

  it("rules on honest evidence by what the feeder saw", async function () {
    const { verdict, examined } = await heard();
    expect(verdict).to.deep.include({
      by: "rules",
      rule: "feeder-confirms-claimant",
      fault: "aggregator",
      awardedWh: 1_400n,
    });
    for (const role of ROLES) expect(examined[role]?.bundle).to.deep.equal(epoch[role]);
    const drift = await meteredEpoch(9_900n);
    const swept = await judge(
      { ...evidence, aggregator: sealedJson(drift.aggregator) },
      drift.witness,
      subject,
    );
    expect(swept.verdict).to.deep.include({ rule: "swept-below-own-meter", awardedWh: 1_400n });
  });

  it("comes to the same without a chain to ask, and says what it did not check", async function () {
    const there = await heard();
    const here = await judge(evidence, NO_CHAIN, subject);
    expect(here.verdict).to.deep.equal(there.verdict);
    expect(here.evidenceHash).to.equal(there.evidenceHash);
    for (const role of ROLES) {
      const outcomes = here.examined[role]!.checks.map(({ outcome }) => outcome);
      expect(outcomes.filter((outcome) => outcome === "unchecked")).to.have.length(6);
    }
  });

  it("is about what the DER's evidence is about, if nobody says otherwise", async function () {
    const named = await heard();
    const unnamed = await judge(evidence, epoch.witness);
    expect(unnamed).to.deep.equal(named);
  });

  it("hashes the texts as they were given, in their order, and nothing for what was not", async function () {
    const { der, aggregator, feeder } = evidence;
    const hashOf = (...texts: string[]): string => keccak256(toUtf8Bytes(JSON.stringify(texts)));
    expect((await heard()).evidenceHash).to.equal(hashOf(der!, aggregator!, feeder!));
    const none = { der: undefined, aggregator: undefined, feeder: undefined };
    expect((await heard(none)).evidenceHash).to.equal(hashOf("", "", ""));
    expect((await heard({ aggregator: undefined })).evidenceHash).to.equal(hashOf(der!, "", feeder!));
    const spaced = await heard({ feeder: `${feeder!} ` });
    expect(spaced.evidenceHash).to.equal(hashOf(der!, aggregator!, `${feeder!} `));
    const odd = "\ud800 half a character, \u0000 and \u{1F50C}";
    expect((await heard({ der: odd })).evidenceHash).to.equal(hashOf(odd, aggregator!, feeder!));
  });

  describe("of evidence that is missing", function () {
    const rules: [missing: readonly Role[], RuleName][] = [
      [["der"], "no-claimant-evidence"],
      [["aggregator"], "respondent-silent"],
      [["feeder"], "no-third-meter"],
      [["aggregator", "feeder"], "respondent-silent"],
      [["der", "aggregator", "feeder"], "no-claimant-evidence"],
    ];
    for (const [missing, rule] of rules) {
      it(`(${missing.join(", ")}) comes to ${rule}`, async function () {
        const without = Object.fromEntries(missing.map((role) => [role, undefined]));
        const judgement = await heard(without);
        expect(judgement.verdict.rule).to.equal(rule);
        for (const role of missing) expect(judgement.examined[role]).to.be.undefined;
      });
    }
  });

  describe("of evidence that is", function () {
    const failed: Record<Role, RuleName> = {
      der: "claimant-evidence-fails",
      aggregator: "respondent-evidence-fails",
      feeder: "no-third-meter",
    };
    const nonsense: Record<string, () => string> = {
      "an empty text": () => "",
      "no JSON": () => "{",
      "other JSON": () => '{"role":"der"}',
      "JSON of a prototype": () => '{"__proto__":null,"role":"toString"}',
      "a megabyte of brackets": () => "[".repeat(1e6),
      "a million lists in each other": () => `{"role":"der","readings":${"[".repeat(1e6)}${"]".repeat(1e6)}}`,
      "a million numbers": () => `[${"0,".repeat(1e6)}0]`,
      "figures that are none": () => evidence.der!.replaceAll(/"registerWh":"\d+"/g, '"registerWh":"much"'),
      "figures beyond all bounds": () =>
        evidence.der!.replaceAll(/"(epoch|block|sequence)":\d+/g, '"$1":1e308'),
    };
    for (const [what, text] of Object.entries(nonsense)) {
      it(`${what} finds it of no form, and goes on`, async function () {
        for (const role of ROLES) {
          const judgement = await heard({ [role]: text() });
          expect(judgement.verdict.rule, role).to.equal(failed[role]);
          expect(failing(judgement, role), role).to.deep.equal(["format"]);
          expect(judgement.examined[role]?.bundle).to.be.undefined;
        }
      });
    }

    it("another party's does not take it for this one's", async function () {
      for (const role of ROLES) {
        for (const other of ROLES.filter((one) => one !== role)) {
          const judgement = await heard({ [role]: evidence[other] });
          expect(judgement.verdict.rule, `${other} for ${role}`).to.equal(failed[role]);
          expect(judgement.examined[role]?.checks).to.deep.equal([
            {
              check: "format",
              outcome: "fails",
              detail: `expected a bundle of role ${role}, received ${other}`,
            },
          ]);
        }
      }
    });

    it("about another DER, epoch, ARIA or chain is none", async function () {
      const others: Subject[] = [
        { ...subject, statement: { der: OTHER_DER, epoch: EPOCH } },
        { ...subject, statement: { der: DER, epoch: EPOCH + 1 } },
        { ...subject, aria: OTHER_DER },
        { ...subject, chainId: 1n },
      ];
      for (const other of others) {
        const { verdict } = await heard({}, other);
        expect(verdict).to.deep.include({ rule: "claimant-evidence-fails", fault: "der", awardedWh: 0n });
        expect(verdict.reasons.at(-1)).to.match(/^claim: expected .* received .*epoch 1980000/);
      }
    });

    it("about another DER, from the Aggregator alone, is none of it", async function () {
      const speaker = { ...AGGREGATOR_SPEAKER, der: OTHER_DER };
      const signed = await signedEpoch(speaker, 4_000n);
      const elsewhere = sealedJson(aggregatorBundle(signed, leavesWith(signed.statement, [1_250n, 2_000n])));
      expect(await ruleOf({ aggregator: elsewhere })).to.equal("respondent-evidence-fails");
    });

    it("of a feeder in another epoch, or at another ARIA, decides nothing", async function () {
      const { feeder } = epoch;
      const statement = { ...feeder.statement, epoch: EPOCH + 1 };
      for (const other of [{ statement }, { aria: OTHER_DER }, { chainId: 1n }] as Partial<FeederBundle>[]) {
        expect(await ruleOf({ feeder: sealedJson({ ...feeder, ...other }) })).to.equal("no-third-meter");
      }
    });

    it("of a DER that claims nothing is no claim, with a chain or without", async function () {
      const der = sealedJson({ ...epoch.der, claim: null });
      for (const factsOf of [epoch.witness, NO_CHAIN]) {
        const { verdict } = await judge({ ...evidence, der }, factsOf, subject);
        expect(verdict).to.deep.include({ rule: "claimant-evidence-fails", awardedWh: 0n });
      }
    });
  });

  describe("knows a party's own evidence, be it good or bad, from what anybody could have made", function () {
    async function isOwnOf(role: Role, text: string | undefined): Promise<boolean> {
      const { examined } = await heard({ [role]: text });
      return isOwn(examined[role], subject);
    }

    it("by its form, its seal and the key that counts", async function () {
      const { der, aggregator } = epoch;
      expect(await isOwnOf("der", evidence.der)).to.be.true;
      expect(await isOwnOf("aggregator", evidence.aggregator)).to.be.true;
      const badClaim = { ...der, claim: { ...der.claim!, claimWh: 1n } };
      expect(await isOwnOf("der", sealedJson(badClaim))).to.be.true;
      expect(await isOwnOf("der", bundleJson(badClaim))).to.be.false;
      expect(await isOwnOf("der", bundleJson({ ...der, seal: aggregator.seal }))).to.be.false;
      const stranger = { ...der, meter: OLD_METER.address, signer: OLD_METER.address };
      expect(await isOwnOf("der", sealedJson(stranger))).to.be.false;
      for (const text of [undefined, "", evidence.aggregator, evidence.der!.slice(1)])
        expect(await isOwnOf("der", text), text?.slice(0, 20)).to.be.false;
    });

    it("by what it is about: whoever stands between has bundles of others, and older ones", async function () {
      const { examined } = await heard();
      const others: Subject[] = [
        { ...subject, statement: { der: OTHER_DER, epoch: EPOCH } },
        { ...subject, statement: { der: DER, epoch: EPOCH + 1 } },
      ];
      for (const other of others)
        for (const role of ["der", "aggregator"] as const) expect(isOwn(examined[role], other)).to.be.false;
    });

    it("not without a chain, which knows whose key counts", async function () {
      const { examined } = await judge(evidence, NO_CHAIN, subject);
      for (const role of ROLES) expect(isOwn(examined[role], subject)).to.be.false;
    });
  });

  describe("takes a feeder's reading for a third meter's only if", function () {
    it("the DER in dispute is not among its own neighbours", async function () {
      const { feeder } = epoch;
      const itself = { account: 3n, meter: METER.address, statement: null, signature: null };
      const crowded = sealedJson({ ...feeder, neighbours: [itself, ...feeder.neighbours] });
      const judgement = await heard({ feeder: crowded });
      expect(failing(judgement, "feeder")).to.deep.equal([]); // it is a DER behind it, in truth
      expect(judgement.verdict.rule).to.equal("no-third-meter");
    });

    it("the Aggregator shows what it has for each of the neighbours", async function () {
      const withheld = sealedJson({ ...epoch.aggregator, leaves: null });
      expect(await ruleOf({ aggregator: withheld })).to.equal("no-third-meter");
      // It has no meter at account 5, or no readings of it: of what flowed there it says nothing, which is not to say that nothing did.
      const signed = await signedEpoch(AGGREGATOR_SPEAKER, 4_000n);
      const all = leavesWith(signed.statement, [1_250n, 2_000n]);
      const own = await signedEpoch(DER_SPEAKER, POWER_W);
      const without = all.filter(({ account }) => account !== 5n);
      const unread = all.map((leaf) => (leaf.account === 5n ? { ...leaf, readingsRoot: ZeroHash } : leaf));
      for (const leaves of [without, unread]) {
        const fewer = aggregatorBundle(signed, leaves);
        const { flowRoot } = fewer.commitment as { flowRoot: string };
        const witness = witnessOf({ dispute: own, flowRoot });
        const judgement = await judge({ ...evidence, aggregator: sealedJson(fewer) }, witness, subject);
        expect(failing(judgement, "aggregator")).to.deep.equal([]);
        expect(judgement.verdict.rule).to.equal("no-third-meter");
      }
    });

    it("those leaves are of the sweep: leaves of none could say anything of the neighbours", async function () {
      const bare = sealedJson({ ...epoch.aggregator, commitment: null });
      const own = await signedEpoch(DER_SPEAKER, POWER_W);
      const neverSwept = witnessOf({ dispute: own, flowRoot: null });
      const der = sealedJson({
        ...epoch.der,
        claim: { ...epoch.der.claim!, creditedWh: 0n, claimWh: 2_400n },
      });
      for (const factsOf of [neverSwept, NO_CHAIN]) {
        const judgement = await judge({ ...evidence, der, aggregator: bare }, factsOf, subject);
        expect(failing(judgement, "aggregator")).to.deep.equal(["commitment"]);
        expect(judgement.verdict.reasons.join()).to.not.contain("feeder");
      }
    });

    it("it is contradicted by nobody that a person had better hear", async function () {
      const unopposed = { aggregator: sealedJson({ ...epoch.aggregator, signature: epoch.der.signature }) };
      expect(await ruleOf(unopposed)).to.equal("respondent-evidence-fails");
      const low = feederBundle(await signedEpoch(FEEDER_SPEAKER, 13_000n), epoch.feeder.neighbours);
      expect(low.statement.energyWh).to.equal(3_250n); // just what the neighbours delivered
      expect(await ruleOf({ feeder: sealedJson(low) })).to.equal("feeder-confirms-respondent");
      expect(await ruleOf({ ...unopposed, feeder: sealedJson(low) })).to.equal("feeder-contradicts-claimant");
      const silent = low.neighbours.map((one) => ({ ...one, statement: null, signature: null }));
      const unheard = { feeder: sealedJson({ ...low, neighbours: silent }) };
      expect(await ruleOf(unheard)).to.equal("neighbours-unconfirmed");
    });
  });

  it("does not let a neighbour speak for another epoch, or in another's name", async function () {
    const { feeder } = epoch;
    const [a, b] = feeder.neighbours;
    const statement = { ...a!.statement!, energyWh: 0n };
    const signature = await signStatement(METER, VENUE, statement); // by the meter of the DER in dispute
    const forged = { ...feeder, neighbours: [{ ...a!, statement, signature }, b!] };
    const judgement = await heard({ feeder: sealedJson(forged) });
    expect(failing(judgement, "feeder")).to.deep.equal(["neighbours"]);
    expect(judgement.verdict.rule).to.equal("no-third-meter");
  });

  it("passes on what keeps the chain from answering: that is not the evidence's fault", async function () {
    const down = (): Promise<never> => Promise.reject(new Error("node is down"));
    const outcome = await judge(evidence, down, subject).catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(Error).with.property("message", "node is down");
  });

  it("asks a node for no more blocks than a meter can have read in an epoch", async function () {
    const { der, witness } = epoch;
    const blocks = Array.from({ length: 50_000 }, (_, i) => ({
      ...der.blocks[0]!,
      number: i,
      hash: id(`${i}`),
    }));
    const facts = await witness({ ...der, blocks });
    expect(facts.headerOf(101)).to.not.be.undefined;
    const foreign = await witness({ ...der, registry: OTHER_DER });
    expect(foreign.headerOf(101)).to.be.undefined;
  });
});
