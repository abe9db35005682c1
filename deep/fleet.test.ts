import { expect } from "chai";
import { type ContractTransactionResponse, getCreateAddress } from "ethers";

import { packRows, packShortfalls, type RequestRow } from "../agents/settlement/rows.ts";
import * as rules from "../agents/settlement/rules.ts";
import {
  allBalances,
  CRITERIA,
  deploy,
  derAt,
  EXIT_WINDOW_SECONDS,
  join,
  newDer,
  type System,
  time,
  toNextEpoch,
  UNIT,
  withNewAria,
} from "../test/contracts/fixture.ts";
import {
  escrowFor,
  FLOW_ROOT,
  orderArgument,
  orderBaseline,
  type Request,
  settlementOf,
  sumOf,
  toSweepWindow,
} from "../test/contracts/settling.ts";
import { Fleet__factory } from "../types/factories/contracts/test/Fleet.sol/index.js";

/** EIP-7825: the most gas that a transaction may have. */
const CAP = 2n ** 24n;
const AS_MUCH_AS_MAY_BE = { gasLimit: CAP };
/** The most bytes of a transaction that nodes pass on. */
const MOST_BYTES = 128 * 1024;
/** Joins and commissionings at a time. */
const AT_ONCE = 100;
const TERMS = { powerW: 10_000n, price: 200_001n };
const DEPOSIT = rules.depositFor(TERMS.powerW, CRITERIA.depositPerKw);
/** More than an epoch of all of them costs, in units. */
const FUNDS = 100_000_000_000n;

/** So many DERs in force that are contracts, and one more that signs. */
async function fleetOf(size: number): Promise<System> {
  const system = await deploy({ criteria: { maxProspective: 200n } });
  const { aria, vault, operator, owner } = system;
  await vault.deposit(operator, FUNDS, { value: FUNDS * UNIT });
  const fleet = await new Fleet__factory(owner).deploy();
  const from = await fleet.getAddress();
  for (let joined = 0; joined < size; joined += AT_ONCE) {
    const count = Math.min(AT_ONCE, size - joined);
    const options = { value: DEPOSIT * UNIT * BigInt(count), ...AS_MUCH_AS_MAY_BE };
    await fleet.join(aria, count, TERMS.powerW, TERMS.price, DEPOSIT * UNIT, options);
    const ders = Array.from({ length: count }, (_, i) => getCreateAddress({ from, nonce: 1 + joined + i }));
    const commissionings = ders.map((der) => ({ der, meter: der }));
    await aria.connect(operator).commission(commissionings, AS_MUCH_AS_MAY_BE);
  }
  system.ders.push(await newDer(0));
  await join(system, derAt(system, 0));
  await toNextEpoch(system);
  return system;
}

/** What a transaction used, which must have gone through. */
async function gasOf(sending: Promise<ContractTransactionResponse>): Promise<number> {
  const receipt = await (await sending).wait();
  expect(receipt?.status).to.equal(1);
  return Number(receipt?.gasUsed);
}

describe("A fleet of 10,000 DERs", function () {
  const [SIZE, PAGE] = [10_000, 2_500];
  let system: System;

  before(async function () {
    this.timeout(600_000);
    system = await fleetOf(SIZE);
  });

  it("is requested and swept in pages, each within what a transaction may use (EIP-7825)", async function () {
    this.timeout(600_000);
    const { aria, aggregator, vault } = system;
    const asAggregator = aria.connect(aggregator);
    const firstEpoch = BigInt(await time.latest()) / system.rules.epochSeconds + 1n;
    const rows = Array.from({ length: SIZE }, (_, i): RequestRow => ({
      account: system.accounts.escrow + 1n + BigInt(i),
      price: TERMS.price,
      powerW: TERMS.powerW,
      energyWh: [1_600n + BigInt((37 * i) % 800)],
    }));
    const order = await orderBaseline(system, firstEpoch, [sumOf(rows.flatMap(({ energyWh }) => energyWh))]);
    const requests: Request[] = [];
    const used = { request: 0, sweep: 0 };
    for (let at = 0; at < SIZE; at += PAGE) {
      const page = rows.slice(at, at + PAGE);
      const bytes = packRows(page);
      const gas = await gasOf(
        asAggregator.requestFlow(orderArgument(order), firstEpoch, 1, bytes, AS_MUCH_AS_MAY_BE),
      );
      used.request = Math.max(used.request, gas);
      order.leftWh = order.leftWh.map((wh) => wh - sumOf(page.flatMap(({ energyWh }) => energyWh)));
      const requestId = BigInt(requests.length + 1);
      requests.push({ requestId, rows: page, firstEpoch, count: 1, escrow: escrowFor(system, page) });
    }
    for (const request of requests) {
      await toSweepWindow(system, request);
      const short = request.rows.map(({ energyWh: [wh = 0n] }, i) => [i % 10 === 0 ? wh / 3n : 0n]);
      const before = await allBalances(vault);
      const { payments, taken } = settlementOf(system, request, short, before);
      const args = [packRows(request.rows), packShortfalls(short)] as const;
      const sent = asAggregator.sweepEpoch(request.requestId, ...args, FLOW_ROOT, AS_MUCH_AS_MAY_BE);
      const gas = await gasOf(sent);
      used.sweep = Math.max(used.sweep, gas);
      expect((await sent).data.length / 2, "bytes").to.be.below(MOST_BYTES);
      const after = await allBalances(vault);
      const gained = request.rows.map(({ account }) => after.get(account)! - before.get(account)!);
      expect(gained).to.deep.equal(payments.map((payment, row) => payment - taken[row]!));
    }
    console.log(`    a page of ${PAGE}: request ${used.request} gas, sweep ${used.sweep} gas, of ${CAP}`);
    expect(used.request).to.be.below(Number(CAP));
    expect(used.sweep).to.be.below(Number(CAP));
    await time.increase(system.rules.disputeWindowSeconds + 1n);
    await aria.releaseEscrow(requests.map(({ requestId }) => requestId));
    expect(await vault.balanceOf(system.accounts.escrow)).to.equal(0n);
  });

  it("costs nobody who has no part in it a unit of gas: withdrawal and hand-over are those of a fleet of ten", async function () {
    this.timeout(600_000);
    const small = await costs(await fleetOf(10));
    expect(await costs(system)).to.deep.equal(small);
  });
});

/** What a DER pays to take something out, and the owner to hand over. */
async function costs(system: System): Promise<Record<string, number>> {
  const { vault, owner } = system;
  const { signer } = derAt(system, 0);
  await vault.deposit(signer, 1_000n, { value: 1_000n * UNIT });
  const withdrawal = await gasOf(vault.connect(signer).withdraw(999n, signer));
  const next = await withNewAria(system);
  await vault.connect(owner).announceHandOver(next.aria);
  await time.increase(EXIT_WINDOW_SECONDS);
  return { withdrawal, handOver: await gasOf(vault.connect(owner).handOver()) };
}
