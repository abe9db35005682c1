import type { Agreement, Dispute, Entry } from "../chain/service-view.ts";
import type { ServiceTerms } from "../chain/service-terms.ts";
import { depositFor, tolerance } from "../settlement/rules.ts";

/** What a DER's owner wants of it. */
export interface Wishes {
  readonly powerW: bigint;
  /** units per kWh */
  readonly price: bigint;
  /** Leave once this epoch has begun; undefined to stay. */
  readonly leaveAtEpoch: number | undefined;
}

/** What the chain and the own meter say, as far as a decision needs it. */
export interface DerSituation {
  /** Unix seconds of the last block. */
  readonly now: number;
  readonly epoch: number;
  readonly terms: ServiceTerms;
  readonly agreement: Agreement | undefined;
  /** units */
  readonly balance: bigint;
  /** What of the balance is locked, in units; after a penalty more than there is. */
  readonly locked: bigint;
  /** What could be deposited, in units. */
  readonly purse: bigint;
  readonly retiring: boolean;
  /** Whether joining is paused. */
  readonly paused: boolean;
  /** Whether this ARIA refused us before: it will not have changed its mind. */
  readonly refused: boolean;
  /** Epochs that were swept, or not swept in time, can still be disputed and were not yet, with our own measurement. */
  readonly settled: readonly {
    readonly epoch: number;
    readonly entry: Entry;
    readonly measuredWh: bigint;
    /** The last moment to dispute it, unix seconds. */
    readonly until: number;
  }[];
  readonly openDisputes: readonly Dispute[];
}

export type DerIntent =
  | { kind: "join"; powerW: bigint; price: bigint; depositShort: bigint }
  | { kind: "leave" }
  | { kind: "close" }
  | { kind: "withdraw"; amount: bigint }
  | { kind: "dispute"; epoch: number; entry: Entry; bondShort: bigint }
  | { kind: "settleByDefault"; disputeId: bigint };

/** What a DER does now: pure, from what it knows to what it wants done, most urgent first. */
export function decide(wishes: Wishes, situation: DerSituation): DerIntent[] {
  return [
    ...disputes(situation),
    ...overdueRulings(situation),
    ...join(wishes, situation),
    ...departure(wishes, situation),
  ];
}

/** Energy that was fed and asked for but not credited, if it is more than the tolerance; in Wh. */
export function shortChangedWh(entry: Entry, measuredWh: bigint, { rules }: ServiceTerms): bigint {
  const entitledWh = measuredWh < entry.requestedWh ? measuredWh : entry.requestedWh;
  const claimWh = entitledWh - (entry.creditedWh ?? 0n);
  return claimWh > tolerance(entitledWh, rules.meterToleranceBps, rules.toleranceFloorWh) ? claimWh : 0n;
}

/** When the first of the epochs that wait can be disputed no more, unix seconds; undefined while none waits. */
export function disputeDeadline(settled: DerSituation["settled"]): number | undefined {
  return settled.length === 0 ? undefined : Math.min(...settled.map(({ until }) => until));
}

/** A bond each, out of what lies above the lock; what is missing there is deposited first, as far as the purse goes. */
function disputes({ settled, terms, balance, locked, purse }: DerSituation): DerIntent[] {
  const bond = terms.rules.disputeBond;
  const intents: DerIntent[] = [];
  let free = balance - locked;
  let left = purse;
  for (const { epoch, entry, measuredWh } of settled) {
    if (shortChangedWh(entry, measuredWh, terms) === 0n) continue;
    const bondShort = bond === 0n || free >= bond ? 0n : bond - free;
    if (bondShort > left) break;
    left -= bondShort;
    free += bondShort - bond;
    intents.push({ kind: "dispute", epoch, entry, bondShort });
  }
  return intents;
}

function overdueRulings({ openDisputes, terms, now }: DerSituation): DerIntent[] {
  return openDisputes
    .filter((dispute) => now > dispute.raisedAt + terms.rules.rulingWindowSeconds)
    .map(({ id }) => ({ kind: "settleByDefault", disputeId: id }));
}

function join(
  wishes: Wishes,
  { agreement, retiring, paused, refused, terms, balance, epoch }: DerSituation,
): DerIntent[] {
  if (agreement !== undefined || retiring || paused || refused) return [];
  if (wishes.leaveAtEpoch !== undefined && epoch >= wishes.leaveAtEpoch) return [];
  const deposit = depositFor(wishes.powerW, terms.criteria.depositPerKw);
  const wanted = deposit + terms.rules.disputeBond; // enough to contest a sweep without touching the deposit
  const depositShort = balance >= wanted ? 0n : wanted - balance;
  return [{ kind: "join", powerW: wishes.powerW, price: wishes.price, depositShort }];
}

function departure(
  { leaveAtEpoch }: Wishes,
  { agreement, epoch, now, terms, balance, locked }: DerSituation,
): DerIntent[] {
  if (leaveAtEpoch === undefined || epoch < leaveAtEpoch) return [];
  switch (agreement?.status) {
    case "prospective":
    case "active":
      return [{ kind: "leave" }];
    case "leaving": {
      const { epochSeconds, sweepWindowSeconds } = terms.rules;
      return now > (agreement.until ?? 0) * epochSeconds + sweepWindowSeconds ? [{ kind: "close" }] : [];
    }
    default:
      return balance > locked ? [{ kind: "withdraw", amount: balance - locked }] : [];
  }
}
