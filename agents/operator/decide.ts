import type { Service } from "../chain/books.ts";
import type { Ledger } from "../chain/ledger.ts";
import { paged } from "../chain/pages.ts";
import type { Dispute, FlowRequest } from "../chain/service-view.ts";

/** How the Operator works. */
export interface Policy {
  /** Units in the Operator's account under which it is filled up, and to which. */
  readonly funds: { readonly minimum: bigint; readonly target: bigint };
  /** How many epochs are ordered at a time; the next order is placed when the last one runs out. */
  readonly epochsPerOrder: number;
  /** No epoch before this one is ordered. */
  readonly firstEpoch: number;
  /** No epoch from this one on is ordered; undefined for no end. */
  readonly untilEpoch: number | undefined;
}

export interface OperatorSituation {
  /** Unix seconds of the last block. */
  readonly now: number;
  readonly epoch: number;
  readonly service: Service;
  readonly ledger: Ledger;
  /** What the grid needs in an epoch, Wh. */
  readonly baselineWh: (epoch: number) => bigint;
  /** Whether a meter was inspected and may be commissioned. */
  readonly inspected: (meter: string) => boolean;
  /** Whether a sweep was compared with what was committed to by it. */
  readonly audited: (request: FlowRequest) => boolean;
}

export type OperatorIntent =
  | { kind: "fund"; amount: bigint }
  | { kind: "commission"; commissionings: { der: string; meter: string }[] }
  | { kind: "order"; firstEpoch: number; baselineWh: bigint[] }
  | { kind: "rule"; dispute: Dispute }
  | { kind: "audit"; request: FlowRequest }
  | { kind: "release"; requestIds: bigint[] };

/**
 * How many DERs are commissioned, and requests released, in one transaction: each takes about 56,000 and 8,000 gas, so
 * that a page uses a third of what a transaction may (16,777,216 gas, by EIP-7825), and leaves room for others in a block.
 */
export const [COMMISSIONINGS_PER_PAGE, RELEASES_PER_PAGE] = [100, 400];

/** What the Operator does now: pure, from what it knows to what it wants done. */
export function decide(policy: Policy, situation: OperatorSituation): OperatorIntent[] {
  return [
    ...rulings(situation),
    ...audits(situation),
    ...releases(situation),
    ...funding(policy, situation),
    ...commissionings(situation),
    ...orders(policy, situation),
  ];
}

function rulings({ service, now }: OperatorSituation): OperatorIntent[] {
  return undecided(service, now).map((dispute) => ({ kind: "rule", dispute }));
}

/** Disputes that can still be ruled on. */
function undecided(service: Service, now: number): Dispute[] {
  return [...service.view.disputes.values()].filter(
    (dispute) => dispute.status === "open" && now <= ruleUntil(service, dispute),
  );
}

function ruleUntil({ terms }: Service, { raisedAt }: Dispute): number {
  return raisedAt + terms.rules.rulingWindowSeconds;
}

/** When the first of the disputes that wait can be ruled on no more, unix seconds; undefined while none waits. */
export function rulingDeadline(service: Service, now: number): number | undefined {
  const deadlines = undecided(service, now).map((dispute) => ruleUntil(service, dispute));
  return deadlines.length === 0 ? undefined : Math.min(...deadlines);
}

/**
 * A sweep is audited once nobody disputes it any more: the fine of a ruling is the DER's, and there is only one. Old ones
 * are let be, so that an agent that starts anew does not ask for all there ever were.
 */
function audits({ service, now, audited }: OperatorSituation): OperatorIntent[] {
  const { disputeWindowSeconds, rulingWindowSeconds } = service.terms.rules;
  if (!service.view.bonded) return []; // nothing to fine from, until it is posted again
  return [...service.view.requests.values()]
    .filter((request) => {
      if (request.sweep === undefined || request.openDisputes > 0 || audited(request)) return false;
      const since = now - request.sweep.sweptAt - disputeWindowSeconds;
      return since > 0 && since <= 2 * rulingWindowSeconds;
    })
    .map((request) => ({ kind: "audit", request }));
}

function releases({ service, now }: OperatorSituation): OperatorIntent[] {
  const { epochSeconds, sweepWindowSeconds, disputeWindowSeconds } = service.terms.rules;
  const over = [...service.view.requests.values()].filter((request) => {
    if (request.released || request.openDisputes > 0) return false;
    const lapsed = (request.firstEpoch + request.count) * epochSeconds + sweepWindowSeconds + 1;
    return now > (request.sweep?.sweptAt ?? lapsed) + disputeWindowSeconds;
  });
  const ids = over.map(({ id }) => id);
  return paged(ids, RELEASES_PER_PAGE).map((requestIds) => ({ kind: "release", requestIds }));
}

function funding({ funds }: Policy, { ledger, service }: OperatorSituation): OperatorIntent[] {
  const balance = ledger.balanceOf(service.terms.operatorAccount);
  return balance >= funds.minimum ? [] : [{ kind: "fund", amount: funds.target - balance }];
}

/** Those whose meter was inspected, unless its key is another's as well, or offered by two: then a person has to see whose it is. */
function commissionings({ service, inspected }: OperatorSituation): OperatorIntent[] {
  const agreements = [...service.view.agreements.values()];
  const holders = new Map<string, Set<bigint>>();
  for (const { account, status, offeredMeter, meters } of agreements) {
    const keys = [...meters.map(({ key }) => key), ...(status === "prospective" ? [offeredMeter] : [])];
    for (const key of keys) holders.set(key, (holders.get(key) ?? new Set()).add(account));
  }
  const waiting = agreements
    .filter(({ status, offeredMeter }) => status === "prospective" && inspected(offeredMeter))
    .filter(({ offeredMeter }) => holders.get(offeredMeter)?.size === 1)
    .map(({ der, offeredMeter }) => ({ der, meter: offeredMeter }));
  return paged(waiting, COMMISSIONINGS_PER_PAGE).map((page) => ({
    kind: "commission",
    commissionings: page,
  }));
}

/** The next order starts where the last one ends, but not in an epoch that has begun. */
function orders(policy: Policy, { service, epoch, baselineWh }: OperatorSituation): OperatorIntent[] {
  const orderedUntil = Math.max(
    ...[...service.view.orders.values()].map(
      (order) => order.firstEpoch + service.view.remainingOf(order).length,
    ),
    policy.firstEpoch,
  );
  if (orderedUntil > epoch + 1) return [];
  const firstEpoch = Math.max(orderedUntil, epoch + 1);
  const lastEpoch = service.view.lastEpoch ?? Number.MAX_SAFE_INTEGER;
  const untilEpoch = Math.min(
    firstEpoch + policy.epochsPerOrder,
    policy.untilEpoch ?? Infinity,
    lastEpoch + 1,
  );
  if (untilEpoch <= firstEpoch) return [];
  const wanted = Array.from({ length: untilEpoch - firstEpoch }, (_, i) => baselineWh(firstEpoch + i));
  return [{ kind: "order", firstEpoch, baselineWh: wanted }];
}
