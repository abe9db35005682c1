import { BPS, tolerance } from "../settlement/rules.ts";
import type { Fault } from "./checks.ts";
import type { Claim } from "./format.ts";

/** One party's evidence, after it was checked. */
export interface Testimony {
  /** Wh its meter measured in the epoch; meaningless unless `faults` is empty. */
  readonly measuredWh: bigint;
  /** What is wrong with the evidence; empty when it stands. */
  readonly faults: readonly Fault[];
}

/** Another DER behind the same feeder. Wh. */
export interface NeighbourFlow {
  /** What the Aggregator committed to for it. */
  readonly committedWh: bigint;
  /** What its own meter signed; undefined if it said nothing. */
  readonly signedWh: bigint | undefined;
}

/** A dispute with everything that is known of it. Energy in Wh. */
export interface Case {
  /** Undefined when nothing is known of it but that the DER gave no evidence. */
  readonly claim: Claim | undefined;
  /** Undefined when the party gave no evidence. */
  readonly der: Testimony | undefined;
  readonly aggregator: Testimony | undefined;
  /** What the feeder meter saw of all DERs together; undefined without a reading of the epoch that stands. */
  readonly feederWh: bigint | undefined;
  /** Undefined if the Aggregator showed no commitment to each of them. */
  readonly neighbours: readonly NeighbourFlow[] | undefined;
}

/** What the rules make of a case. */
export interface Verdict {
  /** `person`: the rules leave it open, and a person decides. */
  readonly by: "rules" | "person";
  readonly fault: "none" | "aggregator" | "der";
  readonly awardedWh: bigint;
  /** The rule that decided, by its name in docs/adjudication.md. */
  readonly rule: RuleName;
  /** In the order they were found. */
  readonly reasons: readonly string[];
}

export type RuleName =
  | "no-claimant-evidence"
  | "claimant-evidence-fails"
  | "respondent-silent"
  | "respondent-evidence-fails"
  | "feeder-contradicts-claimant"
  | "swept-below-own-meter"
  | "no-third-meter"
  | "feeder-confirms-claimant"
  | "feeder-confirms-respondent"
  | "neighbours-unconfirmed"
  | "drift"
  | "feeder-confirms-both"
  | "feeder-confirms-neither";

/** Accuracy class of a feeder meter: 0.2 % of what it saw (class 0.2 S, IEC 62053-22). */
export const FEEDER_PPM = 2_000n;
const PPM = 1_000_000n;
/** Two meters that differ by no more than this many tolerances may have drifted: nobody's fault, but settled. */
export const DRIFT_TOLERANCES = 3n;

/**
 * The published rules of disputes: from evidence to verdict. Pure, so that whoever has the evidence comes to the same.
 *
 * Three meters measured the same flow. A party that cannot show its own is not believed. Where two that can disagree,
 * the third decides: what the feeder saw, less what the neighbours delivered, has room for the claim or has not. Every
 * bound is the worst that meters inside their class can add up to, so that no honest party is found at fault.
 */
export function adjudicate(dispute: Case): Verdict {
  const { claim, der, aggregator } = dispute;
  if (der === undefined || claim === undefined) {
    return ruled("no-claimant-evidence", "der", 0n, ["the DER gave no evidence for its claim"]);
  }
  if (der.faults.length > 0) {
    return ruled("claimant-evidence-fails", "der", 0n, [
      "the DER's evidence does not stand",
      ...details(der),
    ]);
  }
  const scene = { ...dispute, claim, der };
  if (aggregator === undefined) {
    return unopposed(scene, "respondent-silent", ["the Aggregator gave no evidence for its sweep"]);
  }
  if (aggregator.faults.length > 0) {
    const reasons = ["the Aggregator's evidence does not stand", ...details(aggregator)];
    return unopposed(scene, "respondent-evidence-fails", reasons);
  }
  return opposed({ ...scene, aggregator });
}

type Scene = Case & { readonly claim: Claim; readonly der: Testimony };

/** Only the DER's evidence stands: it is believed unless the feeder has no room for it. */
function unopposed(scene: Scene, rule: RuleName, reasons: readonly string[]): Verdict {
  const residual = residualOf(scene);
  if (residual !== undefined && atLeastWh(scene, scene.der.measuredWh) > residual.mostWh) {
    const but = `but the feeder leaves at most ${residual.mostWh > 0n ? residual.mostWh : 0n} Wh for a DER that claims ${scene.der.measuredWh} Wh`;
    return open("feeder-contradicts-claimant", [...reasons, but]);
  }
  return ruled(rule, "aggregator", scene.claim.claimWh, [...reasons, "the DER's does"]);
}

function opposed(scene: Scene & { readonly aggregator: Testimony }): Verdict {
  const { claim, der, aggregator } = scene;
  const own = beyondCredit(claim, aggregator.measuredWh);
  if (own > toleratedWh(scene, aggregator.measuredWh)) {
    return ruled("swept-below-own-meter", "aggregator", least(claim.claimWh, own), [
      `the Aggregator's own meter has ${aggregator.measuredWh} Wh, but it swept ${claim.creditedWh} Wh`,
    ]);
  }
  const residual = residualOf(scene);
  if (residual === undefined) {
    return open("no-third-meter", ["both meters' evidence stands, and there is no feeder reading to decide"]);
  }
  const saw = [
    `the DER's meter has ${der.measuredWh} Wh, the Aggregator's ${aggregator.measuredWh} Wh`,
    residual.mostWh < 0n
      ? `the feeder leaves nothing, and saw ${-residual.mostWh} Wh less than the neighbours delivered`
      : `the feeder leaves ${residual.leastWh} to ${residual.mostWh} Wh`,
  ];
  const roomForClaim = atLeastWh(scene, der.measuredWh) <= residual.mostWh;
  const roomForSweep = atMostWh(scene, aggregator.measuredWh) >= residual.leastWh;
  if (roomForClaim && roomForSweep) return confirmsBoth(scene, residual, saw);
  if (roomForClaim) return confirmsClaim(scene, saw);
  if (roomForSweep) return confirmsSweep(scene, residual, saw);
  return open("feeder-confirms-neither", [...saw, "it agrees with neither"]);
}

function confirmsBoth({ claim }: Scene, residual: Residual, saw: readonly string[]): Verdict {
  const seen = beyondCredit(claim, (residual.leastWh + residual.mostWh) / 2n);
  return ruled("feeder-confirms-both", "none", least(claim.claimWh, seen), [...saw, "it agrees with both"]);
}

function confirmsClaim(scene: Scene & { readonly aggregator: Testimony }, saw: readonly string[]): Verdict {
  if (mayBeDrift(scene)) {
    return ruled("drift", "none", scene.claim.claimWh, [
      ...saw,
      "it agrees with the DER; a meter may have drifted",
    ]);
  }
  return ruled("feeder-confirms-claimant", "aggregator", scene.claim.claimWh, [
    ...saw,
    "it agrees with the DER",
  ]);
}

/** The feeder has no room for the claim, if the neighbours delivered what the Aggregator says: do they say so too? */
function confirmsSweep(
  scene: Scene & { readonly aggregator: Testimony },
  residual: Residual,
  saw: readonly string[],
): Verdict {
  const { der } = scene;
  const doubtful = doubtfulWh(scene);
  if (atLeastWh(scene, der.measuredWh) <= residual.mostWh + doubtful) {
    return open("neighbours-unconfirmed", [
      ...saw,
      `neighbours do not confirm up to ${doubtful} Wh that the Aggregator has for them: it may be the DER's`,
    ]);
  }
  if (mayBeDrift(scene)) {
    return ruled("drift", "none", 0n, [...saw, "it agrees with the Aggregator; a meter may have drifted"]);
  }
  if (residual.mostWh + doubtful < 0n) {
    return open("feeder-confirms-neither", [...saw, "nor does it agree with the neighbours' own meters"]);
  }
  return ruled("feeder-confirms-respondent", "der", 0n, [...saw, "it agrees with the Aggregator"]);
}

// ------------------------------------------------------------------------------------------------------------ Figures

/** What the feeder leaves for the DER in dispute, at least and at most, meters inside their class. */
interface Residual {
  readonly leastWh: bigint;
  readonly mostWh: bigint;
}

function residualOf(scene: Scene): Residual | undefined {
  const { feederWh, neighbours } = scene;
  if (feederWh === undefined || neighbours === undefined) return undefined;
  const least = neighbours.reduce((sum, { committedWh }) => sum + atLeastWh(scene, committedWh), 0n);
  const most = neighbours.reduce((sum, { committedWh }) => sum + atMostWh(scene, committedWh), 0n);
  const leastWh = lowest(feederWh, FEEDER_PPM, PPM) - most;
  return { leastWh: leastWh > 0n ? leastWh : 0n, mostWh: highest(feederWh, FEEDER_PPM, PPM) - least };
}

/** How much of what the Aggregator has for neighbours, if its meters are inside their class, is its word alone, Wh. */
function doubtfulWh(scene: Scene): bigint {
  return (scene.neighbours ?? []).reduce((sum, { committedWh, signedWh = 0n }) => {
    const [committed, confirmed] = [atLeastWh(scene, committedWh), atLeastWh(scene, signedWh)];
    return committed > confirmed ? sum + committed - confirmed : sum;
  }, 0n);
}

/** The least that flowed through a meter inside its class, which is half of what two meters may differ by. Wh. */
function atLeastWh({ claim }: Scene, measuredWh: bigint): bigint {
  return lowest(measuredWh, claim.meterToleranceBps, 2n * BPS);
}

/** The most that flowed through a meter inside its class, Wh. */
function atMostWh({ claim }: Scene, measuredWh: bigint): bigint {
  return highest(measuredWh, claim.meterToleranceBps, 2n * BPS);
}

/**
 * What a figure stands for at least. The error is a share of what flowed, not of what was measured; and a register of
 * whole Wh is less than one off over an epoch.
 */
function lowest(measuredWh: bigint, error: bigint, whole: bigint): bigint {
  return measuredWh === 0n ? 0n : ((measuredWh - 1n) * whole) / (whole + error);
}

/** What a figure stands for at most; a meter that may miss all that flows is not thought of. */
function highest(measuredWh: bigint, error: bigint, whole: bigint): bigint {
  const shown = whole > error ? whole - error : 1n;
  return ((measuredWh + 1n) * whole + shown - 1n) / shown;
}

function mayBeDrift(scene: Scene & { readonly aggregator: Testimony }): boolean {
  const [a, b] = [scene.der.measuredWh, scene.aggregator.measuredWh];
  return (a > b ? a - b : b - a) <= DRIFT_TOLERANCES * toleratedWh(scene, a < b ? a : b);
}

/** What `measuredWh` entitles to beyond the credit. */
function beyondCredit({ requestedWh, creditedWh }: Claim, measuredWh: bigint): bigint {
  const entitled = least(measuredWh, requestedWh);
  return entitled > creditedWh ? entitled - creditedWh : 0n;
}

function toleratedWh({ claim }: Scene, energyWh: bigint): bigint {
  return tolerance(energyWh, claim.meterToleranceBps, claim.toleranceFloorWh);
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function details({ faults }: Testimony): string[] {
  return faults.map(({ check, detail }) => `${check}: ${detail}`);
}

function ruled(
  rule: RuleName,
  fault: Verdict["fault"],
  awardedWh: bigint,
  reasons: readonly string[],
): Verdict {
  return { by: "rules", fault, awardedWh, rule, reasons };
}

function open(rule: RuleName, reasons: readonly string[]): Verdict {
  return { by: "person", fault: "none", awardedWh: 0n, rule, reasons };
}
