/** The smallest services that the agents' decisions can be tested with: terms, and what events made of them. */

import type { Service } from "../../agents/chain/books.ts";
import { Ledger } from "../../agents/chain/ledger.ts";
import type { ServiceTerms } from "../../agents/chain/service-terms.ts";
import {
  type Agreement,
  type Dispute,
  type FlowRequest,
  type Order,
  ServiceView,
} from "../../agents/chain/service-view.ts";
import { packRows, packShortfalls, type RequestRow } from "../../agents/settlement/rows.ts";

export const EPOCH_SECONDS = 900;

export const TERMS: ServiceTerms = {
  vault: "0x00000000000000000000000000000000000000bB",
  criteria: {
    minPowerW: 1_000n,
    maxPowerW: 100_000n,
    maxPrice: 45_000n,
    depositPerKw: 100_000n,
    depositFloorBps: 5_000n,
    maxProspective: 10n,
  },
  rules: {
    epochSeconds: EPOCH_SECONDS,
    sweepWindowSeconds: 900,
    disputeWindowSeconds: 300,
    rulingWindowSeconds: 1_800,
    deliveryToleranceBps: 1_000n,
    meterToleranceBps: 200n,
    toleranceFloorWh: 10n,
    penaltyBps: 5_000n,
    feeBps: 300n,
    aggregatorBond: 5_000_000n,
    disputeBond: 50_000n,
    misreportFine: 200_000n,
  },
  operatorAccount: 1n,
  aggregatorAccount: 2n,
  escrowAccount: 3n,
};

const DER = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
export const METER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

/** An agreement of 10 kW, in force since epoch 90. */
export function agreement(change: Partial<Agreement> = {}): Agreement {
  return {
    account: 5n,
    der: DER,
    powerW: 10_000n,
    price: 30_000n,
    deposit: 1_000_000n,
    offeredMeter: METER,
    status: "active",
    since: 90,
    meters: [],
    ...change,
  };
}

export function order(firstEpoch: number, ...baselineWh: bigint[]): Order {
  return { id: 1n, firstEpoch, remainingWh: baselineWh, undrawn: [] };
}

/** A request for a run of epochs from `firstEpoch` on, of one DER unless other rows are given. */
export function flowRequest(
  firstEpoch: number,
  change: Partial<FlowRequest> = {},
  rows?: RequestRow[],
): FlowRequest {
  const count = change.count ?? 1;
  const one = {
    account: 5n,
    price: 30_000n,
    powerW: 10_000n,
    energyWh: Array<bigint>(count).fill(2_000n),
  };
  return {
    id: BigInt(firstEpoch),
    firstEpoch,
    count,
    packedRows: packRows(rows ?? [one]),
    penaltiesTaken: new Map(),
    released: false,
    openDisputes: 0,
    ...change,
  };
}

export function sweepAt(sweptAt: number, ...shortfallsWh: bigint[]): NonNullable<FlowRequest["sweep"]> {
  return { flowRoot: "0x", packedShortfalls: packShortfalls([shortfallsWh]), sweptAt, transaction: "0x" };
}

export function dispute(raisedAt: number, change: Partial<Dispute> = {}): Dispute {
  return {
    id: (5n << 32n) | 100n,
    account: 5n,
    requestId: 100n,
    epoch: 100,
    claimWh: 1_000n,
    statement: {} as Dispute["statement"],
    signature: "0x",
    blockstampsChecked: true,
    transaction: "0x",
    raisedAt,
    status: "open",
    ...change,
  };
}

export interface Books {
  readonly agreements?: readonly Agreement[];
  readonly orders?: readonly Order[];
  readonly requests?: readonly FlowRequest[];
  readonly disputes?: readonly Dispute[];
  readonly bonded?: boolean;
  readonly lastEpoch?: number;
  readonly paused?: boolean;
  readonly terms?: ServiceTerms;
}

/** A service with these books, as its events would have filled them. */
export function service(books: Books = {}): Service {
  const { agreements = [], orders = [], requests = [], disputes = [], terms = TERMS } = books;
  const view = new ServiceView(terms.rules);
  for (const each of agreements) view.agreements.set(each.account, each);
  for (const each of orders) view.orders.set(each.id, each);
  for (const each of requests) {
    view.requests.set(each.id, each);
    view.requestedUntil = Math.max(view.requestedUntil, each.firstEpoch + each.count);
  }
  for (const each of disputes) view.disputes.set(each.id, each);
  view.bonded = books.bonded ?? true;
  view.lastEpoch = books.lastEpoch;
  view.paused = books.paused ?? false;
  return { address: "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359", version: 1, terms, view };
}

/** A ledger with these balances, in units. */
export function ledger(balances: Readonly<Record<number, bigint>>): Ledger {
  const books = new Ledger();
  for (const [account, amount] of Object.entries(balances)) {
    books.apply({
      contract: "",
      name: "Deposited",
      args: { account: BigInt(account), amount },
      blockNumber: 1,
      blockTimestamp: 0,
      transactionHash: "",
    });
  }
  return books;
}
