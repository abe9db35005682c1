import {
  accountOf,
  type Agreement,
  balanceOf,
  deposit,
  epochOf,
  most,
  need,
  openAccount,
  startOf,
  up,
  type World,
} from "./world.ts";

/** How DERs join, are commissioned, top up, leave and close; the Aggregator's bond; the guardian's pause. */

// ------------------------------------------------------------------------------------------------------------ The DER

/** Applies with so much power at such a price, and pays in units on the way. */
export function join(world: World, party: string, powerW: bigint, price: bigint, units: bigint): void {
  const { minPowerW, maxPowerW, maxPrice, maxProspective } = world.criteria;
  need(!world.paused, "WhilePaused");
  need(powerW >= minPowerW, "PowerTooLow");
  need(powerW <= maxPowerW, "PowerTooHigh");
  need(price <= maxPrice, "PriceTooHigh");
  need(prospective(world) < maxProspective, "TooManyProspective");
  if (units > 0n) deposit(world, party, units);
  const account = openAccount(world, party);
  need(account !== world.operator && account !== world.aggregator, "PartyHasARole");
  const before = world.agreements.get(account)?.status ?? "Closed";
  need(before === "Closed", "WrongAgreementStatus");
  const due = depositFor(world, powerW);
  need(balanceOf(world, account) >= due, "DepositTooLow");

  const terms = { powerW, price, deposit: due, sinceEpoch: 0n, untilEpoch: 0n };
  world.agreements.set(account, { status: "Prospective", ...terms });
  world.locks.set(account, due);
}

export function topUp(world: World, party: string, units: bigint): void {
  agreementOf(world, party, ["Prospective", "Active", "Leaving"]);
  deposit(world, party, units);
}

export function leave(world: World, party: string): void {
  const agreement = agreementOf(world, party, ["Prospective", "Active"]);
  if (agreement.status === "Prospective") {
    end(world, party, agreement);
  } else {
    agreement.status = "Leaving";
    agreement.untilEpoch = most(epochOf(world) + 3n, world.requestedUntil);
  }
}

export function close(world: World, party: string): void {
  const agreement = agreementOf(world, party, ["Leaving"]);
  const lastSweep = startOf(world, agreement.untilEpoch) + world.rules.sweepWindowSeconds;
  need(world.now > lastSweep, "ClosingTooEarly");
  end(world, party, agreement);
}

// ------------------------------------------------------------------------------------------------------- The Operator

/** Puts a meter in charge from the next epoch on. */
export function commission(world: World, party: string, key: string): void {
  const agreement = agreementOf(world, party, ["Prospective", "Active", "Leaving"]);
  const fromEpoch = epochOf(world) + 1n;
  if (agreement.status === "Prospective")
    Object.assign(agreement, { status: "Active", sinceEpoch: fromEpoch });
  const account = accountOf(world, party);
  world.meters.set(account, [...(world.meters.get(account) ?? []), { key, fromEpoch }]);
}

export function reject(world: World, party: string): void {
  end(world, party, agreementOf(world, party, ["Prospective"]));
}

// --------------------------------------------------------------------------------------- The Aggregator, the guardian

export function postBond(world: World): void {
  need(balanceOf(world, world.aggregator) >= world.rules.aggregatorBond, "BondTooLow");
  world.bonded = true;
  world.locks.set(world.aggregator, world.rules.aggregatorBond);
}

export function releaseBond(world: World): void {
  need(
    [...world.requests.values()].every(({ status }) => status === "Released"),
    "BondInUse",
  );
  world.bonded = false;
  world.locks.set(world.aggregator, 0n);
}

export function setPaused(world: World, paused: boolean): void {
  world.paused = paused;
}

// ------------------------------------------------------------------------------------------------------------- Shared

export function depositFor(world: World, powerW: bigint): bigint {
  return up(powerW * world.criteria.depositPerKw, 1_000n);
}

/** What must stand in the account for flow to be requested. */
export function floorOf(world: World, units: bigint): bigint {
  return up(units * world.criteria.depositFloorBps, 10_000n);
}

/** As the contracts answer: with Suspended, which is Active with too little in the account. */
export function statusOf(world: World, account: bigint, { status, deposit: due }: Agreement): string {
  const suspended = status === "Active" && balanceOf(world, account) < floorOf(world, due);
  return suspended ? "Suspended" : status;
}

function prospective(world: World): number {
  return [...world.agreements.values()].filter(({ status }) => status === "Prospective").length;
}

function agreementOf(world: World, party: string, statuses: Agreement["status"][]): Agreement {
  const agreement = world.agreements.get(accountOf(world, party));
  need(agreement !== undefined && statuses.includes(agreement.status), "WrongAgreementStatus");
  return agreement!;
}

function end(world: World, party: string, agreement: Agreement): void {
  agreement.status = "Closed";
  world.locks.set(accountOf(world, party), 0n);
}
