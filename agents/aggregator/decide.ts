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
  const { epochSeconds, sweepWindowSeconds } = service.terms.rules;
  return [...service.view.requests.values()]
    .filter((request) => {
      const end = (request.firstEpoch + request.count) * epochSeconds;
      return (
        request.sweep === undefined && !request.released && now >= end && now <= end + sweepWindowSeconds
      );
    })
    .map((request) => ({ kind: "sweep", request }));
}

/** The run of epochs that starts next is requested in the epoch before it, when the forecast is freshest. */
function requests(policy: Policy, situation: AggregatorSituation): AggregatorIntent[] {
  const { service, epoch } = situation;
  const firstEpoch = epoch + 1;
  if (service.view.paused || firstEpoch < service.view.requestedUntil) return [];
  const order = [...service.view.orders.values()].find((candidate) => covers(service, candidate, firstEpoch));
  if (order === undefined) return [];
  const remaining = service.view.remainingOf(order).slice(firstEpoch - order.firstEpoch);
  const lastEpoch = service.view.lastEpoch ?? Number.MAX_SAFE_INTEGER;
  const count = Math.min(policy.epochsPerSweep, remaining.length, lastEpoch + 1 - firstEpoch);
  if (count <= 0) return [];
  const offers = [...service.view.agreements.values()].flatMap(
    (agreement) => offerOf(agreement, firstEpoch, count, policy, situation) ?? [],
  );
  const rows = distribute(remaining.slice(0, count), offers);
  const rowsPerPage = Math.max(1, Math.floor(policy.figuresPerRequest / count));
  return paged(rows, rowsPerPage).map((page) => ({ kind: "request", order, firstEpoch, count, rows: page }));
}

function covers(service: Service, order: Order, epoch: number): boolean {
  return epoch >= order.firstEpoch && epoch < order.firstEpoch + service.view.remainingOf(order).length;
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
