/**
 * The arithmetic of contracts/libraries/Settlement.sol, for programs that must come to the same figures off-chain.
 * Energy in Wh, money in units of the Vault, prices in units per kWh, shares in 1/10,000. Tests hold both sides together.
 */

export const BPS = 10_000n;
const WH_PER_KWH = 1_000n;

/** Price of energy, rounded down: payments and awards. */
export function payment(energyWh: bigint, price: bigint): bigint {
  return (energyWh * price) / WH_PER_KWH;
}

/** The Aggregator's fee on what DERs are paid, rounded down. */
export function fee(paid: bigint, feeBps: bigint): bigint {
  return (paid * feeBps) / BPS;
}

/** The most that energy can cost, fee included, rounded up. */
export function escrow(energyWh: bigint, price: bigint, feeBps: bigint): bigint {
  return dividedUp(energyWh * price * (BPS + feeBps), WH_PER_KWH * BPS);
}

/** Penalty on energy missing beyond the tolerance, rounded down. */
export function penalty(excessWh: bigint, price: bigint, penaltyBps: bigint): bigint {
  return (excessWh * price * penaltyBps) / (WH_PER_KWH * BPS);
}

/** A tolerance on energy, rounded down, but at least the floor. */
export function tolerance(energyWh: bigint, shareBps: bigint, floorWh: bigint): bigint {
  const share = (energyWh * shareBps) / BPS;
  return share > floorWh ? share : floorWh;
}

/** Energy missing beyond the tolerance. */
export function excess(requestedWh: bigint, shortfallWh: bigint, shareBps: bigint, floorWh: bigint): bigint {
  const allowed = tolerance(requestedWh, shareBps, floorWh);
  return shortfallWh > allowed ? shortfallWh - allowed : 0n;
}

/** The most energy a power can deliver in an epoch, rounded up. */
export function capacityWh(powerW: bigint, epochSeconds: bigint): bigint {
  return dividedUp(powerW * epochSeconds, 3600n);
}

/** The part of a penalty that goes back when an award makes up for missing energy, rounded down. */
export function refund(taken: bigint, penalisedWh: bigint, forgivenWh: bigint): bigint {
  return penalisedWh === 0n ? 0n : (taken * forgivenWh) / penalisedWh;
}

/** The deposit for a power, rounded up. */
export function depositFor(powerW: bigint, depositPerKw: bigint): bigint {
  return dividedUp(powerW * depositPerKw, 1000n);
}

/** What must stand of a deposit for the agreement to be in force, rounded up. */
export function floorOf(deposit: bigint, depositFloorBps: bigint): bigint {
  return dividedUp(deposit * depositFloorBps, BPS);
}

function dividedUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}
