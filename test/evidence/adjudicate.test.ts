import { expect } from "chai";

import {
  adjudicate,
  type Case,
  type NeighbourFlow,
  type RuleName,
  type Testimony,
  type Verdict,
} from "../../agents/evidence/adjudicate.ts";

/** A meter's evidence that stands. */
function metered(measuredWh: bigint): Testimony {
  return { measuredWh, faults: [] };
}

/** Evidence that was found wanting. */
const FAULTY: Testimony = { measuredWh: 0n, faults: [{ check: "tree", detail: "expected a root" }] };

function neighbour(committedWh: bigint, signedWh: bigint | undefined = committedWh): NeighbourFlow {
  return { committedWh, signedWh };
}

/**
 * What is asked: 2000 Wh. The DER says it fed 1800 Wh, and was credited 500 Wh, as the Aggregator's meter has it. Two
 * neighbours fed 3000 Wh each, and say so. Two meters may differ by 2 %, so each may be off by 1 %: a neighbour fed
 * 2969 to 3032 Wh, and who measures 1800 Wh fed 1781 to 1820 Wh.
 */
const CLAIM = {
  requestedWh: 2_000n,
  creditedWh: 500n,
  claimWh: 1_300n,
  powerW: 10_000n,
  meterToleranceBps: 200n,
  toleranceFloorWh: 10n,
};
const CASE: Case = {
  claim: CLAIM,
  der: metered(1_800n),
  aggregator: metered(500n),
  feederWh: 7_800n,
  neighbours: [neighbour(3_000n), neighbour(3_000n)],
};

/** The DER is alone behind its feeder, and was credited what the Aggregator's meter has. */
function alone(derWh: bigint, aggregatorWh: bigint, feederWh: bigint): Partial<Case> {
  const claim = { ...CLAIM, creditedWh: aggregatorWh, claimWh: derWh - aggregatorWh };
  return { claim, der: metered(derWh), aggregator: metered(aggregatorWh), feederWh, neighbours: [] };
}

/** The Aggregator's meter agrees with the DER's, but it swept less. */
function sweptBelow(creditedWh: bigint): Partial<Case> {
  const claim = { ...CLAIM, creditedWh, claimWh: 1_800n - creditedWh };
  return { claim, aggregator: metered(1_800n), feederWh: undefined };
}

type Ruled = [fault: Verdict["fault"], awardedWh: bigint] | "a person";
type Row = [what: string, change: Partial<Case>, ruled: Ruled];

/** What each rule is for; where it rests on a bound, a row on each side of it. */
const TABLE: Record<RuleName, readonly Row[]> = {
  "no-claimant-evidence": [
    ["the DER gives no evidence", { der: undefined }, ["der", 0n]],
    ["neither gives any", { der: undefined, aggregator: undefined }, ["der", 0n]],
    ["nothing is known of the claim", { claim: undefined }, ["der", 0n]],
  ],
  "claimant-evidence-fails": [
    ["the DER's evidence does not stand", { der: FAULTY }, ["der", 0n]],
    ["nobody's evidence stands", { der: FAULTY, aggregator: FAULTY }, ["der", 0n]],
  ],
  "respondent-silent": [
    ["the feeder agrees", { aggregator: undefined }, ["aggregator", 1_300n]],
    ["there is no feeder reading", { aggregator: undefined, feederWh: undefined }, ["aggregator", 1_300n]],
    [
      "there is no commitment to the neighbours",
      { aggregator: undefined, neighbours: undefined, feederWh: 0n },
      ["aggregator", 1_300n],
    ],
    ["the feeder just leaves 1781 Wh", { aggregator: undefined, feederWh: 7_702n }, ["aggregator", 1_300n]],
  ],
  "respondent-evidence-fails": [
    ["the feeder agrees", { aggregator: FAULTY }, ["aggregator", 1_300n]],
    ["there is no feeder reading", { aggregator: FAULTY, feederWh: undefined }, ["aggregator", 1_300n]],
    ["the feeder just leaves 1781 Wh", { aggregator: FAULTY, feederWh: 7_702n }, ["aggregator", 1_300n]],
  ],
  "feeder-contradicts-claimant": [
    ["the feeder leaves 1780 Wh", { aggregator: FAULTY, feederWh: 7_701n }, "a person"],
    ["the same, and the Aggregator is silent", { aggregator: undefined, feederWh: 7_701n }, "a person"],
    ["the feeder saw less than the neighbours", { aggregator: undefined, feederWh: 0n }, "a person"],
  ],
  "swept-below-own-meter": [
    ["it swept 37 Wh less, with 36 tolerated", sweptBelow(1_763n), ["aggregator", 37n]],
    ["it never swept", sweptBelow(0n), ["aggregator", 1_800n]],
    ["its meter has less than is claimed", { aggregator: metered(900n) }, ["aggregator", 400n]],
    ["its meter has more than is claimed", { aggregator: metered(1_990n) }, ["aggregator", 1_300n]],
    ["its meter has more than was requested", { aggregator: metered(9_000n) }, ["aggregator", 1_300n]],
  ],
  "no-third-meter": [
    ["it swept 36 Wh less, as tolerated", sweptBelow(1_764n), "a person"],
    ["there is no feeder reading", { feederWh: undefined }, "a person"],
    ["there is no commitment to the neighbours", { neighbours: undefined }, "a person"],
    [
      "its meter has more than was requested, and all of that was credited",
      {
        claim: { ...CLAIM, requestedWh: 500n, claimWh: 0n },
        aggregator: metered(1_800n),
        feederWh: undefined,
      },
      "a person",
    ],
  ],
  "feeder-confirms-claimant": [
    ["the feeder saw all of it", {}, ["aggregator", 1_300n]],
    ["the feeder just leaves 1781 Wh", { feederWh: 7_702n }, ["aggregator", 1_300n]],
    ["103 Wh apart, with 102 for drift", alone(1_803n, 1_700n, 1_803n), ["aggregator", 103n]],
    ["neighbours say nothing", { neighbours: [silent(3_000n), silent(3_000n)] }, ["aggregator", 1_300n]],
  ],
  "feeder-confirms-respondent": [
    ["the feeder saw none of it", { feederWh: 6_500n }, ["der", 0n]],
    ["the feeder may leave the 507 Wh that 500 stand for", { feederWh: 6_586n }, ["der", 0n]],
    ["103 Wh apart, with 102 for drift", alone(1_803n, 1_700n, 1_700n), ["der", 0n]],
    [
      "a neighbour confirms all but 1203 Wh",
      { feederWh: 6_500n, neighbours: [neighbour(3_000n), neighbour(3_000n, 1_785n)] },
      ["der", 0n],
    ],
    ["the feeder saw just what neighbours must have fed", { feederWh: 5_925n }, ["der", 0n]],
  ],
  "neighbours-unconfirmed": [
    [
      "a neighbour confirms all but 1204 Wh",
      { feederWh: 6_500n, neighbours: [neighbour(3_000n), neighbour(3_000n, 1_784n)] },
      "a person",
    ],
    [
      "a neighbour says nothing",
      { feederWh: 6_500n, neighbours: [neighbour(3_000n), silent(3_000n)] },
      "a person",
    ],
    [
      "the Aggregator has for one what another fed",
      { feederWh: 6_500n, neighbours: [neighbour(500n, 3_000n), neighbour(5_500n, 3_000n)] },
      "a person",
    ],
    [
      "the Aggregator has for each of twelve as much more as two meters may differ",
      {
        ...alone(3_000n, 0n, 303_000n),
        claim: { ...CLAIM, requestedWh: 3_000n, creditedWh: 0n, claimWh: 3_000n },
        neighbours: new Array<NeighbourFlow>(12).fill(neighbour(25_500n, 25_000n)),
      },
      "a person",
    ],
  ],
  drift: [
    ["102 Wh apart, and the feeder agrees with the DER", alone(1_802n, 1_700n, 1_802n), ["none", 102n]],
    ["102 Wh apart, and the feeder agrees with the sweep", alone(1_802n, 1_700n, 1_700n), ["none", 0n]],
  ],
  "feeder-confirms-both": [
    ["what the feeder saw beyond the credit is paid", alone(1_800n, 1_770n, 1_785n), ["none", 15n]],
    ["the feeder saw more than is claimed", alone(1_785n, 1_770n, 1_790n), ["none", 15n]],
    ["the feeder saw no more than the credit", alone(1_775n, 1_770n, 1_765n), ["none", 0n]],
  ],
  "feeder-confirms-neither": [
    ["the feeder leaves at most 1780 Wh", { feederWh: 7_701n }, "a person"],
    ["the feeder leaves at least 508 Wh", { feederWh: 6_587n }, "a person"],
    ["the feeder saw less than neighbours say they fed", { feederWh: 5_924n }, "a person"],
    ["the feeder saw nothing", { feederWh: 0n }, "a person"],
  ],
};

function silent(committedWh: bigint): NeighbourFlow {
  return { committedWh, signedWh: undefined };
}

describe("adjudicate", function () {
  for (const [rule, rows] of Object.entries(TABLE)) {
    describe(rule, function () {
      for (const [what, change, ruled] of rows) {
        const outcome = ruled === "a person" ? "a person decides" : `fault ${ruled[0]}, ${ruled[1]} Wh`;
        it(`${what}: ${outcome}`, function () {
          const { by, fault, awardedWh, rule: found } = adjudicate({ ...CASE, ...change });
          const [expectedFault, expectedWh] = ruled === "a person" ? (["none", 0n] as const) : ruled;
          expect({ rule: found, by, fault, awardedWh }).to.deep.equal({
            rule,
            by: ruled === "a person" ? "person" : "rules",
            fault: expectedFault,
            awardedWh: expectedWh,
          });
        });
      }
    });
  }

  it("gives its reasons, with the faults of the evidence", function () {
    const { reasons } = adjudicate({ ...CASE, der: FAULTY });
    expect(reasons).to.deep.equal(["the DER's evidence does not stand", "tree: expected a root"]);
    for (const [what, change] of Object.values(TABLE).flat()) {
      expect(adjudicate({ ...CASE, ...change }).reasons, what).to.not.be.empty;
    }
  });

  it("says what the feeder leaves, and never that it leaves less than nothing", function () {
    const said = (feederWh: bigint): string => adjudicate({ ...CASE, feederWh }).reasons.join("; ");
    expect(said(7_800n)).to.contain("the feeder leaves 1719 to 1879 Wh");
    expect(said(5_000n)).to.contain("saw 926 Wh less than the neighbours delivered");
    for (const feederWh of [0n, 5_000n, 7_800n]) expect(said(feederWh)).to.not.match(/-\d/);
    const unopposed = adjudicate({ ...CASE, aggregator: undefined, feederWh: 0n });
    expect(unopposed.reasons.join()).to.contain("at most 0 Wh");
  });

  it("comes to something with any tolerance, be it none or more than all", function () {
    for (const meterToleranceBps of [0n, 1n, 10_000n, 19_999n, 20_000n, 20_001n, 2n ** 64n - 1n]) {
      for (const feederWh of [0n, 6_500n, 7_800n, 2n ** 64n - 1n]) {
        const dispute = { ...CASE, claim: { ...CLAIM, meterToleranceBps }, feederWh };
        expect(adjudicate(dispute).awardedWh <= CLAIM.claimWh).to.be.true;
      }
    }
  });
});
