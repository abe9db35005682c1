import { tolerance } from "../settlement/rules.ts";
import type { BundleFault } from "./verify.ts";

/** One party's evidence, after it was checked. */
export interface Testimony {
  /** Wh its meter measured in the epoch; meaningless unless `faults` is empty. */
  readonly measuredWh: bigint;
  /** What is wrong with the evidence; empty when it stands. */
  readonly faults: readonly BundleFault[];
}

/** A dispute with everything that is known of it. Energy in Wh. */
export interface Case {
  readonly requestedWh: bigint;
  /** What was swept; zero if nothing was. */
  readonly creditedWh: bigint;
  readonly claimWh: bigint;
  /** Undefined when the party gave no evidence. */
  readonly der: Testimony | undefined;
  readonly aggregator: Testimony | undefined;
  /** What the feeder meter saw of all DERs together; undefined if it has no reading of the epoch. */
  readonly feederWh: bigint | undefined;
  /** What the Aggregator committed to for all other DERs on the feeder; undefined if it gave no commitment. */
  readonly othersWh: bigint | undefined;
  readonly meterToleranceBps: bigint;
  readonly toleranceFloorWh: bigint;
  /** Accuracy of the feeder meter and of the sum of the others, in parts per million of what it saw. */
  readonly feederPpm: bigint;
}

/** What the rules make of a case. */
export interface Verdict {
  /** `person`: the rules leave it open, and a person decides. */
  readonly by: "rules" | "person";
  readonly fault: "none" | "aggregator" | "der";
  readonly awardedWh: bigint;
  /** In the order they were found. */
  readonly reasons: readonly string[];
}

/**
 * The published rules of disputes: from evidence to verdict. Pure, so that whoever has the evidence comes to the same.
 *
 * Three meters measured the same flow. A party that cannot show its own is not believed. Where two that can disagree,
 * the third decides: what the feeder saw, less what the others delivered, is near one of them.
 */
export function adjudicate(dispute: Case): Verdict {
  const { der, aggregator } = dispute;
  if (der === undefined) return ruled("der", 0n, ["the DER gave no evidence for its claim"]);
  if (der.faults.length > 0) return ruled("der", 0n, ["the DER's evidence does not stand", ...details(der)]);
  if (aggregator === undefined)
    return unopposed(dispute, der, ["the Aggregator gave no evidence for its sweep"]);
  if (aggregator.faults.length > 0) {
    return unopposed(dispute, der, ["the Aggregator's evidence does not stand", ...details(aggregator)]);
  }
  return opposed(dispute, der, aggregator);
}

/** Only the DER's evidence stands: it is believed unless the feeder contradicts it. */
function unopposed(dispute: Case, der: Testimony, reasons: string[]): Verdict {
  const residual = residualOf(dispute);
  if (residual !== undefined && !near(dispute, residual, der.measuredWh)) {
    return open([
      ...reasons,
      `but the feeder leaves ${residual} Wh for a DER that claims ${der.measuredWh} Wh`,
    ]);
  }
  return ruled("aggregator", dispute.claimWh, [...reasons, "the DER's does"]);
}

function opposed(dispute: Case, der: Testimony, aggregator: Testimony): Verdict {
  const own = beyondCredit(dispute, aggregator.measuredWh);
  if (own > toleratedWh(dispute, aggregator.measuredWh)) {
    return ruled("aggregator", dispute.claimWh < own ? dispute.claimWh : own, [
      `the Aggregator's own meter has ${aggregator.measuredWh} Wh, but it swept ${dispute.creditedWh} Wh`,
    ]);
  }
  const residual = residualOf(dispute);
  if (residual === undefined)
    return open(["both meters' evidence stands, and there is no feeder reading to decide"]);
  const saw = `the feeder leaves ${residual} Wh for a DER that claims ${der.measuredWh} Wh and was metered at ${aggregator.measuredWh} Wh`;
  const [nearDer, nearAggregator] = [
    near(dispute, residual, der.measuredWh),
    near(dispute, residual, aggregator.measuredWh),
  ];
  if (nearDer && !nearAggregator) return ruled("aggregator", dispute.claimWh, [saw]);
  if (nearAggregator && !nearDer) return ruled("der", 0n, [saw]);
  if (!nearDer) return open([saw, "it agrees with neither"]);
  const seen = beyondCredit(dispute, residual);
  return ruled("none", seen < dispute.claimWh ? seen : dispute.claimWh, [
    saw,
    "it agrees with both: a drift of meters",
  ]);
}

/** What the feeder leaves for the DER in dispute. */
function residualOf({ feederWh, othersWh }: Case): bigint | undefined {
  if (feederWh === undefined || othersWh === undefined) return undefined;
  return feederWh > othersWh ? feederWh - othersWh : 0n;
}

/** What `measuredWh` entitles to beyond the credit. */
function beyondCredit({ requestedWh, creditedWh }: Case, measuredWh: bigint): bigint {
  const entitled = measuredWh < requestedWh ? measuredWh : requestedWh;
  return entitled > creditedWh ? entitled - creditedWh : 0n;
}

function near(dispute: Case, residual: bigint, measuredWh: bigint): boolean {
  const difference = residual > measuredWh ? residual - measuredWh : measuredWh - residual;
  const feederError = ((dispute.feederWh ?? 0n) * dispute.feederPpm) / 1_000_000n;
  const allowed = toleratedWh(dispute, measuredWh);
  return difference <= (allowed > feederError ? allowed : feederError);
}

function toleratedWh(dispute: Case, energyWh: bigint): bigint {
  return tolerance(energyWh, dispute.meterToleranceBps, dispute.toleranceFloorWh);
}

function details({ faults }: Testimony): string[] {
  return faults.map(({ check, detail }) => `${check}: ${detail}`);
}

function ruled(fault: Verdict["fault"], awardedWh: bigint, reasons: string[]): Verdict {
  return { by: "rules", fault, awardedWh, reasons };
}

function open(reasons: string[]): Verdict {
  return { by: "person", fault: "none", awardedWh: 0n, reasons };
}
