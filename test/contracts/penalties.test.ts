import { expect } from "chai";

import * as rules from "../../agents/settlement/rules.ts";
import { at, CRITERIA, deploy, derAt, Status, type System, UNIT } from "./fixture.ts";
import {
  dear,
  DEAR,
  expectSweep,
  loadRequest,
  nothingMissing,
  orderAndRequest,
  orderBaseline,
  pricy,
  type Request,
  requestFlow,
  rowsFor,
  sendSweep,
  sumOf,
  sweep,
  sweepWindow,
} from "./settling.ts";

describe("A penalty", function () {
  /** Penalties of six times the price, so that three epochs eat up a deposit. */
  async function severe(): Promise<System & { request: Request }> {
    const system = await deploy({ derCount: 3, rules: { penaltyBps: 60_000n } });
    const request = await orderAndRequest(system, rowsFor(system, 2, Array<bigint>(4).fill(2_400n)));
    return { ...system, request };
  }

  it("never exceeds the deposit standing, and suspends who falls under the floor (I5)", async function () {
    const { request, ...system } = await loadRequest(severe);
    const [der, other] = [derAt(system, 0), derAt(system, 1)];
    const short = [Array<bigint>(4).fill(2_400n), [0n, 2_400n, 2_400n, 0n]];
    const excess = 4n * (2_400n - 120n);
    const due = rules.penalty(excess, der.price, 60_000n);
    expect(due).to.be.greaterThan(der.deposit);
    const opens = sweepWindow(system, request).opens;
    const sent = await at(opens, () => sendSweep(system, request, short));
    await expect(sent)
      .to.emit(system.aria, "PenaltyCapped")
      .withArgs(request.requestId, der.account, due, der.deposit);
    const capped = await system.aria.queryFilter(system.aria.filters.PenaltyCapped(), sent.blockNumber ?? 0);
    expect(capped, "none of who could pay it").to.have.length(1);
    const floor = rules.floorOf(der.deposit, CRITERIA.depositFloorBps);
    const otherFloor = rules.floorOf(other.deposit, CRITERIA.depositFloorBps);
    const left = other.deposit - rules.penalty(2n * (2_400n - 120n), other.price, 60_000n);
    expect(left, "but for its payment").to.be.lessThan(otherFloor);
    const suspended = await system.aria.queryFilter(
      system.aria.filters.AgreementSuspended(),
      sent.blockNumber ?? 0,
    );
    expect(suspended.map(({ args }) => [...args])).to.deep.equal([[der.account, floor, 0n]]);
    expect(await system.vault.balanceOf(der.account)).to.equal(0n);
    const fed = (request.rows[1]?.energyWh ?? []).reduce(
      (sum, wh, epoch) => sum + wh - (short[1]?.[epoch] ?? 0n),
      0n,
    );
    const paid = rules.payment(fed, other.price);
    expect(await system.vault.balanceOf(other.account))
      .to.equal(left + paid)
      .and.to.be.greaterThan(otherFloor);
  });

  it("suspends nobody who is left with the floor, to the unit", async function () {
    const { request, ...system } = await loadRequest(severe);
    const der = derAt(system, 0);
    const short = [[2_400n, 2_400n, 2_400n, 0n], Array<bigint>(4).fill(0n)];
    const floor = rules.floorOf(der.deposit, CRITERIA.depositFloorBps);
    const spare = floor - rules.payment(2_400n, der.price); // all of the deposit is taken, and one epoch paid
    await system.vault.deposit(der.signer, spare, { value: spare * UNIT });
    const sent = await at(sweepWindow(system, request).opens, () => sendSweep(system, request, short));
    expect(await system.vault.balanceOf(der.account)).to.equal(floor);
    await expect(sent).to.emit(system.aria, "PenaltyCapped");
    await expect(sent).not.to.emit(system.aria, "AgreementSuspended");
    const { status } = await system.aria.agreementOf(der.account);
    expect(status).to.equal(Status.Active);
  });

  it("leaves alone what lies in the account beyond the deposit", async function () {
    const { request, ...system } = await loadRequest(severe);
    const der = derAt(system, 0);
    await system.vault.deposit(der.signer, 777n, { value: 777_000_000_000n });
    const short = [Array<bigint>(4).fill(2_400n), [0n, 0n, 0n, 0n]];
    await sweep(system, request, short);
    expect(await system.vault.balanceOf(der.account)).to.equal(777n);
  });

  it("takes nothing of who has nothing left, and fails no sweep", async function () {
    const { request, ...system } = await loadRequest(severe);
    const der = derAt(system, 0);
    const first = request.firstEpoch + 4n;
    const order = await orderBaseline(system, first, [5_000n]);
    const later = await requestFlow(system, order, first, rowsFor(system, 2, [2_400n]));
    await sweep(system, request, [Array<bigint>(4).fill(2_400n), [0n, 0n, 0n, 0n]]);
    const settlement = await expectSweep(system, later, [[2_400n], [0n]]);
    expect(settlement.due[0]).to.be.greaterThan(0n);
    expect(settlement.taken[0]).to.equal(0n);
    expect(await system.vault.balanceOf(der.account)).to.equal(0n);
  });

  it("is of nobody who delivered: not even who is under its floor is told so again", async function () {
    const { request, ...system } = await loadRequest(severe);
    const first = request.firstEpoch + 4n;
    const order = await orderBaseline(system, first, [5_000n, 5_000n, 5_000n]);
    const later = [
      await requestFlow(system, order, first, rowsFor(system, 2, [2_400n])),
      await requestFlow(system, order, first + 1n, rowsFor(system, 2, [2_400n, 2_400n])),
    ];
    await sweep(system, request, [Array<bigint>(4).fill(2_400n), [0n, 0n, 0n, 0n]]);
    expect((await system.aria.agreementOf(derAt(system, 0).account)).status).to.equal(Status.Suspended);
    for (const each of later) {
      const sent = await at(sweepWindow(system, each).opens, () =>
        sendSweep(system, each, nothingMissing(each)),
      );
      await expect(sent).not.to.emit(system.aria, "AgreementSuspended");
    }
  });

  it("may be too much for an octet", async function () {
    const { request, ...system } = await loadRequest(dear);
    const { taken } = await expectSweep(system, request, Array<bigint[]>(5).fill([1_000n]));
    expect(taken).to.deep.equal(DEAR);
  });

  it("may be too much for an octet together with what is paid in the same sweep", async function () {
    const dearest = (): ReturnType<typeof pricy> => pricy(Array<bigint>(5).fill(2n ** 32n - 1n), 2_400n);
    const { request, ...system } = await loadRequest(dearest);
    const { payments, taken } = await expectSweep(system, request, Array<bigint[]>(5).fill([1_200n]));
    for (const amount of [...payments, ...taken]) expect(amount).to.be.greaterThan(2n ** 31n);
  });

  it("together with all payments conserves the money", async function () {
    const { request, ...system } = await loadRequest(severe);
    const before = sumOf(await system.vault.balancesOf([1, 2, 3, 4, 5, 6]));
    await sweep(system, request, [Array<bigint>(4).fill(2_400n), [7n, 7n, 7n, 700n]]);
    expect(sumOf(await system.vault.balancesOf([1, 2, 3, 4, 5, 6]))).to.equal(before);
  });
});
