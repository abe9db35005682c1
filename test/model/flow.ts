import { depositFor, floorOf } from "./agreements.ts";
import {
  add,
  balanceOf,
  epochOf,
  least,
  need,
  type Request,
  Refused,
  type Row,
  startOf,
  sum,
  tolerance,
  up,
  type World,
} from "./world.ts";

/** What is ordered, requested, swept and released. */

const MOST_EPOCHS_AHEAD = 4_096n;

// ------------------------------------------------------------------------------------------------------------- Orders

export function order(world: World, firstEpoch: bigint, baselineWh: bigint[]): void {
  need(baselineWh.length > 0, "EmptyOrder");
  need(firstEpoch > epochOf(world), "EpochStarted");
  const untilEpoch = firstEpoch + BigInt(baselineWh.length);
  need(untilEpoch <= epochOf(world) + MOST_EPOCHS_AHEAD, "TooFarAhead");
  world.orders.set(BigInt(world.orders.size + 1), { firstEpoch, leftWh: [...baselineWh] });
}

export function cancelOrder(world: World, orderId: bigint): void {
  const ordered = world.orders.get(orderId);
  need(ordered !== undefined && ordered.leftWh.length > 0, "UnknownOrder");
  world.orders.set(orderId, { firstEpoch: 0n, leftWh: [] });
}

// ----------------------------------------------------------------------------------------------------------- Requests

export type Asked = Pick<Row, "account" | "price" | "powerW" | "askedWh">;

export function request(world: World, orderId: bigint, firstEpoch: bigint, asked: Asked[]): void {
  need(!world.paused, "WhilePaused");
  const [first, last] = [asked.at(0), asked.at(-1)];
  if (!first || !last) throw new Refused("EmptyRequest");
  const untilEpoch = firstEpoch + BigInt(first.askedWh.length);

  need(firstEpoch > epochOf(world), "EpochStarted");
  need(world.bonded, "BondTooLow");
  if (firstEpoch === world.latest.firstEpoch && untilEpoch === world.requestedUntil) {
    need(first.account > world.latest.lastAccount, "RowsOutOfOrder");
  } else {
    need(firstEpoch >= world.requestedUntil, "RequestOutOfOrder");
  }
  for (const { account, powerW } of asked) {
    need(balanceOf(world, account) >= floorOf(world, depositFor(world, powerW)), "DepositUnderFloor");
  }
  need(balanceOf(world, world.aggregator) >= world.rules.aggregatorBond, "BondTooLow");

  const ordered = world.orders.get(orderId);
  if (!ordered || ordered.leftWh.length === 0) throw new Refused("UnknownOrder");
  const orderedUntil = ordered.firstEpoch + BigInt(ordered.leftWh.length);
  need(firstEpoch >= ordered.firstEpoch && untilEpoch <= orderedUntil, "OutsideOrder");
  asked.forEach((row, i) => {
    need(i === 0 || row.account > (asked[i - 1]?.account ?? 0n), "RowsOutOfOrder");
    requireAskable(world, row, firstEpoch, untilEpoch);
  });
  first.askedWh.forEach((_, i) => {
    const at = Number(firstEpoch - ordered.firstEpoch) + i;
    const left = (ordered.leftWh[at] ?? 0n) - sum(asked.map(({ askedWh }) => askedWh[i] ?? 0n));
    need(left >= 0n, "BaselineExceeded");
    ordered.leftWh[at] = left;
  });

  const escrow = sum(asked.map((row) => mostThatCanBeDue(world, row)));
  add(world, world.operator, -escrow);
  add(world, world.escrow, escrow);
  world.requests.set(BigInt(world.requests.size + 1), {
    status: "Requested",
    firstEpoch,
    count: untilEpoch - firstEpoch,
    rows: asked.map((row) => ({ ...row, missingWh: [...row.askedWh], penalty: 0n })),
    escrow,
    sweptAt: 0n,
  });
  world.latest = { firstEpoch, lastAccount: last.account };
  world.requestedUntil = untilEpoch;
}

/** That a DER is asked on its terms, while it is in force, for no more than its power gives. */
function requireAskable(world: World, row: Asked, firstEpoch: bigint, untilEpoch: bigint): void {
  const agreement = world.agreements.get(row.account);
  const asAgreed = agreement?.price === row.price && agreement.powerW === row.powerW;
  if (!agreement || !asAgreed) throw new Refused("TermsMismatch");
  const { status, sinceEpoch, powerW } = agreement;
  const inForce = status === "Active" || (status === "Leaving" && untilEpoch <= agreement.untilEpoch);
  need(inForce && firstEpoch >= sinceEpoch, "AgreementNotInForce");
  const mostWh = up(powerW * world.rules.epochSeconds, 3_600n);
  need(
    row.askedWh.every((wh) => wh <= mostWh),
    "PowerExceeded",
  );
}

/** The price of all that is asked with the fee on it, rounded up. */
function mostThatCanBeDue({ rules }: World, { askedWh, price }: Asked): bigint {
  return up(sum(askedWh) * price * (10_000n + rules.feeBps), 10_000_000n);
}

// ------------------------------------------------------------------------------------------------------------- Sweeps

/** When the last epoch is over. */
export function endOf(world: World, { firstEpoch, count }: Request): bigint {
  return startOf(world, firstEpoch + count);
}

export function sweepDeadline(world: World, flow: Request): bigint {
  return endOf(world, flow) + world.rules.sweepWindowSeconds;
}

export function sweep(world: World, requestId: bigint, missingWh: bigint[][]): void {
  const flow = world.requests.get(requestId);
  if (flow?.status !== "Requested") throw new Refused("WrongRequestStatus");
  need(world.now >= endOf(world, flow), "EpochNotOver");
  need(world.now <= sweepDeadline(world, flow), "SweepWindowOver");
  const nothingMissesTwice = flow.rows.every(({ askedWh }, row) =>
    askedWh.every((wh, i) => (missingWh[row]?.[i] ?? 0n) <= wh),
  );
  need(nothingMissesTwice, "ShortfallExceedsRequest");

  const { penaltyBps, feeBps } = world.rules;
  let [paid, taken] = [0n, 0n];
  flow.rows.forEach((row, index) => {
    row.missingWh = [...(missingWh[index] ?? [])];
    const payment = ((sum(row.askedWh) - sum(row.missingWh)) * row.price) / 1_000n;
    const due = (sum(excessOf(world, row)) * row.price * penaltyBps) / 10_000_000n;
    row.penalty = least(due, depositFor(world, row.powerW), balanceOf(world, row.account));
    add(world, row.account, payment - row.penalty);
    paid += payment;
    taken += row.penalty;
  });
  const fee = (paid * feeBps) / 10_000n;
  add(world, world.aggregator, fee);
  add(world, world.escrow, taken - paid - fee);
  flow.escrow += taken - paid - fee;
  flow.status = "Swept";
  flow.sweptAt = world.now;
}

/** Wh missing beyond the tolerance, of each epoch. */
export function excessOf(world: World, { askedWh, missingWh }: Row): bigint[] {
  return askedWh.map((wh, i) => {
    const allowed = tolerance(world, wh, world.rules.deliveryToleranceBps);
    const missing = missingWh[i] ?? 0n;
    return missing > allowed ? missing - allowed : 0n;
  });
}

// ------------------------------------------------------------------------------------------------------------ Release

/** From when to when claims can be raised. */
export function disputeWindow(world: World, flow: Request): { opens: bigint; closes: bigint } {
  const opens = flow.status === "Swept" ? flow.sweptAt : sweepDeadline(world, flow) + 1n;
  return { opens, closes: opens + world.rules.disputeWindowSeconds };
}

export function openDisputesOf(world: World, requestId: bigint): bigint {
  const disputes = [...world.disputes.values()];
  return BigInt(disputes.filter((each) => each.requestId === requestId && each.status === "Open").length);
}

export function release(world: World, requestIds: bigint[]): void {
  for (const requestId of requestIds) {
    const flow = world.requests.get(requestId);
    if (!flow || flow.status === "Released") throw new Refused("WrongRequestStatus");
    const over = world.now > disputeWindow(world, flow).closes;
    need(over && openDisputesOf(world, requestId) === 0n, "EscrowStillNeeded");
    add(world, world.escrow, -flow.escrow);
    add(world, world.operator, flow.escrow);
    flow.escrow = 0n;
    flow.status = "Released";
  }
}
