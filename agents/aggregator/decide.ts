import type { Service } from "../chain/books.ts";
import type { Ledger } from "../chain/ledger.ts";
import { paged } from "../chain/pages.ts";
import type { Agreement, FlowRequest, Order } from "../chain/service-view.ts";
import { capacityWh, floorOf } from "../settlement/rules.ts";
import type { RequestRow } from "../settlement/rows.ts";
import { distribute, type Offer } from "./distribute.ts";

/** How the Aggregator works. */
export interface Policy {
  /** How many epochs are requested, and later swept, together. */
  readonly epochsPerSweep: number;
  /** How many figures (DERs times epochs) one transaction may carry. */
  readonly figuresPerRequest: number;
  /** Share of the forecast that is promised, percent. */
  readonly promisedPercent: bigint;
}

export interface AggregatorSituation {
  /** Unix seconds of the last block. */
  readonly now: number;
  readonly epoch: number;
  readonly service: Service;
  readonly ledger: Ledger;
  /** Energy that a DER is expected to deliver in an epoch, Wh. */
  readonly forecastWh: (der: string, epoch: number) => bigint;
}

export type AggregatorIntent =
  | { kind: "postBond"; short: bigint }
  | { kind: "sweep"; request: FlowRequest }
  | { kind: "request"; order: Order; firstEpoch: number; count: number; rows: RequestRow[] };

/** What the Aggregator does now: pure, from what it knows to what it wants done. */
export function decide(policy: Policy, situation: AggregatorSituation): AggregatorIntent[] {
  return [...bond(situation), ...sweeps(situation), ...requests(policy, situation)];
}

function bond({ service, ledger, epoch }: AggregatorSituation): AggregatorIntent[] {
  const { aggregatorAccount, rules } = service.terms;
  const balance = ledger.balanceOf(aggregatorAccount);
  const over = service.view.lastEpoch !== undefined && epoch >= service.view.lastEpoch;
  if (over || (service.view.bonded && balance >= rules.aggregatorBond)) return [];
  return [{ kind: "postBond", short: balance < rules.aggregatorBond ? rules.aggregatorBond - balance : 0n }];
}

function sweeps({ service, now }: AggregatorSituation): AggregatorIntent[] {
  return unswept(service, now).map((request) => ({ kind: "sweep", request }));
}

/** Requests that are over, and can still be swept. */
function unswept(service: Service, now: number): FlowRequest[] {
  return [...service.view.requests.values()].filter((request) => {
    const end = (request.firstEpoch + request.count) * service.terms.rules.epochSeconds;
    const isOpen = request.sweep === undefined && !request.released;
    return isOpen && now >= end && now <= sweepUntil(service, request);
  });
}

function sweepUntil({ terms: { rules } }: Service, { firstEpoch, count }: FlowRequest): number {
  return (firstEpoch + count) * rules.epochSeconds + rules.sweepWindowSeconds;
}

/** When the first of the requests that wait can be swept no more, unix seconds; undefined while none waits. */
export function sweepDeadline(service: Service, now: number): number | undefined {
  const deadlines = unswept(service, now).map((request) => sweepUntil(service, request));
  return deadlines.length === 0 ? undefined : Math.min(...deadlines);
}

/** A run of epochs that is to be requested. */
interface Run {
  readonly order: Order;
  readonly firstEpoch: number;
  readonly count: number;
  /** Accounts up to this one were asked before. */
  readonly after: bigint;
}

function requests(policy: Policy, situation: AggregatorSituation): AggregatorIntent[] {
  const { view } = situation.service;
  if (view.paused) return [];
  const isOpen = situation.epoch + 1 >= view.requestedUntil;
  const run = isOpen ? nextRun(policy, situation) : restOfRun(policy, situation);
  if (run === undefined) return [];
  const { order, firstEpoch, count } = run;
  const offset = firstEpoch - order.firstEpoch;
  const remaining = view.remainingOf(order).slice(offset, offset + count);
  const offers = [...view.agreements.values()]
    .filter(({ account }) => account > run.after)
    .flatMap((agreement) => offerOf(agreement, firstEpoch, count, policy, situation) ?? []);
  const pages = paged(distribute(remaining, offers), rowsPerPage(policy, count));
  return pages.map((rows) => ({ kind: "request", order, firstEpoch, count, rows }));
}

/** It is requested in the epoch before it, when the forecast is freshest. */
function nextRun({ epochsPerSweep }: Policy, { service, epoch }: AggregatorSituation): Run | undefined {
  const firstEpoch = epoch + 1;
  const order = orderFor(service, firstEpoch, 1);
  if (order === undefined) return undefined;
  const ordered = order.firstEpoch + service.view.remainingOf(order).length - firstEpoch;
  const lastEpoch = service.view.lastEpoch ?? Number.MAX_SAFE_INTEGER;
  const count = Math.min(epochsPerSweep, ordered, lastEpoch + 1 - firstEpoch);
  return count <= 0 ? undefined : { order, firstEpoch, count, after: 0n };
}

/**
 * What is left of the latest run, as long as it has not begun: the Aggregator may have ended, or been refused, between
 * two of its pages. Pages go by account, so those after the last one asked were not asked; and one that is not full was
 * the last.
 */
function restOfRun(policy: Policy, { service, epoch }: AggregatorSituation): Run | undefined {
  const last = [...service.view.requests.values()].at(-1);
  if (last === undefined || last.firstEpoch <= epoch) return undefined;
  const { firstEpoch, count } = last;
  const rows = service.view.rowsOf(last);
  const [order, after] = [orderFor(service, firstEpoch, count), rows.at(-1)?.account];
  if (order === undefined || after === undefined || rows.length < rowsPerPage(policy, count))
    return undefined;
  return { order, firstEpoch, count, after };
}

function rowsPerPage({ figuresPerRequest }: Policy, count: number): number {
  return Math.max(1, Math.floor(figuresPerRequest / count));
}

/** The first order that covers these epochs. */
function orderFor({ view }: Service, firstEpoch: number, count: number): Order | undefined {
  return [...view.orders.values()].find(
    (order) =>
      firstEpoch >= order.firstEpoch &&
      firstEpoch + count <= order.firstEpoch + view.remainingOf(order).length,
  );
}

/** What a DER can be asked for; undefined if its agreement is not in force or its deposit does not stand. */
function offerOf(
  agreement: Agreement,
  firstEpoch: number,
  count: number,
  { promisedPercent }: Policy,
  { service, ledger, forecastWh }: AggregatorSituation,
): Offer | undefined {
  const { account, der, price, deposit, powerW, status, since, until } = agreement;
  const inForce =
    (status === "active" || (status === "leaving" && firstEpoch + count <= (until ?? 0))) &&
    since !== undefined &&
    firstEpoch >= since;
  if (!inForce) return undefined;
  const { criteria, rules } = service.terms;
  if (ledger.balanceOf(account) < floorOf(deposit, criteria.depositFloorBps)) return undefined;
  return {
    account,
    price,
    powerW,
    capacityWh: capacityWh(powerW, BigInt(rules.epochSeconds)),
    forecastWh: Array.from(
      { length: count },
      (_, i) => (forecastWh(der, firstEpoch + i) * promisedPercent) / 100n,
    ),
  };
}
