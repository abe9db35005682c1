import type { ARIA } from "../../types/index.ts";

/** What a DER must meet to join; see `Criteria` in contracts/interfaces/IARIATypes.sol. */
export interface Criteria {
  readonly minPowerW: bigint;
  readonly maxPowerW: bigint;
  readonly maxPrice: bigint;
  readonly depositPerKw: bigint;
  readonly depositFloorBps: bigint;
  readonly maxProspective: bigint;
}

/** How epochs are settled and disputes decided; see `Rules` there. Times are numbers, in seconds. */
export interface Rules {
  readonly epochSeconds: number;
  readonly sweepWindowSeconds: number;
  readonly disputeWindowSeconds: number;
  readonly rulingWindowSeconds: number;
  readonly deliveryToleranceBps: bigint;
  readonly meterToleranceBps: bigint;
  readonly toleranceFloorWh: bigint;
  readonly penaltyBps: bigint;
  readonly feeBps: bigint;
  readonly aggregatorBond: bigint;
  readonly disputeBond: bigint;
  readonly misreportFine: bigint;
}

/** What never changes in the life of one ARIA. */
export interface ServiceTerms {
  /** Address of the Vault it works with. */
  readonly vault: string;
  readonly criteria: Criteria;
  readonly rules: Rules;
  readonly operatorAccount: bigint;
  readonly aggregatorAccount: bigint;
  readonly escrowAccount: bigint;
}

export async function termsOf(aria: ARIA): Promise<ServiceTerms> {
  const [vault, criteria, rules, operatorAccount, aggregatorAccount, escrowAccount] = await Promise.all([
    aria.vault(),
    aria.criteria(),
    aria.rules(),
    aria.operatorAccount(),
    aria.aggregatorAccount(),
    aria.escrowAccount(),
  ]);
  return {
    vault,
    criteria: {
      minPowerW: criteria.minPowerW,
      maxPowerW: criteria.maxPowerW,
      maxPrice: criteria.maxPrice,
      depositPerKw: criteria.depositPerKw,
      depositFloorBps: criteria.depositFloorBps,
      maxProspective: criteria.maxProspective,
    },
    rules: {
      epochSeconds: Number(rules.epochSeconds),
      sweepWindowSeconds: Number(rules.sweepWindowSeconds),
      disputeWindowSeconds: Number(rules.disputeWindowSeconds),
      rulingWindowSeconds: Number(rules.rulingWindowSeconds),
      deliveryToleranceBps: rules.deliveryToleranceBps,
      meterToleranceBps: rules.meterToleranceBps,
      toleranceFloorWh: rules.toleranceFloorWh,
      penaltyBps: rules.penaltyBps,
      feeBps: rules.feeBps,
      aggregatorBond: rules.aggregatorBond,
      disputeBond: rules.disputeBond,
      misreportFine: rules.misreportFine,
    },
    operatorAccount,
    aggregatorAccount,
    escrowAccount,
  };
}
