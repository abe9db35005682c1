import { disputeWindow, excessOf } from "./flow.ts";
import {
  accountOf,
  add,
  balanceOf,
  type Dispute,
  freeOf,
  least,
  need,
  Refused,
  type Row,
  sum,
  tolerance,
  type World,
} from "./world.ts";

/** What a DER can claim, and how a claim ends; and what the Aggregator is fined for. */

export type Fault = "None" | "Aggregator" | "DER";

export function disputeKey(account: bigint, epoch: bigint): string {
  return `${account}/${epoch}`;
}

/** The key of the meter that speaks for an account in an epoch. */
export function meterOf(world: World, account: bigint, epoch: bigint): string | undefined {
  return world.meters.get(account)?.findLast(({ fromEpoch }) => fromEpoch <= epoch)?.key;
}

// -------------------------------------------------------------------------------------------------------------- Claim

/** A DER claims that its meter measured so much in an epoch, and shows a statement that `signer` signed. */
export function raise(
  world: World,
  party: string,
  requestId: bigint,
  epoch: bigint,
  measuredWh: bigint,
  signer: string,
): void {
  const account = accountOf(world, party);
  const key = disputeKey(account, epoch);
  need(!world.disputes.has(key), "AlreadyDisputed");
  const flow = world.requests.get(requestId);
  if (!flow || flow.status === "Released") throw new Refused("WrongRequestStatus");
  const { opens, closes } = disputeWindow(world, flow);
  need(world.now >= opens, "DisputeWindowNotOpen");
  need(world.now <= closes, "DisputeWindowOver");
  const { row, at } = placeOf(world, requestId, account, epoch);
  need(signer === meterOf(world, account, epoch), "WrongMeter");

  const asked = row.askedWh[at] ?? 0n;
  const entitled = least(measuredWh, asked);
  const claimWh = entitled - (asked - (row.missingWh[at] ?? 0n));
  need(claimWh > tolerance(world, entitled, world.rules.meterToleranceBps), "ClaimWithinTolerance");
  need(freeOf(world, account) >= world.rules.disputeBond, "DisputeBondNotFree");

  // Of a request that was never swept nothing was penalised.
  const excesses = flow.status === "Swept" ? excessOf(world, row) : [];
  const excessWh = excesses[at] ?? 0n;
  const penalty = excessWh === 0n ? 0n : (row.penalty * excessWh) / sum(excesses);
  const claim = { account, requestId, price: row.price, claimWh, excessWh, penalty, raisedAt: world.now };
  world.disputes.set(key, { status: "Open", ...claim });
  add(world, account, -world.rules.disputeBond);
  add(world, world.escrow, world.rules.disputeBond);
}

// ------------------------------------------------------------------------------------------------------------ Outcome

export function resolve(world: World, key: string, awardedWh: bigint, fault: Fault): void {
  const dispute = openDispute(world, key);
  need(world.now <= dispute.raisedAt + world.rules.rulingWindowSeconds, "RulingWindowOver");
  need(awardedWh <= dispute.claimWh, "AwardExceedsClaim");
  need(fault !== "DER" || awardedWh === 0n, "AwardToTheFaulty");
  rule(world, key, dispute, awardedWh, fault);
}

export function settleByDefault(world: World, key: string): void {
  const dispute = openDispute(world, key);
  need(world.now > dispute.raisedAt + world.rules.rulingWindowSeconds, "RulingWindowNotOver");
  payOut(world, dispute, dispute.claimWh, 0n, false);
  dispute.status = "Defaulted";
}

function openDispute(world: World, key: string): Dispute {
  const dispute = world.disputes.get(key);
  if (dispute?.status !== "Open") throw new Refused("WrongDisputeStatus");
  return dispute;
}

function rule(world: World, key: string, dispute: Dispute, awardedWh: bigint, fault: Fault): void {
  const fine = fault === "Aggregator" && !world.fined.has(key) ? finePaid(world, key) : 0n;
  payOut(world, dispute, awardedWh, fine, fault === "DER");
  dispute.status = "Ruled";
}

/** Award, the penalty that goes back with it, and the fine, to the DER; its bond too, unless it forfeits it. */
function payOut(world: World, dispute: Dispute, awardedWh: bigint, fine: bigint, forfeited: boolean): void {
  const { account, price, excessWh, penalty, requestId } = dispute;
  const award = (awardedWh * price) / 1_000n;
  const refund = excessWh === 0n ? 0n : (penalty * least(awardedWh, excessWh)) / excessWh;
  const bond = world.rules.disputeBond;
  add(world, world.escrow, -award - refund - bond);
  add(world, account, award + refund + fine);
  add(world, world.aggregator, -fine);
  add(world, forfeited ? world.aggregator : account, bond);
  const flow = world.requests.get(requestId);
  if (flow) flow.escrow -= award + refund;
}

/** Notes that the Aggregator is fined for an account and epoch: with the fine, or what it has. */
function finePaid(world: World, key: string): bigint {
  need(world.bonded, "BondTooLow");
  world.fined.add(key);
  return least(balanceOf(world, world.aggregator), world.rules.misreportFine);
}

// ------------------------------------------------------------------------------------- What needs no ruling to be fined

/** Anybody shows that the Aggregator committed to another figure of its own meter than it swept. */
export function contradict(
  world: World,
  requestId: bigint,
  account: bigint,
  epoch: bigint,
  committedWh: bigint,
): void {
  const flow = world.requests.get(requestId);
  // Released without a sweep, it holds no tree that a leaf could be in.
  if (!flow || flow.status === "Requested") throw new Refused("WrongRequestStatus");
  const key = disputeKey(account, epoch);
  need(!world.fined.has(key), "AlreadyFined");
  const { row, at } = placeOf(world, requestId, account, epoch);
  const asked = row.askedWh[at] ?? 0n;
  need(least(committedWh, asked) !== asked - (row.missingWh[at] ?? 0n), "NoContradiction");
  const fine = finePaid(world, key);
  add(world, world.aggregator, -fine);
  add(world, world.operator, fine);
}

/** Anybody shows two statements about one DER and epoch, both signed by `signer`. */
export function equivocate(world: World, account: bigint, epoch: bigint, signer: string): void {
  const key = disputeKey(account, epoch);
  need(world.now >= (epoch + 1n) * world.rules.epochSeconds, "EpochNotOver");
  if (signer === meterOf(world, account, epoch)) {
    const dispute = world.disputes.get(key);
    need(dispute === undefined || dispute.status === "Open", "WrongDisputeStatus");
    if (dispute) rule(world, key, dispute, 0n, "DER");
    else world.disputes.set(key, barred(account));
    return;
  }
  need(accountOf(world, signer) === world.aggregator, "WrongMeter");
  need(!world.fined.has(key), "AlreadyFined");
  const fine = finePaid(world, key);
  add(world, world.aggregator, -fine);
  add(world, world.operator, fine);
}

function barred(account: bigint): Dispute {
  const nothing = { requestId: 0n, price: 0n, claimWh: 0n, excessWh: 0n, penalty: 0n, raisedAt: 0n };
  return { status: "Barred", account, ...nothing };
}

// ------------------------------------------------------------------------------------------------------------- Shared

function placeOf(world: World, requestId: bigint, account: bigint, epoch: bigint): { row: Row; at: number } {
  const flow = world.requests.get(requestId);
  const at = flow ? Number(epoch - flow.firstEpoch) : -1;
  const row = flow?.rows.find((each) => each.account === account);
  need(flow !== undefined && at >= 0 && at < Number(flow.count), "EpochNotRequested");
  if (!row) throw new Refused("RowOfAnother");
  return { row, at };
}
