import { expect } from "chai";
import fc from "fast-check";

import { adjudicate, type Case, type Testimony, type Verdict } from "../../agents/evidence/adjudicate.ts";

/** A meter's evidence that stands. */
function metered(measuredWh: bigint): Testimony {
  return { measuredWh, faults: [] };
}

/** Evidence that was found wanting. */
function faulty(measuredWh: bigint): Testimony {
  return { measuredWh, faults: [{ check: "chain", detail: "expected a chain, received a forgery" }] };
}

/**
 * What is asked: 2000 Wh. The DER says it fed 1800 Wh, and was credited 500 Wh. Others fed 6000 Wh. Two meters may
 * differ by 2 %, at least 10 Wh, and the feeder's by 0.1 % of all it sees.
 */
const CASE: Case = {
  requestedWh: 2_000n,
  creditedWh: 500n,
  claimWh: 1_300n,
  der: metered(1_800n),
  aggregator: metered(500n),
  feederWh: 7_800n,
  othersWh: 6_000n,
  meterToleranceBps: 200n,
  toleranceFloorWh: 10n,
  feederPpm: 1_000n,
};

type Outcome = Pick<Verdict, "by" | "fault" | "awardedWh">;

const AGGREGATOR_PAYS_ALL: Outcome = { by: "rules", fault: "aggregator", awardedWh: 1_300n };
const DER_LOSES: Outcome = { by: "rules", fault: "der", awardedWh: 0n };
const A_PERSON_DECIDES: Outcome = { by: "person", fault: "none", awardedWh: 0n };

/** What the case is, how it differs from the one above, and what the rules make of it. */
const TABLE: [string, Partial<Case>, Outcome][] = [
  ["The DER gives no evidence for its claim", { der: undefined }, DER_LOSES],
  ["Neither gives any evidence", { der: undefined, aggregator: undefined }, DER_LOSES],
  ["The DER's evidence does not stand", { der: faulty(1_800n) }, DER_LOSES],
  ["Nobody's evidence stands", { der: faulty(1_800n), aggregator: faulty(500n) }, DER_LOSES],

  ["The Aggregator gives no evidence, the feeder agrees", { aggregator: undefined }, AGGREGATOR_PAYS_ALL],
  [
    "The Aggregator gives no evidence, and so no commitment",
    { aggregator: undefined, othersWh: undefined },
    AGGREGATOR_PAYS_ALL,
  ],
  [
    "The Aggregator's evidence does not stand, the feeder agrees",
    { aggregator: faulty(500n) },
    AGGREGATOR_PAYS_ALL,
  ],
  [
    "The Aggregator's evidence does not stand, and there is no feeder reading",
    { aggregator: faulty(500n), feederWh: undefined },
    AGGREGATOR_PAYS_ALL,
  ],
  [
    "Only the DER's evidence stands, but the feeder contradicts it",
    { aggregator: faulty(500n), feederWh: 6_500n },
    A_PERSON_DECIDES,
  ],

  ["The Aggregator's own meter agrees with the DER", { aggregator: metered(1_800n) }, AGGREGATOR_PAYS_ALL],
  [
    "The Aggregator swept less than its own meter has, if not all that is claimed",
    { aggregator: metered(900n), feederWh: 6_500n },
    { by: "rules", fault: "aggregator", awardedWh: 400n },
  ],
  [
    "The Aggregator's own meter has more than is claimed",
    { aggregator: metered(1_990n) },
    AGGREGATOR_PAYS_ALL,
  ],
  [
    "The Aggregator never swept what its own meter has",
    { creditedWh: 0n, claimWh: 1_800n, aggregator: metered(1_800n), othersWh: undefined },
    { by: "rules", fault: "aggregator", awardedWh: 1_800n },
  ],
  [
    "The Aggregator's meter has more than was requested, and all of that was credited",
    { requestedWh: 500n, claimWh: 0n, aggregator: metered(1_800n), feederWh: undefined },
    A_PERSON_DECIDES,
  ],

  ["The feeder decides for the DER", {}, AGGREGATOR_PAYS_ALL],
  ["The feeder decides for the Aggregator", { feederWh: 6_500n }, DER_LOSES],
  [
    "The feeder saw less than the others delivered",
    { der: metered(1_800n), feederWh: 5_000n },
    A_PERSON_DECIDES,
  ],
  [
    "The feeder saw less than the others delivered, and the Aggregator's meter nothing",
    { creditedWh: 0n, claimWh: 1_800n, aggregator: metered(0n), feederWh: 5_999n },
    DER_LOSES,
  ],
  ["The feeder agrees with neither", { feederWh: 7_200n }, A_PERSON_DECIDES],
  ["There is no feeder reading", { feederWh: undefined }, A_PERSON_DECIDES],
  ["There is no commitment to the others", { othersWh: undefined }, A_PERSON_DECIDES],

  [
    "The feeder agrees with both: it is a drift, and what it saw beyond the credit is paid",
    { creditedWh: 1_740n, claimWh: 60n, aggregator: metered(1_770n), feederWh: 7_785n },
    { by: "rules", fault: "none", awardedWh: 45n },
  ],
  [
    "The feeder agrees with both, and saw more than is claimed",
    { creditedWh: 1_770n, claimWh: 30n, aggregator: metered(1_770n), feederWh: 7_805n },
    { by: "rules", fault: "none", awardedWh: 30n },
  ],
  [
    "The feeder agrees with both, and saw no more than the credit",
    { creditedWh: 1_770n, claimWh: 30n, aggregator: metered(1_770n), feederWh: 7_770n },
    { by: "rules", fault: "none", awardedWh: 0n },
  ],
];

describe("adjudicate", function () {
  for (const [what, change, outcome] of TABLE) {
    it(`${what}: ${outcome.by === "person" ? "a person decides" : `${outcome.fault}, ${outcome.awardedWh} Wh`}`, function () {
      const { by, fault, awardedWh } = adjudicate({ ...CASE, ...change });
      expect({ by, fault, awardedWh }).to.deep.equal(outcome);
    });
  }

  it("tolerates just so much between the feeder and a meter", function () {
    const seen = (feederWh: bigint): Outcome["fault"] => adjudicate({ ...CASE, feederWh }).fault;
    // 2 % of 1800 Wh are 36 Wh: more than 0.1 % of the feeder's 7800 Wh.
    expect([7_763n, 7_764n, 7_836n, 7_837n].map(seen)).to.deep.equal([
      "none",
      "aggregator",
      "aggregator",
      "none",
    ]);
    const coarse = (feederWh: bigint): Outcome["fault"] =>
      adjudicate({ ...CASE, feederPpm: 10_000n, feederWh }).fault; // 1 % of what it saw: 77 Wh
    expect([7_700n, 7_723n, 7_878n, 7_900n].map(coarse)).to.deep.equal([
      "none",
      "aggregator",
      "aggregator",
      "none",
    ]);
  });

  it("tolerates just so much between the Aggregator's meter and its sweep", function () {
    const swept = (creditedWh: bigint): Verdict =>
      adjudicate({ ...CASE, creditedWh, claimWh: 1_800n - creditedWh, aggregator: metered(1_800n) });
    expect(swept(1_763n)).to.deep.include({ fault: "aggregator", awardedWh: 37n });
    expect(swept(1_764n).fault).to.not.equal("aggregator");
  });

  it("gives its reasons, with the faults of the evidence", function () {
    const { reasons } = adjudicate({ ...CASE, der: faulty(1_800n) });
    expect(reasons).to.deep.equal([
      "the DER's evidence does not stand",
      "chain: expected a chain, received a forgery",
    ]);
    for (const [what, change] of TABLE) {
      expect(adjudicate({ ...CASE, ...change }).reasons, what).to.not.be.empty;
    }
  });

  const energy = fc.bigInt({ min: 0n, max: 1_000_000n });
  const evidence = fc.option(
    fc.boolean().chain((stands) => energy.map(stands ? metered : faulty)),
    {
      nil: undefined,
    },
  );
  const anyCase: fc.Arbitrary<Case> = fc
    .record({
      requestedWh: energy,
      credited: fc.nat(100),
      claimed: fc.nat(100),
      der: evidence,
      aggregator: evidence,
      feederWh: fc.option(energy, { nil: undefined }),
      othersWh: fc.option(energy, { nil: undefined }),
      meterToleranceBps: fc.bigInt({ min: 0n, max: 1_000n }),
      toleranceFloorWh: fc.bigInt({ min: 0n, max: 50n }),
      feederPpm: fc.bigInt({ min: 0n, max: 10_000n }),
    })
    .map(({ credited, claimed, ...rest }) => {
      const creditedWh = (rest.requestedWh * BigInt(credited)) / 100n;
      return { ...rest, creditedWh, claimWh: ((rest.requestedWh - creditedWh) * BigInt(claimed)) / 100n };
    });

  it("never awards more than is claimed, and nothing to a DER at fault: ARIA would refuse it", function () {
    fc.assert(
      fc.property(anyCase, (dispute) => {
        const { by, fault, awardedWh } = adjudicate(dispute);
        expect(awardedWh >= 0n && awardedWh <= dispute.claimWh).to.be.true;
        if (fault === "der" || by === "person") expect(awardedWh).to.equal(0n);
      }),
    );
  });

  // What meters of class 0.2 make of the truth, and a feeder meter of class 0.015.
  const ppm = fc.bigInt({ min: -2_000n, max: 2_000n });
  const feederGain = fc.bigInt({ min: -150n, max: 150n });
  const fedWh = fc.bigInt({ min: 0n, max: 25_000n });
  const others = fc.array(fc.tuple(fedWh, ppm), { maxLength: 4 });
  const read = (wh: bigint, gain: bigint): bigint => (wh * (1_000_000n + gain)) / 1_000_000n;
  const onFeeder = (own: bigint, rest: readonly [bigint, bigint][], gain: bigint): Partial<Case> => ({
    feederWh: read(
      rest.reduce((sum, [wh]) => sum + wh, own),
      gain,
    ),
    othersWh: rest.reduce((sum, [wh, off]) => sum + read(wh, off), 0n),
    feederPpm: 2_150n, // what the feeder and the others may be off together
  });

  it("never finds an honest DER at fault, with meters of class 0.2, whatever the Aggregator does", function () {
    const scene = fc.record({
      fedWh,
      others,
      requestedWh: fedWh,
      creditedPercent: fc.bigInt({ min: 0n, max: 100n }),
      derGain: ppm,
      feederGain,
      aggregator: fc.option(fc.tuple(fc.bigInt({ min: 0n, max: 30_000n }), fc.boolean()), { nil: undefined }),
    });
    fc.assert(
      fc.property(scene, (s) => {
        const measuredWh = read(s.fedWh, s.derGain);
        const entitledWh = measuredWh < s.requestedWh ? measuredWh : s.requestedWh;
        const creditedWh = (s.requestedWh * s.creditedPercent) / 100n;
        fc.pre(entitledWh > creditedWh); // or there is nothing to claim
        const { fault } = adjudicate({
          ...CASE,
          ...onFeeder(s.fedWh, s.others, s.feederGain),
          requestedWh: s.requestedWh,
          creditedWh,
          claimWh: entitledWh - creditedWh,
          der: metered(measuredWh),
          aggregator: s.aggregator && (s.aggregator[1] ? metered : faulty)(s.aggregator[0]),
        });
        expect(fault).to.not.equal("der");
      }),
      { numRuns: 500 },
    );
  });

  it("never finds an honest Aggregator at fault, with meters of class 0.2, whatever the DER claims", function () {
    const scene = fc.record({
      fedWh,
      others,
      requestedWh: fedWh,
      claimedWh: fc.bigInt({ min: 0n, max: 30_000n }),
      aggregatorGain: ppm,
      feederGain,
    });
    fc.assert(
      fc.property(scene, (s) => {
        const measuredWh = read(s.fedWh, s.aggregatorGain);
        const creditedWh = measuredWh < s.requestedWh ? measuredWh : s.requestedWh;
        const entitledWh = s.claimedWh < s.requestedWh ? s.claimedWh : s.requestedWh;
        fc.pre(entitledWh > creditedWh);
        const { fault } = adjudicate({
          ...CASE,
          ...onFeeder(s.fedWh, s.others, s.feederGain),
          requestedWh: s.requestedWh,
          creditedWh,
          claimWh: entitledWh - creditedWh,
          der: metered(s.claimedWh),
          aggregator: metered(measuredWh),
        });
        expect(fault).to.not.equal("aggregator");
      }),
      { numRuns: 500 },
    );
  });
});
