import { dataLength, dataSlice, fromTwos, keccak256, type Log } from "ethers";

import { packEnergy, unpackEnergy, unpackRows, unpackShortfalls } from "../../agents/settlement/rows.ts";
import * as rules from "../../agents/settlement/rules.ts";
import { commitmentOf, type SettledRequest } from "../../agents/settlement/tree.ts";
import { DisputeStatus, ethers, RequestStatus, Status, type System } from "./fixture.ts";
import { excessOf } from "./settling.ts";

/** The fields of the events that the books are kept from; an event has some of them. */
interface Fields {
  account: bigint;
  amount: bigint;
  generation: bigint;
  postings: string;
  owner: string;
  powerW: bigint;
  price: bigint;
  deposit: bigint;
  fromEpoch: bigint;
  meter: string;
  untilEpoch: bigint;
  orderId: bigint;
  firstEpoch: bigint;
  baseline: string;
  requestId: bigint;
  count: bigint;
  escrow: bigint;
  rows: string;
  octets: string;
  flowRoot: string;
  shortfalls: string;
  taken: bigint;
  disputeId: bigint;
  claimWh: bigint;
  paid: bigint;
  refunded: bigint;
}

export interface AgreementBook {
  status: bigint;
  account: bigint;
  powerW: bigint;
  price: bigint;
  deposit: bigint;
  sinceEpoch: bigint;
  untilEpoch: bigint;
}

export interface RequestBook {
  settled: SettledRequest;
  status: bigint;
  firstEpoch: bigint;
  count: bigint;
  openDisputes: bigint;
  sweptAt: bigint;
  escrow: bigint;
}

/** Everything that can be known of the contracts' state, from their events alone. */
export class Books {
  readonly owners = new Map<bigint, string>();
  readonly balances = new Map<bigint, bigint>();
  readonly agreements = new Map<bigint, AgreementBook>();
  readonly meters = new Map<bigint, { key: string; fromEpoch: bigint }[]>();
  readonly orders = new Map<bigint, { firstEpoch: bigint; leftWh: bigint[] }>();
  readonly requests = new Map<bigint, RequestBook>();
  readonly disputes = new Map<bigint, { requestId: bigint; status: bigint; claimWh: bigint }>();
  /** how many of each event there were */
  readonly events = new Map<string, number>();
  generation = 0n;
  bonded = false;
  #locks = new Map<bigint, bigint>();
  /** penalties that the deposit standing did not cover, of the sweep whose own event follows */
  #capped = new Map<bigint, bigint>();
  readonly #system: System;

  private constructor(system: System) {
    this.#system = system;
  }

  /** Reads all events of the Vault and of ARIA, in their order. */
  static async of(system: System): Promise<Books> {
    const books = new Books(system);
    const address = [await system.vault.getAddress(), await system.aria.getAddress()];
    const logs = await Promise.all(
      address.map((each) => ethers.provider.getLogs({ address: each, fromBlock: 0, toBlock: "latest" })),
    );
    const inOrder = logs.flat().sort((a, b) => a.blockNumber - b.blockNumber || a.index - b.index);
    for (const log of inOrder) await books.#enter(log);
    return books;
  }

  lockOf(account: bigint): bigint {
    return this.#locks.get(account) ?? 0n;
  }

  /** With Suspended computed, as ARIA does. */
  statusOf({ account, status, deposit }: AgreementBook): bigint {
    const floor = rules.floorOf(deposit, this.#system.criteria.depositFloorBps);
    const under = (this.balances.get(account) ?? 0n) < floor;
    return status === Status.Active && under ? Status.Suspended : status;
  }

  orderHash(orderId: bigint): string {
    const order = required(this.orders, orderId);
    const coder = ethers.AbiCoder.defaultAbiCoder();
    return keccak256(coder.encode(["uint32", "bytes"], [order.firstEpoch, packEnergy(order.leftWh)]));
  }

  async #enter(log: Log): Promise<void> {
    const { vault, aria } = this.#system;
    const entry = aria.interface.parseLog(log) ?? vault.interface.parseLog(log);
    if (!entry) throw new Error(`there is an event that no ABI knows: ${log.topics.join(" ")}`);
    this.events.set(entry.name, (this.events.get(entry.name) ?? 0) + 1);
    const fields = entry.args.toObject() as Fields;
    this.#enterOfVault(entry.name, fields);
    this.#enterOfAgreements(entry.name, fields);
    if (entry.name === "FlowSwept") this.#sweep(fields, BigInt((await log.getBlock()).timestamp));
    else this.#enterOfFlow(entry.name, fields);
    this.#enterOfDisputes(entry.name, fields);
  }

  #enterOfVault(name: string, { account, amount, owner, generation, postings, octets }: Fields): void {
    if (name === "AccountOpened") this.owners.set(account, owner);
    if (name === "Deposited") this.#add(account, amount);
    if (name === "Withdrawn") this.#add(account, -amount);
    if (name === "LockSet") this.#locks.set(account, amount);
    if (name === "HandedOver") {
      this.generation = generation;
      this.#locks = new Map();
    }
    if (name === "Settled") {
      for (let at = 0; at < dataLength(postings); at += 12) {
        const posting = fromTwos(dataSlice(postings, at + 4, at + 12), 64);
        this.#add(BigInt(dataSlice(postings, at, at + 4)), posting);
      }
      for (let at = 0; at < dataLength(octets); at += 36) {
        const first = 8n * BigInt(dataSlice(octets, at, at + 4));
        for (let lane = 0; lane < 8; ++lane) {
          const from = at + 32 - 4 * lane;
          this.#add(first + BigInt(lane), fromTwos(dataSlice(octets, from, from + 4), 32));
        }
      }
    }
  }

  #add(account: bigint, amount: bigint): void {
    this.balances.set(account, (this.balances.get(account) ?? 0n) + amount);
  }

  #enterOfAgreements(name: string, fields: Fields): void {
    const { account } = fields;
    if (name === "BondPosted") this.bonded = true;
    if (name === "BondReleased") this.bonded = false;
    if (name === "Joined") {
      const { powerW, price, deposit } = fields;
      const terms = { account, powerW, price, deposit, sinceEpoch: 0n, untilEpoch: 0n };
      this.agreements.set(account, { status: Status.Prospective, ...terms });
    }
    if (name === "Commissioned") {
      const agreement = required(this.agreements, account);
      if (agreement.status === Status.Prospective) agreement.sinceEpoch = fields.fromEpoch;
      if (agreement.status !== Status.Leaving) agreement.status = Status.Active;
      const keys = this.meters.get(account) ?? [];
      this.meters.set(account, [...keys, { key: fields.meter, fromEpoch: fields.fromEpoch }]);
    }
    if (name === "LeavingAnnounced") {
      const agreement = required(this.agreements, account);
      Object.assign(agreement, { status: Status.Leaving, untilEpoch: fields.untilEpoch });
    }
    if (name === "AgreementClosed") required(this.agreements, account).status = Status.Closed;
  }

  #enterOfFlow(name: string, fields: Fields): void {
    const { orderId, requestId, firstEpoch } = fields;
    if (name === "BaselineOrdered") {
      this.orders.set(orderId, { firstEpoch, leftWh: unpackEnergy(fields.baseline) });
    }
    if (name === "OrderCancelled") this.orders.delete(orderId);
    if (name === "FlowRequested") this.#request(fields);
    if (name === "PenaltyCapped") this.#capped.set(fields.account, fields.taken);
    if (name === "EscrowReleased") {
      Object.assign(required(this.requests, requestId), { status: RequestStatus.Released, escrow: 0n });
    }
  }

  #request({ requestId, orderId, firstEpoch, count, escrow, rows: bytes }: Fields): void {
    const rows = unpackRows(bytes, Number(count));
    const order = required(this.orders, orderId);
    for (const { energyWh } of rows) {
      energyWh.forEach((wh, i) => {
        const epoch = i + Number(firstEpoch - order.firstEpoch);
        order.leftWh[epoch] = (order.leftWh[epoch] ?? 0n) - wh;
      });
    }
    const status = RequestStatus.Requested;
    const settled = { requestId, rows };
    this.requests.set(requestId, {
      settled,
      status,
      firstEpoch,
      count,
      openDisputes: 0n,
      sweptAt: 0n,
      escrow,
    });
  }

  #sweep({ requestId, shortfalls, flowRoot, escrow }: Fields, sweptAt: bigint): void {
    const request = required(this.requests, requestId);
    const shortfallsWh = unpackShortfalls(shortfalls, Number(request.count));
    const penalties = request.settled.rows.map(({ account, energyWh, price }, row) => {
      const excess = excessOf(this.#system, energyWh, shortfallsWh[row] ?? []);
      return this.#capped.get(account) ?? rules.penalty(excess, price, this.#system.rules.penaltyBps);
    });
    this.#capped = new Map();
    request.settled.sweep = { shortfallsWh, penalties, flowRoot };
    Object.assign(request, { status: RequestStatus.Swept, sweptAt, escrow });
  }

  #enterOfDisputes(name: string, { disputeId, requestId, claimWh, paid, refunded }: Fields): void {
    if (name === "DisputeRaised") {
      this.disputes.set(disputeId, { requestId, status: DisputeStatus.Open, claimWh });
      ++required(this.requests, requestId).openDisputes;
    }
    if (name === "DisputeResolved" || name === "DisputeDefaulted") {
      const dispute = required(this.disputes, disputeId);
      dispute.status = name === "DisputeResolved" ? DisputeStatus.Ruled : DisputeStatus.Defaulted;
      const request = required(this.requests, dispute.requestId);
      --request.openDisputes;
      request.escrow -= paid + refunded;
    }
  }
}

/** What ARIA stores of a request, as `requestOf` answers. */
export function storedRequest(book: RequestBook): unknown[] {
  const { settled, status, firstEpoch, count, openDisputes, sweptAt, escrow } = book;
  return [commitmentOf(settled), status, firstEpoch, count, openDisputes, sweptAt, escrow];
}

function required<K, V>(book: ReadonlyMap<K, V>, key: K): V {
  const entry = book.get(key);
  if (!entry) throw new Error(`the books know nothing of ${String(key)}`);
  return entry;
}
