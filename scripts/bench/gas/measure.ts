import { type ContractTransactionResponse, getBytes, id } from "ethers";

import { packRows, packShortfalls } from "../../../agents/settlement/rows.ts";
import * as rules from "../../../agents/settlement/rules.ts";
import { disputeIdOf, raise } from "../../../test/contracts/claims.ts";
import {
  commission,
  deploy,
  type Der,
  derAt,
  EXIT_WINDOW_SECONDS,
  Fault,
  join,
  newDer,
  RequestStatus,
  type System,
  time,
  toNextEpoch,
  UNIT,
  withNewAria,
} from "../../../test/contracts/fixture.ts";
import {
  escrowFor,
  FLOW_ROOT,
  type OpenOrder,
  orderBaseline,
  type Request,
  rowOf,
  sendRequest,
  sumOf,
  toSweepWindow,
} from "../../../test/contracts/settling.ts";
import { naiveGasPerDer } from "./naive.ts";

const DAY = 96;
const COMMISSIONED_AT_ONCE = 100;
/** Enough for a day of a thousand DERs, in units. */
const FUNDS = 1_000_000_000_000n;

/** All figures, in gas. */
export async function measure(): Promise<Record<string, number>> {
  const small = await fleet(10);
  const middle = await fleet(100);
  const large = await fleet(1_000);
  const epoch100 = await settle(middle, 1);
  const dispute = await disputed(middle, epoch100.request);
  const epoch1000 = await settle(large, 1);
  const day = await settle(middle, DAY);
  const joins = await joined(middle);
  const handOver10 = await handedOver(small);
  const handOver1000 = await handedOver(large);
  const whole = (per: number) => Math.round(per);
  return {
    sweepEpochGasPerDer100: whole(epoch100.sweep / 100),
    sweepEpochGasPerDer1000: whole(epoch1000.sweep / 1_000),
    sweepDayGasPerDerEpoch: whole(day.sweep / 100 / DAY),
    requestDayGasPerDerEpoch: whole(day.asked / 100 / DAY),
    joinGas: whole(joins.reduce((sum, gas) => sum + gas) / joins.length),
    disputeGas: dispute.raise + dispute.rule,
    handOverGas10: handOver10.announce + handOver10.handOver + handOver10.register,
    handOverGas1000: handOver1000.announce + handOver1000.handOver + handOver1000.register,
    naiveGasPerDer100: whole(await naiveGasPerDer(middle.ders)),
    calldataFloorGasPerDerEpoch: whole(day.floor / 100 / DAY),
    sweepEpochGas100: epoch100.sweep,
    requestEpochGas100: epoch100.asked,
    sweepDayGas100: day.sweep,
    requestDayGas100: day.asked,
    sweepDayHonestGas100: (await settle(middle, DAY, () => 0n)).sweep,
    joinGasFirstLane: Math.max(...joins),
    joinGasLaterLane: Math.min(...joins),
    raiseGas: dispute.raise,
    ruleGas: dispute.rule,
    announceGas: handOver10.announce,
    handOverGas: handOver10.handOver,
    registerGas: handOver10.register,
  };
}

/** A system of so many DERs in force, with money for bonds, that has settled once before. */
async function fleet(derCount: number): Promise<System> {
  const system = await deploy({ criteria: { maxProspective: 2_000n } });
  const { vault, operator, aggregator } = system;
  for (const each of [operator, aggregator]) await vault.deposit(each, FUNDS, { value: FUNDS * UNIT });
  for (let index = 0; index < derCount; ++index) system.ders.push(await newDer(index));
  for (const der of system.ders) {
    await join(system, der);
    const spare = 2n * system.rules.disputeBond;
    await vault.deposit(der.signer, spare, { value: spare * UNIT });
  }
  for (let at = 0; at < derCount; at += COMMISSIONED_AT_ONCE) {
    await commission(system, system.ders.slice(at, at + COMMISSIONED_AT_ONCE));
  }
  await toNextEpoch(system);
  await settle(system, 1);
  return system;
}

// ------------------------------------------------------------------------------------ Disputes, joining, hand-over

/** The first DER of the tenth that was short claims what it was not credited, and is found right. */
async function disputed(system: System, request: Request): Promise<{ raise: number; rule: number }> {
  const { aria, operator } = system;
  const der = derAt(system, 0);
  const shortfall = request.sweep?.shortfallsWh[0]?.[0] ?? 0n;
  const raised = await gasOf(raise(system, der, request, request.firstEpoch, askedOf(0, 0)));
  const ruling = aria
    .connect(operator)
    .resolveDispute(disputeIdOf(der, request.firstEpoch), shortfall, Fault.None, id("evidence"));
  return { raise: raised, rule: await gasOf(ruling) };
}

/** What as many DERs as share a storage word pay to join, one after the other. */
async function joined(system: System): Promise<number[]> {
  const gas: number[] = [];
  for (let index = 0; index < 8; ++index) {
    const der: Der = await newDer(5_000 + index);
    const value = der.deposit * UNIT;
    gas.push(await gasOf(system.aria.connect(der.signer).join(der.powerW, der.price, der.meter, { value })));
  }
  return gas;
}

/** The second hand-over of a Vault, with all settled and released; the deployment of the next ARIA apart. */
async function handedOver(system: System): Promise<{ announce: number; handOver: number; register: number }> {
  const next = await withNewAria(system);
  const { aria, vault, registry } = system;
  await time.increase(system.rules.disputeWindowSeconds);
  for (let id = await lastRequest(system); id > 0n && (await isSwept(system, id)); --id)
    await aria.releaseEscrow([id]);
  const announce = await gasOf(vault.announceHandOver(next.aria));
  await time.increase(EXIT_WINDOW_SECONDS);
  const handOver = await gasOf(vault.handOver());
  return { announce, handOver, register: await gasOf(registry.register(next.aria)) };
}

// ------------------------------------------------------------------------------------------------ Request and sweep

interface Settled {
  request: Request;
  /** gas of the request */
  asked: number;
  sweep: number;
  /** what the bytes of the sweep cost at least (EIP-7623) */
  floor: number;
}

/** What a DER was asked for, about 2 kWh of the 2.5 that the smallest can deliver in a quarter of an hour. */
function askedOf(der: number, epoch: number): bigint {
  return BigInt(1_600 + ((37 * der + 11 * epoch) % 800));
}

/** In each epoch another tenth of the DERs delivers a third less. */
function tenthShort(wh: bigint, der: number, epoch: number): bigint {
  return (der + epoch) % 10 === 0 ? wh / 3n : 0n;
}

/** Requests a run of epochs of all DERs out of a larger order, and sweeps it. */
async function settle(system: System, count: number, short = tenthShort): Promise<Settled> {
  const { aria, aggregator, ders } = system;
  const rows = ders.map((der, i) =>
    rowOf(
      der,
      Array.from({ length: count }, (_, epoch) => askedOf(i, epoch)),
    ),
  );
  const firstEpoch = BigInt(await time.latest()) / system.rules.epochSeconds + 2n;
  const baselineWh = Array.from(
    { length: count },
    (_, i) => sumOf(rows.map((row) => row.energyWh[i] ?? 0n)) + 1n,
  );
  const order: OpenOrder = await orderBaseline(system, firstEpoch, baselineWh);
  const asked = await gasOf(sendRequest(system, order, firstEpoch, rows));
  const requestId = await lastRequest(system);
  const request: Request = { requestId, rows, firstEpoch, count, escrow: escrowFor(system, rows) };

  await toSweepWindow(system, request);
  const shortfallsWh = rows.map(({ energyWh }, der) => energyWh.map((wh, epoch) => short(wh, der, epoch)));
  const sending = aria
    .connect(aggregator)
    .sweepEpoch(requestId, packRows(rows), packShortfalls(shortfallsWh), FLOW_ROOT);
  const sent = await sending;
  const { deliveryToleranceBps: share, toleranceFloorWh: floor, penaltyBps } = system.rules;
  const penalties = rows.map(({ energyWh, price }, row) => {
    const missing = (wh: bigint, i: number) => rules.excess(wh, shortfallsWh[row]?.[i] ?? 0n, share, floor);
    return rules.penalty(sumOf(energyWh.map(missing)), price, penaltyBps);
  });
  request.sweep = { shortfallsWh, penalties, flowRoot: FLOW_ROOT };
  return { request, asked, sweep: await gasOf(sending), floor: floorOf(sent.data) };
}

async function lastRequest({ aria }: System): Promise<bigint> {
  const [event] = (await aria.queryFilter(aria.filters.FlowRequested)).slice(-1);
  if (!event) throw new Error("nothing was requested");
  return event.args.requestId;
}

async function isSwept({ aria }: System, requestId: bigint): Promise<boolean> {
  return (await aria.requestOf(requestId)).status === RequestStatus.Swept;
}

async function gasOf(sending: Promise<ContractTransactionResponse>): Promise<number> {
  const receipt = await (await sending).wait();
  if (!receipt) throw new Error("a transaction has no receipt");
  return Number(receipt.gasUsed);
}

/** EIP-7623: 10 gas for a zero byte of calldata, 40 for another, whatever is done with them. */
function floorOf(data: string): number {
  return getBytes(data).reduce((gas, byte) => gas + (byte === 0 ? 10 : 40), 21_000);
}
