import { EPOCH_SECONDS } from "./timetable.ts";

/** The demo's parameters: money in gwei of the native coin, shares in 1/10,000. See IARIATypes.sol for their meaning. */

export const GWEI = 10n ** 9n;

export const CRITERIA = {
  minPowerW: 1_000n,
  maxPowerW: 100_000n,
  maxPrice: 45_000n,
  depositPerKw: 100_000n,
  depositFloorBps: 5_000n,
  maxProspective: 1_000n,
};

export const RULES = {
  epochSeconds: BigInt(EPOCH_SECONDS),
  sweepWindowSeconds: 900n,
  disputeWindowSeconds: 300n,
  rulingWindowSeconds: 1_800n,
  deliveryToleranceBps: 1_000n,
  meterToleranceBps: 200n,
  toleranceFloorWh: 10n,
  penaltyBps: 5_000n,
  feeBps: 300n,
  aggregatorBond: 5_000_000n,
  disputeBond: 50_000n,
  misreportFine: 200_000n,
};

/** Long enough for a member who objects to a new ARIA to leave the old one: notice, last sweep, dispute and ruling. */
export const EXIT_WINDOW_SECONDS = 6_000;

/** Share of the expected production that the Operator orders, and of its forecast that a DER is asked for, percent. */
export const BASELINE_PERCENT = 60n;
export const PROMISED_PERCENT = 80n;

/** Error of the feeder meters, parts per million, well inside their class. */
export const FEEDER_GAIN_PPM = 150n;
/** How many DERs are behind one feeder meter: the houses of a street. */
export const DERS_PER_FEEDER = 12;
