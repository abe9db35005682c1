import type {
  AgreementClosedEvent,
  BaselineOrderedEvent,
  CommissionedEvent,
  EscrowReleasedEvent,
  FlowRequestedEvent,
  FlowSweptEvent,
  JoinedEvent,
  LeavingAnnouncedEvent,
  OrderCancelledEvent,
  PenaltyCappedEvent,
  PausedSetEvent,
  RetirementAnnouncedEvent,
} from "../../types/contracts/ARIA.ts";
import type {
  DisputeDefaultedEvent,
  DisputeRaisedEvent,
  DisputeResolvedEvent,
} from "../../types/contracts/aria/Annex.ts";

import type { FlowStatement } from "../evidence/statement.ts";
import {
  findRow,
  type RequestRow,
  shortfallsOfRow,
  unpackEnergy,
  unpackRows,
  unpackShortfalls,
} from "../settlement/rows.ts";
import * as rules from "../settlement/rules.ts";
import type { SettledRequest } from "../settlement/tree.ts";
import type { ChainEvent } from "./events.ts";

export type AgreementStatus = "prospective" | "active" | "leaving" | "closed";

export interface Agreement {
  readonly account: bigint;
  readonly der: string;
  readonly powerW: bigint;
  /** units per kWh */
  readonly price: bigint;
  /** units */
  readonly deposit: bigint;
  /** The key offered at joining, to be inspected by the Operator. */
  readonly offeredMeter: string;
  status: AgreementStatus;
  /** First epoch in force; undefined before commissioning. */
  since?: number;
  /** First epoch no longer in force. */
  until?: number;
  /** Keys and the epochs they count from, oldest first. */
  readonly meters: { key: string; fromEpoch: number }[];
}

export interface Order {
  readonly id: bigint;
  readonly firstEpoch: number;
  /** What was not requested yet when last asked for, Wh per epoch. Ask `remainingOf`. */
  readonly remainingWh: bigint[];
  /** Requests that draw on it and are not taken off `remainingWh` yet. */
  readonly undrawn: FlowRequest[];
}

export interface FlowRequest {
  readonly id: bigint;
  readonly firstEpoch: number;
  readonly count: number;
  /** As on the wire; `rowsOf` reads it. */
  readonly packedRows: string;
  readonly penaltiesTaken: Map<bigint, bigint>;
  sweep?: { flowRoot: string; packedShortfalls: string; sweptAt: number; transaction: string };
  released: boolean;
  openDisputes: number;
}

/** One account in one epoch. */
export interface Entry {
  readonly request: FlowRequest;
  /** units per kWh */
  readonly price: bigint;
  readonly powerW: bigint;
  readonly requestedWh: bigint;
  /** Undefined until swept. */
  readonly creditedWh?: bigint;
}

export interface Dispute {
  readonly id: bigint;
  readonly account: bigint;
  readonly requestId: bigint;
  readonly epoch: number;
  readonly claimWh: bigint;
  readonly statement: FlowStatement;
  readonly signature: string;
  readonly blockstampsChecked: boolean;
  /** Hash of the transaction that raised it. */
  readonly transaction: string;
  /** Unix seconds. */
  readonly raisedAt: number;
  status: "open" | "ruled" | "defaulted";
  awardedWh?: bigint;
  fault?: Fault;
  evidenceHash?: string;
  /** units */
  paid?: bigint;
  refunded?: bigint;
  fine?: bigint;
}

export type Fault = "none" | "aggregator" | "der";
export const FAULTS: readonly Fault[] = ["none", "aggregator", "der"];

/** The parameters of one ARIA that a view needs to read its events right. */
export interface DeliveryRules {
  readonly deliveryToleranceBps: bigint;
  readonly toleranceFloorWh: bigint;
  readonly penaltyBps: bigint;
}

/** One ARIA's agreements, orders, requests and disputes, rebuilt from its events alone. */
export class ServiceView {
  agreements = new Map<bigint, Agreement>();
  orders = new Map<bigint, Order>();
  requests = new Map<bigint, FlowRequest>();
  disputes = new Map<bigint, Dispute>();
  bonded = false;
  /** First epoch that no request covers yet. */
  requestedUntil = 0;
  /** Undefined while none is fixed. */
  lastEpoch: number | undefined;
  /** Whether the guardian has paused joining and requesting. */
  paused = false;
  readonly #rules: DeliveryRules;

  constructor(deliveryRules: DeliveryRules) {
    this.#rules = deliveryRules;
  }

  /** What is left to request of an order, Wh per epoch. Rows are only read when it is asked for. */
  remainingOf(order: Order): readonly bigint[] {
    for (const request of order.undrawn.splice(0)) {
      const offset = request.firstEpoch - order.firstEpoch;
      for (const row of this.rowsOf(request)) {
        row.energyWh.forEach((wh, i) => {
          order.remainingWh[offset + i] = (order.remainingWh[offset + i] ?? 0n) - wh;
        });
      }
    }
    return order.remainingWh;
  }

  /** What was asked of an account in an epoch, and what it was credited; undefined if nothing was asked. */
  entryOf(account: bigint, epoch: number): Entry | undefined {
    for (const request of this.requests.values()) {
      if (epoch < request.firstEpoch || epoch >= request.firstEpoch + request.count) continue;
      const found = findRow(request.packedRows, request.count, account);
      if (found === undefined) continue;
      const at = epoch - request.firstEpoch;
      const { price, powerW, energyWh } = found.row;
      const requestedWh = energyWh[at] ?? 0n;
      const shortfallWh =
        request.sweep && shortfallsOfRow(request.sweep.packedShortfalls, request.count, found.index)[at];
      const asked = { request, price, powerW, requestedWh };
      return shortfallWh === undefined ? asked : { ...asked, creditedWh: requestedWh - shortfallWh };
    }
    return undefined;
  }

  /** The key that signs for an account in an epoch; undefined if none was commissioned by then. */
  meterOf(account: bigint, epoch: number): string | undefined {
    return this.agreements.get(account)?.meters.findLast(({ fromEpoch }) => fromEpoch <= epoch)?.key;
  }

  /** The rows of a request, by account. */
  rowsOf(request: FlowRequest): RequestRow[] {
    return unpackRows(request.packedRows, request.count);
  }

  /** The shortfalls of a swept request, Wh, in the order of its rows. */
  shortfallsOf(request: FlowRequest): bigint[][] {
    return request.sweep === undefined ? [] : unpackShortfalls(request.sweep.packedShortfalls, request.count);
  }

  /** Everything a proof about a request needs. */
  settledRequest(request: FlowRequest): SettledRequest {
    const rows = this.rowsOf(request);
    if (request.sweep === undefined) return { requestId: request.id, rows };
    const shortfallsWh = this.shortfallsOf(request);
    const penalties = rows.map(
      (row, i) => request.penaltiesTaken.get(row.account) ?? this.#penaltyDue(row, shortfallsWh[i] ?? []),
    );
    return {
      requestId: request.id,
      rows,
      sweep: { shortfallsWh, penalties, flowRoot: request.sweep.flowRoot },
    };
  }

  /** The same view once more: what is applied to the one does not show in the other. */
  copy(): ServiceView {
    const { agreements, orders, requests, disputes, bonded, requestedUntil, lastEpoch, paused } = this;
    const all = { agreements, orders, requests, disputes }; // at once, as orders refer to requests
    const flags = { bonded, requestedUntil, lastEpoch, paused };
    return Object.assign(new ServiceView(this.#rules), structuredClone(all), flags);
  }

  apply(event: ChainEvent): void {
    const { args } = event;
    switch (event.name) {
      case "Joined":
        this.#join(args as JoinedEvent.OutputObject);
        break;
      case "Commissioned":
        this.#commission(args as CommissionedEvent.OutputObject);
        break;
      case "LeavingAnnounced": {
        const { account, untilEpoch } = args as LeavingAnnouncedEvent.OutputObject;
        const agreement = this.#agreement(account);
        agreement.status = "leaving";
        agreement.until = Number(untilEpoch);
        break;
      }
      case "AgreementClosed":
        this.#agreement((args as AgreementClosedEvent.OutputObject).account).status = "closed";
        break;
      case "BondPosted":
        this.bonded = true;
        break;
      case "BondReleased":
        this.bonded = false;
        break;
      case "BaselineOrdered": {
        const { orderId, firstEpoch, baseline } = args as BaselineOrderedEvent.OutputObject;
        this.orders.set(orderId, {
          id: orderId,
          firstEpoch: Number(firstEpoch),
          remainingWh: unpackEnergy(baseline),
          undrawn: [],
        });
        break;
      }
      case "OrderCancelled":
        this.orders.delete((args as OrderCancelledEvent.OutputObject).orderId);
        break;
      case "FlowRequested":
        this.#request(args as FlowRequestedEvent.OutputObject);
        break;
      case "FlowSwept": {
        const { requestId, flowRoot, shortfalls } = args as FlowSweptEvent.OutputObject;
        this.#requestOf(requestId).sweep = {
          flowRoot,
          packedShortfalls: shortfalls,
          sweptAt: event.blockTimestamp,
          transaction: event.transactionHash,
        };
        break;
      }
      case "PenaltyCapped": {
        const { requestId, account, taken } = args as PenaltyCappedEvent.OutputObject;
        this.#requestOf(requestId).penaltiesTaken.set(account, taken);
        break;
      }
      case "EscrowReleased":
        this.#requestOf((args as EscrowReleasedEvent.OutputObject).requestId).released = true;
        break;
      case "DisputeRaised":
        this.#dispute(args as DisputeRaisedEvent.OutputObject, event);
        break;
      case "DisputeResolved": {
        const resolved = args as DisputeResolvedEvent.OutputObject;
        const dispute = this.#close(resolved.disputeId, "ruled", resolved);
        dispute.awardedWh = resolved.awardedWh;
        dispute.fault = FAULTS[Number(resolved.fault)] ?? "none";
        dispute.evidenceHash = resolved.evidenceHash;
        dispute.fine = resolved.fine;
        break;
      }
      case "DisputeDefaulted": {
        const defaulted = args as DisputeDefaultedEvent.OutputObject;
        const dispute = this.#close(defaulted.disputeId, "defaulted", defaulted);
        dispute.awardedWh = dispute.claimWh;
        dispute.fault = "none";
        break;
      }
      case "PausedSet":
        this.paused = (args as PausedSetEvent.OutputObject).paused;
        break;
      case "RetirementAnnounced":
        this.lastEpoch = Number((args as RetirementAnnouncedEvent.OutputObject).lastEpoch);
        break;
    }
  }

  #join({ account, der, powerW, price, deposit, meter }: JoinedEvent.OutputObject): void {
    // A party that joined before keeps the meters of its earlier agreement: they still vouch for their time.
    const meters = this.agreements.get(account)?.meters ?? [];
    this.agreements.set(account, {
      account,
      der,
      powerW,
      price,
      deposit,
      offeredMeter: meter,
      status: "prospective",
      meters,
    });
  }

  #commission({ account, meter, fromEpoch }: CommissionedEvent.OutputObject): void {
    const agreement = this.#agreement(account);
    if (agreement.status === "prospective") {
      agreement.status = "active";
      agreement.since = Number(fromEpoch);
    }
    agreement.meters.push({ key: meter, fromEpoch: Number(fromEpoch) });
  }

  #request({ requestId, orderId, firstEpoch, count, rows }: FlowRequestedEvent.OutputObject): void {
    const request: FlowRequest = {
      id: requestId,
      firstEpoch: Number(firstEpoch),
      count: Number(count),
      packedRows: rows,
      penaltiesTaken: new Map(),
      released: false,
      openDisputes: 0,
    };
    this.requests.set(requestId, request);
    this.requestedUntil = request.firstEpoch + request.count;
    const order = this.orders.get(orderId);
    if (order === undefined) throw new Error(`request ${requestId} draws on unknown order ${orderId}`);
    order.undrawn.push(request);
  }

  #dispute(raised: DisputeRaisedEvent.OutputObject, { transactionHash, blockTimestamp }: ChainEvent): void {
    this.disputes.set(raised.disputeId, {
      id: raised.disputeId,
      account: raised.account,
      requestId: raised.requestId,
      epoch: Number(raised.statement.epoch),
      claimWh: raised.claimWh,
      statement: statementIn(raised),
      signature: raised.signature,
      blockstampsChecked: raised.blockstampsChecked,
      transaction: transactionHash,
      raisedAt: blockTimestamp,
      status: "open",
    });
    this.#requestOf(raised.requestId).openDisputes += 1;
  }

  #close(id: bigint, status: "ruled" | "defaulted", money: { paid: bigint; refunded: bigint }): Dispute {
    const dispute = this.disputes.get(id);
    if (dispute === undefined) throw new Error(`dispute ${id} was never raised`);
    dispute.status = status;
    dispute.paid = money.paid;
    dispute.refunded = money.refunded;
    this.#requestOf(dispute.requestId).openDisputes -= 1;
    return dispute;
  }

  #penaltyDue(row: RequestRow, shortfallsWh: readonly bigint[]): bigint {
    const { deliveryToleranceBps, toleranceFloorWh, penaltyBps } = this.#rules;
    const excessWh = row.energyWh.reduce(
      (sum, wh, i) => sum + rules.excess(wh, shortfallsWh[i] ?? 0n, deliveryToleranceBps, toleranceFloorWh),
      0n,
    );
    return rules.penalty(excessWh, row.price, penaltyBps);
  }

  #agreement(account: bigint): Agreement {
    const agreement = this.agreements.get(account);
    if (agreement === undefined) throw new Error(`account ${account} has no agreement`);
    return agreement;
  }

  #requestOf(id: bigint): FlowRequest {
    const request = this.requests.get(id);
    if (request === undefined) throw new Error(`request ${id} was never made`);
    return request;
  }
}

function statementIn({ statement }: DisputeRaisedEvent.OutputObject): FlowStatement {
  const { der, epoch, energyWh, readingsRoot, firstBlock, firstBlockHash, lastBlock, lastBlockHash } =
    statement;
  return {
    der,
    epoch: Number(epoch),
    energyWh,
    readingsRoot,
    firstBlock: Number(firstBlock),
    firstBlockHash,
    lastBlock: Number(lastBlock),
    lastBlockHash,
  };
}
