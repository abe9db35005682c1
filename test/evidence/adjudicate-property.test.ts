import { expect } from "chai";
import fc from "fast-check";

import {
  adjudicate,
  type Case,
  FEEDER_PPM,
  type NeighbourFlow,
  type Testimony,
} from "../../agents/evidence/adjudicate.ts";

/*
 * Random days of a street behind one feeder. What truly flowed is known here, in mWh; each meter makes of it whole Wh
 * with an error of its own: a gain anywhere within its class, and a register that stood anywhere between two Wh.
 */

const PPM = 1_000_000n;
const RUNS = { numRuns: 5_000 };

/** How one meter is off: its gain as a share of its class, and where its register stood. */
interface Noise {
  /** -1000 to 1000 thousandths of the class. */
  readonly gain: number;
  /** mWh that the register had counted beyond its last whole Wh. */
  readonly stood: number;
}

// The very ends are the worst: they come up as often as all between.
const gain = fc.oneof(fc.constantFrom(-1_000, 1_000), fc.integer({ min: -1_000, max: 1_000 }));
const stood = fc.oneof(fc.constantFrom(0, 999), fc.integer({ min: 0, max: 999 }));
const noise: fc.Arbitrary<Noise> = fc.record({ gain, stood });
const flowMWh = fc.oneof(fc.bigInt(0n, 30_000_000n), fc.bigInt(0n, 3_000n), fc.constant(25_000_000n));
const figureWh = fc.bigInt(0n, 40_000n);

/** What a meter of a class makes of a flow, Wh. */
function measured(trueMWh: bigint, classPpm: bigint, { gain: share, stood: before }: Noise): bigint {
  const gained = trueMWh * (PPM * 1_000n + classPpm * BigInt(share)); // in 10^-9 mWh
  return (gained + BigInt(before) * PPM * 1_000n) / (PPM * 1_000n) / 1_000n;
}

interface House {
  readonly trueMWh: bigint;
  /** Its own meter's, and that of the Aggregator's meter there. */
  readonly own: Noise;
  readonly aggregators: Noise;
  readonly speaks: boolean;
}

const house: fc.Arbitrary<House> = fc.record({
  trueMWh: flowMWh,
  own: noise,
  aggregators: noise,
  speaks: fc.boolean(),
});
/** What is the worst comes of many meters that are all off alike, and of a street where all speak: half of the days. */
const likeFirst = (houses: House[], alike: boolean): House[] =>
  alike ? houses.map((one) => ({ ...houses[0]!, trueMWh: one.trueMWh, speaks: true })) : houses;
const street = fc.record({
  der: house,
  neighbours: fc.tuple(fc.array(house, { maxLength: 20 }), fc.boolean()).map((of) => likeFirst(...of)),
  feeder: noise,
  feederReads: fc.boolean(),
  meterToleranceBps: fc.oneof(fc.constantFrom(0n, 200n, 1_000n), fc.bigInt(0n, 1_000n)),
  toleranceFloorWh: fc.bigInt(0n, 50n),
  requestedWh: fc.bigInt(0n, 40_000n),
});
type Street = typeof street extends fc.Arbitrary<infer T> ? T : never;

/** A meter's class, which is half of what two may differ by, in parts per million. */
function classOf({ meterToleranceBps }: Street): bigint {
  return meterToleranceBps * 50n;
}

function feederWh({ der, neighbours, feeder, feederReads }: Street): bigint | undefined {
  if (!feederReads) return undefined;
  const all = neighbours.reduce((sum, { trueMWh }) => sum + trueMWh, der.trueMWh);
  return measured(all, FEEDER_PPM, feeder);
}

function caseOf(
  of: Street,
  claimedWh: bigint,
  creditedWh: bigint,
  aggregator: Testimony | undefined,
  neighbours: readonly NeighbourFlow[] | undefined,
): Case {
  const { requestedWh, meterToleranceBps, toleranceFloorWh } = of;
  const entitledWh = claimedWh < requestedWh ? claimedWh : requestedWh;
  fc.pre(entitledWh > creditedWh); // or there is nothing to claim
  const claimWh = entitledWh - creditedWh;
  return {
    claim: { requestedWh, creditedWh, claimWh, powerW: 0n, meterToleranceBps, toleranceFloorWh },
    der: { measuredWh: claimedWh, faults: [] },
    aggregator,
    feederWh: feederWh(of),
    neighbours,
  };
}

// ------------------------------------------------------------------------------------------------------- The parties

/** What a dishonest Aggregator may commit to for the neighbours, by what their meters and its own have. */
const schemes: Record<string, (own: readonly bigint[], figures: readonly bigint[], of: Street) => bigint[]> =
  {
    "what its meters have": (own) => [...own],
    "anything at all": (own, figures) => own.map((_, i) => figures[i % figures.length] ?? 0n),
    "one's flow for the next": (own) => own.map((_, i) => own[(i + 1) % own.length] ?? 0n),
    "all for the first": (own) => own.map((_, i) => (i === 0 ? own.reduce((sum, wh) => sum + wh, 0n) : 0n)),
    "some of one for another": (own, [shift = 0n]) =>
      own.map((wh, i) => (i % 2 === 0 ? wh + shift : wh > shift ? wh - shift : 0n)),
    "as much more as two meters may differ": (own, _, { meterToleranceBps, toleranceFloorWh }) =>
      own.map((wh) => {
        const share = (wh * meterToleranceBps) / 10_000n;
        return wh + (share > toleranceFloorWh ? share : toleranceFloorWh);
      }),
  };

const dishonestAggregator = fc.record({
  scheme: fc.constantFrom(...Object.keys(schemes)),
  figures: fc.array(figureWh, { minLength: 1, maxLength: 20 }),
  says: fc.constantFrom("nothing" as const, "nonsense" as const, "a figure" as const, "a figure" as const),
  figure: fc.oneof(fc.constant(0n), figureWh),
  creditedPercent: fc.oneof(fc.constant(0n), fc.bigInt(0n, 100n)),
  shows: fc.boolean(),
});

describe("The rules, on any day with honest meters in their class,", function () {
  this.timeout(120_000);

  it("never find an honest DER at fault, whatever the Aggregator says of it and of its neighbours", function () {
    fc.assert(
      fc.property(street, dishonestAggregator, (of, aggregator) => {
        const ownWh = measured(of.der.trueMWh, classOf(of), of.der.own);
        const signed = of.neighbours.map(({ trueMWh, own }) => measured(trueMWh, classOf(of), own));
        const committed = schemes[aggregator.scheme]!(signed, aggregator.figures, of);
        const neighbours = of.neighbours.map(({ speaks }, i) => ({
          committedWh: committed[i]!,
          signedWh: speaks ? signed[i] : undefined,
        }));
        const faults = [{ check: "tree" as const, detail: "nonsense" }];
        const says = {
          nothing: undefined,
          nonsense: { measuredWh: aggregator.figure, faults },
          "a figure": { measuredWh: aggregator.figure, faults: [] },
        }[aggregator.says];
        const creditedWh = (of.requestedWh * aggregator.creditedPercent) / 100n;
        const shown = aggregator.shows ? neighbours : undefined;
        const dispute = caseOf(of, ownWh, creditedWh, says, shown);
        expect(adjudicate(dispute).fault).to.not.equal("der");
      }),
      RUNS,
    );
  });

  it("never find an honest Aggregator at fault, whatever the DER claims", function () {
    const liesWh = fc.array(figureWh, { maxLength: 20 });
    fc.assert(
      fc.property(street, figureWh, liesWh, fc.boolean(), (of, claimedWh, lies, shows) => {
        const meterAt = ({ trueMWh, aggregators }: House): bigint =>
          measured(trueMWh, classOf(of), aggregators);
        const ownWh = meterAt(of.der);
        const creditedWh = ownWh < of.requestedWh ? ownWh : of.requestedWh;
        const neighbours = of.neighbours.map((one, i) => ({
          committedWh: meterAt(one),
          signedWh: one.speaks ? lies[i] : undefined, // whether they are honest or not
        }));
        const shown = shows ? neighbours : undefined;
        const dispute = caseOf(of, claimedWh, creditedWh, { measuredWh: ownWh, faults: [] }, shown);
        expect(adjudicate(dispute).fault).to.not.equal("aggregator");
      }),
      RUNS,
    );
  });

  it("leave room for both when both are honest: neither is at fault, and nobody is paid twice", function () {
    fc.assert(
      fc.property(street, (of) => {
        const ownWh = measured(of.der.trueMWh, classOf(of), of.der.own);
        const meteredWh = measured(of.der.trueMWh, classOf(of), of.der.aggregators);
        const creditedWh = meteredWh < of.requestedWh ? meteredWh : of.requestedWh;
        const neighbours = of.neighbours.map(({ trueMWh, aggregators }) => ({
          committedWh: measured(trueMWh, classOf(of), aggregators),
          signedWh: undefined,
        }));
        const dispute = caseOf(of, ownWh, creditedWh, { measuredWh: meteredWh, faults: [] }, neighbours);
        const { rule, awardedWh } = adjudicate(dispute);
        expect(rule).to.be.oneOf(["feeder-confirms-both", "no-third-meter"]);
        expect(creditedWh + awardedWh <= of.requestedWh).to.be.true;
      }),
      RUNS,
    );
  });
});

describe("The rules, on any case at all,", function () {
  const wh = fc.oneof(fc.bigInt(0n, 10_000n), fc.bigInt(0n, 2n ** 64n - 1n));
  const faults = fc.constantFrom([], [{ check: "tree" as const, detail: "expected a root" }]);
  const testimony = fc.option(fc.record({ measuredWh: wh, faults }), { nil: undefined });
  const maybeWh = fc.option(wh, { nil: undefined });
  const neighbours = fc.array(fc.record({ committedWh: wh, signedWh: maybeWh }), { maxLength: 5 });
  const claim = fc.record({
    requestedWh: wh,
    creditedWh: wh,
    claimWh: wh,
    powerW: wh,
    meterToleranceBps: fc.oneof(fc.bigInt(0n, 25_000n), wh),
    toleranceFloorWh: wh,
  });
  const anyCase: fc.Arbitrary<Case> = fc.record({
    claim: fc.option(claim, { nil: undefined, freq: 20 }),
    der: testimony,
    aggregator: testimony,
    feederWh: maybeWh,
    neighbours: fc.option(neighbours, { nil: undefined }),
  });

  it("never award more than is claimed, and nothing to a DER at fault: ARIA would refuse it", function () {
    fc.assert(
      fc.property(anyCase, (dispute) => {
        const { fault, awardedWh } = adjudicate(dispute);
        expect(awardedWh >= 0n && awardedWh <= (dispute.claim?.claimWh ?? 0n)).to.be.true;
        if (fault === "der") expect(awardedWh).to.equal(0n);
      }),
      RUNS,
    );
  });

  it("leave what is open to a person altogether: nothing awarded, nobody at fault", function () {
    fc.assert(
      fc.property(anyCase, (dispute) => {
        const { by, fault, awardedWh } = adjudicate(dispute);
        if (by === "person") expect({ fault, awardedWh }).to.deep.equal({ fault: "none", awardedWh: 0n });
      }),
      RUNS,
    );
  });

  it("come to the same of the same case", function () {
    fc.assert(
      fc.property(anyCase, (dispute) => {
        expect(adjudicate(dispute)).to.deep.equal(adjudicate(structuredClone(dispute)));
      }),
    );
  });
});
