import { capacityWh } from "../../../agents/settlement/rules.ts";
import { flowLeaf, flowTree } from "../../contracts/claims.ts";
import type { Dice } from "../../contracts/dice.ts";
import { orderBaseline, sendRequest, sendSweep } from "../../contracts/settling.ts";
import * as flow from "../flow.ts";
import type { Stage } from "../stage.ts";
import { balanceOf, epochOf } from "../world.ts";
import { choice } from "./choice.ts";
import { bond, pause } from "./parties.ts";

/** The Operator orders; the Aggregator requests and sweeps; anybody releases. */

const ORDERED_EPOCHS = 30;

// ----------------------------------------------------------------------------------------------------------- Requests

/** The Aggregator requests after all that is requested, or a further page of the same; on the latest order or a new one. */
export async function request(stage: Stage, dice: Dice): Promise<void> {
  const { bonded, aggregator, rules } = stage.world;
  const standing = bonded && balanceOf(stage.world, aggregator) >= rules.aggregatorBond;
  if (!standing && !dice.oneIn(8)) await bond(stage, dice);
  if (stage.world.paused && !dice.oneIn(4)) await pause(stage, dice);
  const { world } = stage;
  const last = world.requests.get(BigInt(world.requests.size));
  const samePage = last !== undefined && last.firstEpoch > epochOf(world) && dice.oneIn(2);
  const count = samePage ? Number(last.count) : (dice.pick([1, 2, 3, 5, 9, 17]) ?? 1);
  const soonest = epochOf(world) + 1n;
  let first = samePage ? last.firstEpoch : dice.oneIn(12) ? soonest - 1n : soonest;
  if (!samePage && first < world.requestedUntil && !dice.oneIn(8)) first = world.requestedUntil;
  const above = samePage && !dice.oneIn(8) ? world.latest.lastAccount : 0n;
  const asked = rowsAbove(stage, dice, above, first, count);
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

/** Most of the DERs that are in force then, rarely another; now and then on other terms, for too much, or in disorder. */
function rowsAbove(stage: Stage, dice: Dice, above: bigint, first: bigint, count: number): flow.Asked[] {
  const asked: flow.Asked[] = [];
  for (const [account, agreement] of stage.world.agreements) {
    const { status, price, powerW, sinceEpoch, untilEpoch } = agreement;
    const stays = status === "Active" || (status === "Leaving" && first + BigInt(count) <= untilEpoch);
    const askable = stays && first >= sinceEpoch;
    if (account <= above || (askable ? dice.oneIn(3) : !dice.oneIn(40))) continue;
    const most = capacityWh(powerW, stage.world.rules.epochSeconds);
    const askedWh = Array.from({ length: count }, () => (dice.oneIn(5) ? most : dice.between(0n, most)));
    if (dice.oneIn(40)) askedWh[0] = most + 1n;
    asked.push({ account, price: dice.oneIn(40) ? price + 1n : price, powerW, askedWh });
  }
  asked.sort((a, b) => Number(a.account - b.account));
  return dice.oneIn(24) ? asked.reverse() : asked;
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
  const baselineWh = Array.from({ length: ORDERED_EPOCHS }, () => dice.between(20_000n, 80_000n));
  await stage.both(
    "order",
    (next) => {
      flow.order(next, from, baselineWh);
    },
    () => orderBaseline(stage.system, from, baselineWh).then(() => undefined as never),
  );
  return latest + 1n;
}

export async function cancelOrder(stage: Stage, dice: Dice): Promise<void> {
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
export async function sweep(stage: Stage, dice: Dice): Promise<void> {
  const { world } = stage;
  const all = [...world.requests];
  const due = all.filter(
    ([, each]) => each.status === "Requested" && world.now < flow.sweepDeadline(world, each),
  );
  const found = choice(dice, due, all);
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

export async function release(stage: Stage, dice: Dice): Promise<void> {
  const { world } = stage;
  const over = [...world.requests].filter(
    ([, each]) => each.status !== "Released" && world.now > flow.disputeWindow(world, each).closes,
  );
  const found = [choice(dice, over, [...world.requests]), dice.oneIn(2) ? dice.pick(over) : undefined];
  const ids = found.flatMap((each) => (each ? [each[0]] : []));
  if (ids.length === 0) return;
  const send = () => stage.system.aria.connect(stage.system.stranger).releaseEscrow(ids);
  await stage.both(
    "release",
    (next) => {
      flow.release(next, ids);
    },
    send,
  );
}
