import { expect } from "chai";
import type { ContractTransactionResponse } from "ethers";
import { id, keccak256 } from "ethers";

import { packEnergy, packRows, packShortfalls, type RequestRow } from "../../agents/settlement/rows.ts";
import * as rules from "../../agents/settlement/rules.ts";
import { commitmentOf, type SettledRequest } from "../../agents/settlement/tree.ts";
import type { IARIATypes } from "../../types/contracts/ARIA.js";
import {
  allBalances,
  commission,
  deploy,
  type Der,
  epochNow,
  ethers,
  join,
  loadFixture,
  newDer,
  RequestStatus,
  startOf,
  type System,
  threeDers,
  time,
  toNextEpoch,
  UNIT,
} from "./fixture.ts";

/**
 * Orders, requests and sweeps as the agents make them. What a sweep must come to is computed here from
 * agents/settlement/rules.ts alone, so that the contracts are held against it.
 */

/** The root of the Aggregator's flow tree, where a test does not look into it. */
export const FLOW_ROOT = id("the Aggregator's readings");

// ------------------------------------------------------------------------------------------------------------ Orders

/** An order and what is left of it. */
export interface OpenOrder {
  id: bigint;
  firstEpoch: bigint;
  /** Wh, one an epoch */
  leftWh: bigint[];
}

export async function orderBaseline(
  { aria, operator }: System,
  firstEpoch: bigint,
  baselineWh: bigint[],
): Promise<OpenOrder> {
  const asOperator = aria.connect(operator);
  const orderId = await asOperator.orderBaseline.staticCall(firstEpoch, packEnergy(baselineWh));
  await asOperator.orderBaseline(firstEpoch, packEnergy(baselineWh));
  return { id: orderId, firstEpoch, leftWh: [...baselineWh] };
}

/** keccak256(abi.encode(firstEpoch, baseline)) of what is left of an order. */
export function hashOf({ firstEpoch, leftWh }: OpenOrder): string {
  const coder = ethers.AbiCoder.defaultAbiCoder();
  return keccak256(coder.encode(["uint32", "bytes"], [firstEpoch, packEnergy(leftWh)]));
}

/** The order as a request passes it. */
export function orderArgument({ id: orderId, firstEpoch, leftWh }: OpenOrder): IARIATypes.OrderStruct {
  return { id: orderId, firstEpoch, baseline: packEnergy(leftWh) };
}

/** An order of four epochs from the epoch after the next on, 10,000 Wh each. */
async function ordered(): Promise<System & { order: OpenOrder; first: bigint }> {
  const system = await threeDers();
  const first = (await epochNow(system)) + 2n;
  const order = await orderBaseline(system, first, [10_000n, 10_000n, 10_000n, 10_000n]);
  return { ...system, order, first };
}

/** With a copy of the order of its own, for the test to draw on. */
export async function loadOrdered(): ReturnType<typeof ordered> {
  const loaded = await loadFixture(ordered);
  return { ...loaded, order: { ...loaded.order } };
}

// ---------------------------------------------------------------------------------------------------------- Requests

/** A request, what was asked and, once swept, what came of it. */
export interface Request extends SettledRequest {
  firstEpoch: bigint;
  count: number;
  /** units set aside for it */
  escrow: bigint;
}

/** Loads a fixture with a copy of its request, which the test's own sweep is noted in. */
export async function loadRequest<T extends { request: Request }>(fixture: () => Promise<T>): Promise<T> {
  const loaded = await loadFixture(fixture);
  return { ...loaded, request: structuredClone(loaded.request) };
}

/** What is asked of one DER. */
export function rowOf(der: Der, energyWh: bigint[]): RequestRow {
  return { account: der.account, price: der.price, powerW: der.powerW, energyWh };
}

/** The most that rows can cost, row by row rounded up. */
export function escrowFor(system: System, rows: readonly RequestRow[]): bigint {
  return sumOf(rows.map((row) => rules.escrow(sumOf(row.energyWh), row.price, system.rules.feeBps)));
}

export async function sendRequest(
  { aria, aggregator }: System,
  order: OpenOrder,
  firstEpoch: bigint,
  rows: readonly RequestRow[],
): Promise<ContractTransactionResponse> {
  const argument = orderArgument(order);
  const count = rows[0]?.energyWh.length ?? 0;
  return await aria.connect(aggregator).requestFlow(argument, firstEpoch, count, packRows(rows));
}

/** Requests, and takes what is requested off the order. */
export async function requestFlow(
  system: System,
  order: OpenOrder,
  firstEpoch: bigint,
  rows: RequestRow[],
): Promise<Request> {
  const count = rows[0]?.energyWh.length ?? 0;
  const requestId = await system.aria
    .connect(system.aggregator)
    .requestFlow.staticCall(orderArgument(order), firstEpoch, count, packRows(rows));
  await sendRequest(system, order, firstEpoch, rows);
  const offset = Number(firstEpoch - order.firstEpoch);
  order.leftWh = order.leftWh.map((wh, i) => wh - sumOf(rows.map((row) => row.energyWh[i - offset] ?? 0n)));
  return { requestId, rows, firstEpoch, count, escrow: escrowFor(system, rows) };
}

/** Asks the same of each of the first DERs: `energyWh`, plus a Wh for each DER before it. */
export function rowsFor(system: System, derCount: number, energyWh: bigint[]): RequestRow[] {
  return system.ders.slice(0, derCount).map((der, i) =>
    rowOf(
      der,
      energyWh.map((wh) => wh + BigInt(i)),
    ),
  );
}

/** Orders exactly what it then requests, from the epoch after the next on. */
export async function orderAndRequest(system: System, rows: RequestRow[]): Promise<Request> {
  const firstEpoch = BigInt(await time.latest()) / system.rules.epochSeconds + 2n;
  const count = rows[0]?.energyWh.length ?? 0;
  const baseline = Array.from({ length: count }, (_, i) => sumOf(rows.map((row) => row.energyWh[i] ?? 0n)));
  return await requestFlow(system, await orderBaseline(system, firstEpoch, baseline), firstEpoch, rows);
}

/** Prices, in units per kWh. */
export const DEAR = [2n ** 31n - 1n, 2n ** 31n, ...Array<bigint>(3).fill(2n ** 32n - 1n)];

/**
 * Asks a kWh of each of five DERs, for just less than 2^31 units, for that, and for the highest price there is: what no
 * octet holds is posted on its own.
 */
export function dear(): Promise<System & { request: Request }> {
  return pricy(DEAR, 1_000n);
}

/** Asks energy of DERs, one for each price. Nothing is tolerated, and the penalty is the price. */
export async function pricy(
  prices: readonly bigint[],
  energyWh: bigint,
): Promise<System & { request: Request }> {
  const criteria = { maxPrice: 2n ** 32n - 1n, depositPerKw: 430_000_000n };
  const rules = { deliveryToleranceBps: 0n, toleranceFloorWh: 0n, penaltyBps: 10_000n };
  const system = await deploy({ criteria, rules });
  for (const [index, price] of prices.entries()) {
    const der = { ...(await newDer(index, system.criteria)), price };
    await join(system, der);
    system.ders.push(der);
  }
  await commission(system, system.ders);
  await system.vault
    .connect(system.operator)
    .deposit(system.operator, 10n ** 11n, { value: 10n ** 11n * UNIT });
  await toNextEpoch(system);
  const request = await orderAndRequest(
    system,
    system.ders.map((der) => rowOf(der, [energyWh])),
  );
  return { ...system, request };
}

// ------------------------------------------------------------------------------------------------------------ Sweeps

/** When a request can be swept: from the first second to the last, in unix seconds. */
export function sweepWindow(system: System, request: Request): { opens: bigint; closes: bigint } {
  const opens = startOf(system, request.firstEpoch + BigInt(request.count));
  return { opens, closes: opens + system.rules.sweepWindowSeconds };
}

/** Waits for the end of a request's last epoch, unless it is over. */
export async function toSweepWindow(system: System, request: Request): Promise<void> {
  const { opens } = sweepWindow(system, request);
  if (BigInt(await time.latest()) < opens) await time.increaseTo(opens);
}

/** What a sweep comes to, in units. */
export interface Settlement {
  payments: bigint[];
  /** penalties as the rules have them */
  due: bigint[];
  /** penalties as the deposits standing cover them */
  taken: bigint[];
  paid: bigint;
  fee: bigint;
  /** what stays in escrow */
  escrow: bigint;
}

/** What a sweep must come to when the accounts hold `balances`. */
export function settlementOf(
  system: System,
  request: Request,
  shortfallsWh: readonly (readonly bigint[])[],
  balances: ReadonlyMap<bigint, bigint>,
): Settlement {
  const { penaltyBps, feeBps } = system.rules;
  const settled = request.rows.map((row, index) => {
    const short = shortfallsWh[index] ?? [];
    const payment = rules.payment(sumOf(row.energyWh) - sumOf(short), row.price);
    const due = rules.penalty(excessOf(system, row.energyWh, short), row.price, penaltyBps);
    const deposit = rules.depositFor(row.powerW, system.criteria.depositPerKw);
    const taken = least(due, deposit, balances.get(row.account) ?? 0n);
    return { payment, due, taken };
  });
  const paid = sumOf(settled.map(({ payment }) => payment));
  const fee = rules.fee(paid, feeBps);
  return {
    payments: settled.map(({ payment }) => payment),
    due: settled.map(({ due }) => due),
    taken: settled.map(({ taken }) => taken),
    paid,
    fee,
    escrow: request.escrow - paid - fee + sumOf(settled.map(({ taken }) => taken)),
  };
}

/** Energy missing beyond the tolerance, summed over the epochs. */
export function excessOf(system: System, energyWh: readonly bigint[], short: readonly bigint[]): bigint {
  const { deliveryToleranceBps, toleranceFloorWh } = system.rules;
  return sumOf(
    energyWh.map((wh, i) => rules.excess(wh, short[i] ?? 0n, deliveryToleranceBps, toleranceFloorWh)),
  );
}

export async function sendSweep(
  { aria, aggregator }: System,
  request: Request,
  shortfallsWh: readonly (readonly bigint[])[],
  flowRoot = FLOW_ROOT,
): Promise<ContractTransactionResponse> {
  const [rows, shortfalls] = [packRows(request.rows), packShortfalls(shortfallsWh)];
  return await aria.connect(aggregator).sweepEpoch(request.requestId, rows, shortfalls, flowRoot);
}

/** Sweeps after the last epoch, notes what came of it in the request, and returns what it must have come to. */
export async function sweep(
  system: System,
  request: Request,
  shortfallsWh: bigint[][],
  flowRoot = FLOW_ROOT,
): Promise<Settlement> {
  await toSweepWindow(system, request);
  const settlement = settlementOf(system, request, shortfallsWh, await allBalances(system.vault));
  await sendSweep(system, request, shortfallsWh, flowRoot);
  request.sweep = { shortfallsWh, penalties: settlement.taken, flowRoot };
  return settlement;
}

/** Shortfalls of zero for all rows of a request. */
export function nothingMissing({ rows }: Request): bigint[][] {
  return rows.map(({ energyWh }) => energyWh.map(() => 0n));
}

export function sumOf(figures: readonly bigint[]): bigint {
  return figures.reduce((sum, figure) => sum + figure, 0n);
}

function least(...figures: [bigint, ...bigint[]]): bigint {
  return figures.reduce((least_, figure) => (figure < least_ ? figure : least_));
}

/** Sweeps, expects exactly the money and the records that rules.ts asks for, and returns both. */
export async function expectSweep(
  system: System,
  request: Request,
  shortfallsWh: bigint[][],
  flowRoot = FLOW_ROOT,
) {
  await toSweepWindow(system, request);
  const before = await system.vault.balancesOf(system.ders.map(({ account }) => account));
  const settlement = await sweep(system, request, shortfallsWh, flowRoot);
  const after = await system.vault.balancesOf(system.ders.map(({ account }) => account));
  const { payments, taken, escrow } = settlement;
  request.rows.forEach(({ account }, row) => {
    const der = system.ders.findIndex((candidate) => candidate.account === account);
    expect(after[der]! - before[der]!, `DER ${der.toString()}`).to.equal(payments[row]! - taken[row]!);
  });
  const stored = await system.aria.requestOf(request.requestId);
  expect(stored.commitment).to.equal(commitmentOf(request));
  expect([stored.status, stored.escrow]).to.deep.equal([RequestStatus.Swept, escrow]);
  return settlement;
}
