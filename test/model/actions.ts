import { type Wallet } from "ethers";

import { capacityWh } from "../../agents/settlement/rules.ts";
import {
  flowLeaf,
  type FlowStatement,
  flowTree,
  raise as raiseClaim,
  rowProof,
  signed,
  statementOf,
} from "../contracts/claims.ts";
import type { Dice } from "../contracts/dice.ts";
import { Fault, UNIT } from "../contracts/fixture.ts";
import { orderBaseline, sendRequest, sendSweep } from "../contracts/settling.ts";
import * as agreements from "./agreements.ts";
import * as disputes from "./disputes.ts";
import * as flow from "./flow.ts";
import { AGGREGATOR, type Stage } from "./stage.ts";
import { accountOf, balanceOf, deposit, epochOf, freeOf, type Request, startOf, withdraw } from "./world.ts";

/**
 * What can happen on a random day: each action is steered by dice, mostly towards what is allowed, and now and then beyond it.
 */
export type Action = (stage: Stage, dice: Dice) => Promise<unknown>;

const ORDERED_EPOCHS = 30;

// --------------------------------------------------------------------------------------------------------------- Time

/** Time passes: into the next epoch, or to about the edge of some window. */
async function wait(stage: Stage, dice: Dice): Promise<void> {
  const { world } = stage;
  const edges = [...world.requests.values()].flatMap((each) => [
    flow.endOf(world, each),
    flow.sweepDeadline(world, each) + 1n,
    flow.disputeWindow(world, each).closes + 1n,
  ]);
  for (const { raisedAt } of world.disputes.values())
    edges.push(raisedAt + world.rules.rulingWindowSeconds + 1n);
  for (const { untilEpoch } of world.agreements.values()) {
    edges.push(startOf(world, untilEpoch) + world.rules.sweepWindowSeconds + 1n);
  }
  const edge = dice.pick(edges.filter((each) => each > world.now + 2n && each < world.now + 9_000n));
  const next = startOf(world, epochOf(world) + 1n);
  // What comes next is done a second later.
  const target =
    edge !== undefined && dice.oneIn(3) ? edge - dice.between(1n, 2n) : next + BigInt(dice.draw(600));
  world.now = target;
  return Promise.resolve();
}

// -------------------------------------------------------------------------------------------------------------- Money

async function pay(stage: Stage, dice: Dice): Promise<void> {
  const { vault, stranger, operator } = stage.system;
  const party = anybody(stage, dice).address;
  const units = dice.oneIn(12) ? 0n : dice.between(1n, party === operator.address ? 900_000_000n : 400_000n);
  const send = () => vault.connect(stranger).deposit(party, units, { value: units * UNIT });
  await stage.both(
    "deposit",
    (next) => {
      deposit(next, party, units);
    },
    send,
  );
}

async function takeOut(stage: Stage, dice: Dice): Promise<void> {
  const party = anybody(stage, dice);
  const free = freeOf(stage.world, accountOf(stage.world, party.address));
  const some = free > 1n ? free / dice.between(1n, 4n) : free;
  const units = dice.oneIn(6) ? free + 1n : dice.oneIn(12) ? 0n : some;
  const send = () => stage.system.vault.connect(party).withdraw(units, party);
  await stage.both(
    "withdrawal",
    (next) => {
      withdraw(next, party.address, units);
    },
    send,
  );
}

function anybody({ system }: Stage, dice: Dice) {
  const { ders, operator, aggregator } = system;
  return dice.pick([...ders.map(({ signer }) => signer), operator, aggregator]) ?? operator;
}

// --------------------------------------------------------------------------------------------------------- Agreements

async function join(stage: Stage, dice: Dice): Promise<void> {
  const { aria, criteria } = stage.system;
  const der = someDer(stage, dice, ["none", "Closed"]);
  const powerW = dice.between(criteria.minPowerW - 50n, 20_000n);
  const price = dice.oneIn(16) ? criteria.maxPrice + 1n : dice.between(0n, criteria.maxPrice);
  const due = (powerW * criteria.depositPerKw + 999n) / 1_000n;
  const units = dice.oneIn(8) ? 0n : dice.oneIn(8) ? due - 1n : due + BigInt(dice.draw(500_000));
  const meter = stage.newMeter();
  const { address } = der.signer;
  await stage.both(
    "join",
    (next) => {
      agreements.join(next, address, powerW, price, units);
    },
    () => aria.connect(der.signer).join(powerW, price, meter, { value: units * UNIT }),
  );
}

async function commission(stage: Stage, dice: Dice): Promise<void> {
  const { aria, operator } = stage.system;
  const { address } = someDer(stage, dice, ["Prospective"]).signer;
  const meter = stage.newMeter().address;
  const send = () => aria.connect(operator).commission([{ der: address, meter }]);
  await stage.both(
    "commissioning",
    (next) => {
      agreements.commission(next, address, meter);
    },
    send,
  );
}

async function reject(stage: Stage, dice: Dice): Promise<void> {
  const { aria, operator } = stage.system;
  const { address } = someDer(stage, dice, ["Prospective"]).signer;
  const send = () => aria.connect(operator).reject(address);
  await stage.both(
    "rejection",
    (next) => {
      agreements.reject(next, address);
    },
    send,
  );
}

async function topUp(stage: Stage, dice: Dice): Promise<void> {
  const { signer } = someDer(stage, dice, ["Active", "Leaving"]);
  const units = dice.oneIn(10) ? 0n : dice.between(1n, 2_000_000n);
  const send = () => stage.system.aria.connect(signer).topUp({ value: units * UNIT });
  await stage.both(
    "top-up",
    (next) => {
      agreements.topUp(next, signer.address, units);
    },
    send,
  );
}

async function leave(stage: Stage, dice: Dice): Promise<void> {
  const { signer } = someDer(stage, dice, ["Active"]);
  const send = () => stage.system.aria.connect(signer).leave();
  await stage.both(
    "leave",
    (next) => {
      agreements.leave(next, signer.address);
    },
    send,
  );
}

async function close(stage: Stage, dice: Dice): Promise<void> {
  const { signer } = someDer(stage, dice, ["Leaving"]);
  const send = () => stage.system.aria.connect(signer).close();
  await stage.both(
    "close",
    (next) => {
      agreements.close(next, signer.address);
    },
    send,
  );
}

/** A DER whose agreement is one of these if there is one; now and then any. */
function someDer({ system, world }: Stage, dice: Dice, statuses: string[]) {
  const fitting = system.ders.filter(({ signer }) => {
    const status = world.agreements.get(accountOf(world, signer.address))?.status ?? "none";
    return statuses.includes(status);
  });
  const der = (dice.oneIn(10) ? undefined : dice.pick(fitting)) ?? dice.pick(system.ders);
  if (!der) throw new Error("there are no DERs");
  return der;
}

/** The Aggregator fills its account up and posts the bond, or takes it back. */
async function bond(stage: Stage, dice: Dice): Promise<void> {
  const { world, system } = stage;
  const { aria, vault, aggregator } = system;
  const asAggregator = aria.connect(aggregator);
  if (dice.oneIn(4)) {
    await stage.both("bond released", agreements.releaseBond, () => asAggregator.releaseBond());
    return;
  }
  const missing = world.rules.aggregatorBond - balanceOf(world, world.aggregator);
  if (missing > 0n && !dice.oneIn(6)) {
    const send = () => vault.connect(system.stranger).deposit(aggregator, missing, { value: missing * UNIT });
    await stage.both(
      "deposit",
      (next) => {
        deposit(next, aggregator.address, missing);
      },
      send,
    );
  }
  await stage.both("bond posted", agreements.postBond, () => asAggregator.postBond());
}

async function pause(stage: Stage, dice: Dice): Promise<void> {
  const { aria, guardian } = stage.system;
  const paused = !stage.world.paused && dice.oneIn(2);
  const send = () => aria.connect(guardian).setPaused(paused);
  await stage.both(
    "pause",
    (next) => {
      agreements.setPaused(next, paused);
    },
    send,
  );
}

// ----------------------------------------------------------------------------------------------------------- Requests

/** The Aggregator requests after all that is requested, or a further page of the same; on the latest order or a new one. */
async function request(stage: Stage, dice: Dice): Promise<void> {
  const { world } = stage;
  const last = world.requests.get(BigInt(world.requests.size));
  const samePage = last !== undefined && last.firstEpoch > epochOf(world) && dice.oneIn(2);
  const count = samePage ? Number(last.count) : (dice.pick([1, 2, 3, 5, 9, 17]) ?? 1);
  const soonest = epochOf(world) + 1n;
  let first = samePage ? last.firstEpoch : dice.oneIn(12) ? soonest - 1n : soonest;
  if (!samePage && first < world.requestedUntil && !dice.oneIn(8)) first = world.requestedUntil;
  const above = samePage && !dice.oneIn(8) ? world.latest.lastAccount : 0n;
  const asked = rowsAbove(stage, dice, above, count);
  if (asked.length === 0) return;
  const orderId = await orderFor(stage, dice, first, BigInt(count));
  const ordered = stage.world.orders.get(orderId);
  const order = { id: orderId, firstEpoch: ordered?.firstEpoch ?? 0n, leftWh: ordered?.leftWh ?? [] };
  const rows = asked.map(({ askedWh, ...terms }) => ({ ...terms, energyWh: askedWh }));
  await stage.both(
    samePage ? "further page" : "request",
    (next) => {
      flow.request(next, orderId, first, asked);
    },
    () => sendRequest(stage.system, order, first, rows),
  );
}

function rowsAbove({ world, system }: Stage, dice: Dice, above: bigint, count: number): flow.Asked[] {
  const asked: flow.Asked[] = [];
  for (const [account, { status, price, deposit: due, powerW }] of world.agreements) {
    const askable = status === "Active" || status === "Leaving";
    if (account <= above || dice.oneIn(askable ? 3 : 8) === askable) continue;
    const most = capacityWh(powerW, system.rules.epochSeconds);
    const askedWh = Array.from({ length: count }, () => (dice.oneIn(5) ? most : dice.between(0n, most)));
    if (dice.oneIn(24)) askedWh[0] = most + 1n;
    asked.push({ account, price: dice.oneIn(24) ? price + 1n : price, deposit: due, askedWh });
  }
  asked.sort((a, b) => Number(a.account - b.account));
  return dice.oneIn(16) ? asked.reverse() : asked;
}

/** The number of an order that has these epochs: the latest, or a new one. */
async function orderFor(stage: Stage, dice: Dice, first: bigint, count: bigint): Promise<bigint> {
  const latest = BigInt(stage.world.orders.size);
  const ordered = stage.world.orders.get(latest);
  const covers =
    ordered &&
    first >= ordered.firstEpoch &&
    first + count <= ordered.firstEpoch + BigInt(ordered.leftWh.length);
  if (covers || (latest > 0n && dice.oneIn(20))) return latest;
  const from = epochOf(stage.world) + 1n;
  const baselineWh = Array.from({ length: ORDERED_EPOCHS }, () => dice.between(8_000n, 60_000n));
  await stage.both(
    "order",
    (next) => {
      flow.order(next, from, baselineWh);
    },
    () => orderBaseline(stage.system, from, baselineWh).then(() => undefined as never),
  );
  return latest + 1n;
}

async function cancelOrder(stage: Stage, dice: Dice): Promise<void> {
  const orderId = BigInt(Math.max(0, stage.world.orders.size - dice.draw(3)));
  const send = () => stage.system.aria.connect(stage.system.operator).cancelOrder(orderId);
  await stage.both(
    "order cancelled",
    (next) => {
      flow.cancelOrder(next, orderId);
    },
    send,
  );
}

// ------------------------------------------------------------------------------------------------------------- Sweeps

/** Sweeps a request, mostly when it can be, with nothing, some or all missing. */
async function sweep(stage: Stage, dice: Dice): Promise<void> {
  const { world } = stage;
  const found = someRequest(stage, dice, ["Requested"]);
  if (!found) return;
  const [requestId, flowRequest] = found;
  const end = flow.endOf(world, flowRequest);
  if (world.now < end && !dice.oneIn(8)) world.now = end - (dice.oneIn(4) ? 2n : 1n) + BigInt(dice.draw(2));
  const honest = dice.oneIn(5);
  const missingWh = flowRequest.rows.map(({ askedWh }) =>
    askedWh.map((wh) => {
      if (honest || dice.oneIn(2)) return 0n;
      if (dice.oneIn(300)) return wh + 1n;
      return dice.oneIn(3) ? wh : dice.between(0n, wh);
    }),
  );
  const leaves = flowRequest.rows.flatMap(({ account, askedWh }, row) =>
    askedWh.map((wh, i) => {
      const swept = wh - (missingWh[row]?.[i] ?? 0n);
      return flowLeaf(
        stage.der(account),
        flowRequest.firstEpoch + BigInt(i),
        dice.oneIn(6) || swept < 0n ? wh : swept,
      );
    }),
  );
  const tree = flowTree(leaves);
  const done = await stage.both(
    "sweep",
    (next) => {
      flow.sweep(next, requestId, missingWh);
    },
    () => sendSweep(stage.system, stage.settled(requestId), missingWh, tree.root),
  );
  if (done) stage.flows.set(requestId, { leaves, ...tree });
}

async function release(stage: Stage, dice: Dice): Promise<void> {
  const { world } = stage;
  const over = [...world.requests].filter(
    ([, each]) => each.status !== "Released" && world.now > flow.disputeWindow(world, each).closes,
  );
  const ids = Array.from({ length: 1 + dice.draw(2) }, () => {
    const found = (dice.oneIn(6) ? undefined : dice.pick(over)) ?? dice.pick([...world.requests]);
    return found?.[0] ?? 1n;
  });
  const send = () => stage.system.aria.connect(stage.system.stranger).releaseEscrow(ids);
  await stage.both(
    "release",
    (next) => {
      flow.release(next, ids);
    },
    send,
  );
}

function someRequest({ world }: Stage, dice: Dice, statuses: Request["status"][]) {
  const all = [...world.requests];
  const fitting = all.filter(([, { status }]) => statuses.includes(status));
  return (dice.oneIn(12) ? undefined : dice.pick(fitting)) ?? dice.pick(all);
}

// ----------------------------------------------------------------------------------------------------------- Disputes

/** A DER claims what its meter gave in an epoch, or more; rarely with the signature of another meter. */
async function raise(stage: Stage, dice: Dice): Promise<void> {
  const { world } = stage;
  const open = [...world.requests].filter(([, each]) => {
    const { opens, closes } = flow.disputeWindow(world, each);
    return each.status !== "Released" && opens <= world.now && world.now < closes;
  });
  const found = (dice.oneIn(8) ? undefined : dice.pick(open)) ?? dice.pick([...world.requests]);
  if (!found) return;
  const [requestId, flowRequest] = found;
  const row = dice.pick(flowRequest.rows);
  if (!row) return;
  const short = row.askedWh.map((_, i) => i).filter((i) => (row.missingWh[i] ?? 0n) > 0n);
  const at = (dice.oneIn(6) ? undefined : dice.pick(short)) ?? dice.draw(row.askedWh.length);
  const epoch = flowRequest.firstEpoch + BigInt(at);
  const asked = row.askedWh[at] ?? 0n;
  const measuredWh = dice.between(asked - (row.missingWh[at] ?? 0n), asked + 500n);
  const der = stage.der(row.account);
  const signer = signerOf(stage, dice, row.account, epoch);
  await payBond(stage, dice, der.signer.address, row.account);
  await stage.both(
    "dispute",
    (next) => {
      disputes.raise(next, der.signer.address, requestId, epoch, measuredWh, signer.address);
    },
    () => raiseClaim(stage.system, der, stage.settled(requestId), epoch, measuredWh, { meter: signer }),
  );
}

function signerOf(stage: Stage, dice: Dice, account: bigint, epoch: bigint): Wallet {
  const key = disputes.meterOf(stage.world, account, epoch) ?? "";
  return (dice.oneIn(12) ? undefined : stage.meters.get(key)) ?? dice.pick([...stage.meters.values()])!;
}

/** As the DER's agent does: what is not free of the dispute's bond is paid in first. */
async function payBond(stage: Stage, dice: Dice, party: string, account: bigint): Promise<void> {
  const { world, system } = stage;
  const missing = (world.locks.get(account) ?? 0n) + world.rules.disputeBond - balanceOf(world, account);
  if (missing <= 0n || dice.oneIn(8)) return;
  const send = () => system.vault.connect(system.stranger).deposit(party, missing, { value: missing * UNIT });
  await stage.both(
    "deposit",
    (next) => {
      deposit(next, party, missing);
    },
    send,
  );
}

async function resolve(stage: Stage, dice: Dice): Promise<void> {
  const key = someDispute(stage, dice);
  const dispute = key && stage.world.disputes.get(key);
  if (!dispute) return;
  const fault = dice.pick<disputes.Fault>(["None", "Aggregator", "DER"]) ?? "None";
  let awardedWh = dice.oneIn(3) ? dispute.claimWh : dice.between(0n, dispute.claimWh);
  if (fault === "DER" && !dice.oneIn(12)) awardedWh = 0n;
  if (dice.oneIn(16)) awardedWh = dispute.claimWh + 1n;
  const evidence = `0x${"e1".repeat(32)}`;
  const { aria, operator } = stage.system;
  await stage.both(
    `ruling, fault ${fault}`,
    (next) => {
      disputes.resolve(next, key, awardedWh, fault);
    },
    () => aria.connect(operator).resolveDispute(numberOf(key), awardedWh, Fault[fault], evidence),
  );
}

async function settleByDefault(stage: Stage, dice: Dice): Promise<void> {
  const { world } = stage;
  const key = someDispute(stage, dice);
  const dispute = key && world.disputes.get(key);
  if (!dispute) return;
  const deadline = dispute.raisedAt + world.rules.rulingWindowSeconds;
  if (dispute.status === "Open" && world.now < deadline && dice.oneIn(3))
    world.now = deadline - BigInt(dice.draw(2));
  const send = () => stage.system.aria.connect(stage.system.stranger).settleByDefault(numberOf(key));
  await stage.both(
    "default",
    (next) => {
      disputes.settleByDefault(next, key);
    },
    send,
  );
}

function someDispute({ world }: Stage, dice: Dice): string | undefined {
  const open = [...world.disputes].filter(([, { status }]) => status === "Open");
  return ((dice.oneIn(12) ? undefined : dice.pick(open)) ?? dice.pick([...world.disputes]))?.[0];
}

function numberOf(key: string): bigint {
  const [account = 0n, epoch = 0n] = key.split("/").map(BigInt);
  return (account << 32n) | epoch;
}

/** Anybody shows a leaf of what the Aggregator committed to: mostly one that contradicts its sweep. */
async function contradict(stage: Stage, dice: Dice): Promise<void> {
  const found = dice.pick([...stage.flows]);
  if (!found) return;
  const [requestId, { leaves, proofs }] = found;
  const rows = stage.settled(requestId).rows;
  const sweptWh = stage.settled(requestId).sweep?.shortfallsWh;
  const speaking = leaves
    .map((_, i) => i)
    .filter((i) => {
      const [row, at] = [Math.floor(i / (leaves.length / rows.length)), i % (leaves.length / rows.length)];
      return leaves[i]?.energyWh !== (rows[row]?.energyWh[at] ?? 0n) - (sweptWh?.[row]?.[at] ?? 0n);
    });
  const index = (dice.oneIn(5) ? undefined : dice.pick(speaking)) ?? dice.draw(leaves.length);
  const [leaf, proof] = [leaves[index], proofs[index]];
  if (!leaf || !proof) return;
  const { aria, stranger } = stage.system;
  const row = rowProof(stage.settled(requestId), stage.der(leaf.account));
  await stage.both(
    "contradiction",
    (next) => {
      disputes.contradict(next, requestId, leaf.account, leaf.epoch, leaf.energyWh);
    },
    () => aria.connect(stranger).proveContradiction(row, leaf, proof),
  );
}

/** Anybody shows two statements about one DER and epoch: of its meter, of the Aggregator, or of somebody else. */
async function equivocate(stage: Stage, dice: Dice): Promise<void> {
  const flowRequest = dice.pick([...stage.world.requests.values()]);
  const row = flowRequest && dice.pick(flowRequest.rows);
  if (!row) return;
  const epoch = flowRequest.firstEpoch + BigInt(dice.draw(row.askedWh.length));
  const der = stage.der(row.account);
  const signer = dice.oneIn(2) ? AGGREGATOR : signerOf(stage, dice, row.account, epoch);
  const statements: FlowStatement[] = [await statementOf(der, epoch, 1n), await statementOf(der, epoch, 2n)];
  const [first, second] = await Promise.all(statements.map((each) => signed(stage.system, each, signer)));
  await stage.both(
    signer === AGGREGATOR ? "equivocation of the Aggregator" : "equivocation of a meter",
    (next) => {
      disputes.equivocate(next, row.account, epoch, signer.address);
    },
    () =>
      stage.system.aria
        .connect(stage.system.stranger)
        .proveEquivocation(row.account, statements[0]!, first!, statements[1]!, second!),
  );
}

/** Each as often as it is listed. */
export const ACTIONS: Record<string, { weight: number; act: Action }> = {
  wait: { weight: 6, act: wait },
  pay: { weight: 2, act: pay },
  takeOut: { weight: 2, act: takeOut },
  join: { weight: 2, act: join },
  commission: { weight: 2, act: commission },
  reject: { weight: 1, act: reject },
  topUp: { weight: 2, act: topUp },
  leave: { weight: 1, act: leave },
  close: { weight: 1, act: close },
  bond: { weight: 2, act: bond },
  pause: { weight: 1, act: pause },
  request: { weight: 6, act: request },
  cancelOrder: { weight: 1, act: cancelOrder },
  sweep: { weight: 6, act: sweep },
  release: { weight: 3, act: release },
  raise: { weight: 8, act: raise },
  resolve: { weight: 5, act: resolve },
  settleByDefault: { weight: 3, act: settleByDefault },
  contradict: { weight: 2, act: contradict },
  equivocate: { weight: 1, act: equivocate },
};
