import { expect } from "chai";

import * as rules from "../../agents/settlement/rules.ts";
import {
  at,
  commission,
  CRITERIA,
  deploy,
  type Der,
  derAt,
  epochNow,
  expectMoves,
  join,
  loadFixture,
  newDer,
  refused,
  RULES,
  startOf,
  Status,
  type System,
  threeDers,
  toEpoch,
  toNextEpoch,
  UNIT,
} from "./fixture.ts";
import { nothingMissing, orderAndRequest, rowOf, sendRequest, orderBaseline, sweep } from "./settling.ts";

async function statusOf({ aria }: System, der: Der): Promise<bigint> {
  return (await aria.agreementOf(der.account)).status;
}

async function oneProspective(): Promise<System & { der: Der }> {
  const system = await deploy();
  const der = await newDer(7);
  await join(system, der);
  return { ...system, der };
}

describe("An agreement, once made,", function () {
  describe("is suspended while the balance is under the floor of the deposit, and", function () {
    /** The first DER delivers nothing at all until its deposit falls under the floor. */
    async function suspended(): Promise<System & { der: Der; floor: bigint }> {
      const system = await deploy({ derCount: 3, rules: { penaltyBps: 60_000n } });
      const der = derAt(system, 0);
      const energyWh = [2_500n, 2_500n, 2_500n];
      const request = await orderAndRequest(system, [rowOf(der, energyWh)]);
      await sweep(system, request, [energyWh]);
      return { ...system, der, floor: rules.floorOf(der.deposit, CRITERIA.depositFloorBps) };
    }

    it("shows it", async function () {
      const { der, floor, ...system } = await loadFixture(suspended);
      expect(await system.vault.balanceOf(der.account)).to.be.lessThan(floor);
      expect(await statusOf(system, der)).to.equal(Status.Suspended);
    });

    it("is in force again when it is topped up to exactly the floor", async function () {
      const { der, floor, ...system } = await loadFixture(suspended);
      const balance = await system.vault.balanceOf(der.account);
      const asDer = system.aria.connect(der.signer);
      await expect(asDer.topUp({ value: (floor - balance - 1n) * UNIT }))
        .to.emit(system.aria, "ToppedUp")
        .withArgs(der.account, floor - balance - 1n, floor - 1n);
      expect(await statusOf(system, der)).to.equal(Status.Suspended);
      await expectMoves(system, () => asDer.topUp({ value: UNIT }), { ders: [1n] });
      expect(await statusOf(system, der)).to.equal(Status.Active);
    });

    it("cannot be requested until then", async function () {
      const { der, floor, ...system } = await loadFixture(suspended);
      const epoch = (await epochNow(system)) + 2n;
      const order = await orderBaseline(system, epoch, [1_000n]);
      const rows = [rowOf(der, [1_000n])];
      const balance = await system.vault.balanceOf(der.account);
      const args = [der.account, floor, balance];
      await refused(sendRequest(system, order, epoch, rows), system.aria, "DepositUnderFloor", ...args);
      await system.vault.deposit(der.signer, floor - balance, { value: (floor - balance) * UNIT });
      await sendRequest(system, order, epoch, rows);
    });

    it("can be left all the same", async function () {
      const { der, ...system } = await loadFixture(suspended);
      await system.aria.connect(der.signer).leave();
      expect(await statusOf(system, der)).to.equal(Status.Leaving);
    });
  });

  it("is topped up by parties to it only, with something", async function () {
    const { der, aria, vault, stranger } = await loadFixture(oneProspective);
    const error = "WrongAgreementStatus";
    const call = aria.connect(stranger).topUp({ value: UNIT });
    await refused(call, aria, error, 0n, Status.Active, Status.None);
    await refused(aria.connect(der.signer).topUp(), vault, "ZeroAmount");
    await aria.connect(der.signer).topUp({ value: UNIT });
    await aria.connect(der.signer).leave();
    const late = aria.connect(der.signer).topUp({ value: UNIT });
    await refused(late, aria, error, 4n, Status.Active, Status.Closed);
  });

  describe("ends when the DER leaves, which", function () {
    it("is at once while it waits", async function () {
      const { der, ...system } = await loadFixture(oneProspective);
      const asDer = system.aria.connect(der.signer);
      expect(await asDer.leave.staticCall()).to.equal(await epochNow(system));
      await expect(asDer.leave()).to.emit(system.aria, "AgreementClosed").withArgs(4n);
      expect(await system.vault.freeOf(der.signer)).to.equal(der.deposit);
      expect(await statusOf(system, der)).to.equal(Status.Closed);
    });

    it("takes a notice of two epochs when nothing is requested", async function () {
      const system = await loadFixture(threeDers);
      const der = derAt(system, 1);
      const untilEpoch = (await epochNow(system)) + 3n;
      await expect(system.aria.connect(der.signer).leave())
        .to.emit(system.aria, "LeavingAnnounced")
        .withArgs(der.account, untilEpoch);
      const agreement = await system.aria.agreementOf(der.account);
      expect([agreement.status, agreement.untilEpoch]).to.deep.equal([Status.Leaving, untilEpoch]);
      expect(await system.vault.lockOf(der.signer)).to.equal(der.deposit);
    });

    it("waits for the end of all that is requested", async function () {
      const system = await loadFixture(threeDers);
      const [der, other] = [derAt(system, 0), derAt(system, 1)];
      const request = await orderAndRequest(system, [rowOf(other, Array<bigint>(9).fill(1_000n))]);
      await system.aria.connect(der.signer).leave();
      const { untilEpoch } = await system.aria.agreementOf(der.account);
      expect(untilEpoch).to.equal(request.firstEpoch + 9n);
      expect(untilEpoch).to.equal(await system.aria.requestedUntil());
    });

    it("still lets it be requested until then, and not an epoch longer", async function () {
      const system = await loadFixture(threeDers);
      const der = derAt(system, 1);
      const untilEpoch = (await epochNow(system)) + 3n;
      await system.aria.connect(der.signer).leave();
      const order = await orderBaseline(system, untilEpoch - 2n, [1_000n, 1_000n, 1_000n]);
      const { sinceEpoch } = await system.aria.agreementOf(der.account);
      await refused(
        sendRequest(system, order, untilEpoch - 2n, [rowOf(der, [1n, 1n, 1n])]),
        system.aria,
        "AgreementNotInForce",
        der.account,
        sinceEpoch,
        untilEpoch,
      );
      await sendRequest(system, order, untilEpoch - 2n, [rowOf(der, [1n, 1n])]);
    });

    it("frees the deposit when it is closed, after the last sweep window's last second", async function () {
      const system = await loadFixture(threeDers);
      const { aria, vault } = system;
      const der = derAt(system, 1);
      const asDer = aria.connect(der.signer);
      await asDer.leave();
      const until = startOf(system, (await epochNow(system)) + 3n);
      const lastSecond = until + RULES.sweepWindowSeconds;
      const early = at(lastSecond, () => asDer.close());
      await refused(early, aria, "ClosingTooEarly", lastSecond + 1n, lastSecond);

      const closing = await at(lastSecond + 1n, () => asDer.close());
      await expect(closing).to.emit(aria, "AgreementClosed").withArgs(der.account);
      await expect(closing).to.emit(vault, "LockSet").withArgs(der.account, 1n, 0n);
      await vault.connect(der.signer).withdraw(der.deposit, der.signer);
    });

    it("cannot be done twice, by strangers, or without it be closed", async function () {
      const system = await loadFixture(threeDers);
      const { aria, stranger } = system;
      const { account, signer } = derAt(system, 1);
      const error = "WrongAgreementStatus";
      const asDer = aria.connect(signer);
      await refused(aria.connect(stranger).leave(), aria, error, 0n, Status.Active, Status.None);
      await refused(aria.connect(stranger).close(), aria, error, 0n, Status.Leaving, Status.None);
      await refused(asDer.close(), aria, error, account, Status.Leaving, Status.Active);
      await asDer.leave();
      await refused(asDer.leave(), aria, error, account, Status.Active, Status.Leaving);
      await toEpoch(system, (await epochNow(system)) + 20n);
      await asDer.close();
      await refused(asDer.close(), aria, error, account, Status.Leaving, Status.Closed);
      await refused(asDer.leave(), aria, error, account, Status.Active, Status.Closed);
    });

    it("keeps it liable for what was requested, and is followed by a new agreement if it likes", async function () {
      const system = await loadFixture(threeDers);
      const { aria } = system;
      const der = derAt(system, 0);
      const request = await orderAndRequest(system, [rowOf(der, [2_000n])]);
      await aria.connect(der.signer).leave();
      const settlement = await sweep(system, request, [[2_000n]]);
      expect(settlement.taken[0]).to.be.greaterThan(0n);
      await toEpoch(system, (await epochNow(system)) + 10n);
      await aria.connect(der.signer).close();

      const cheaper = { ...der, price: 1n, powerW: 1_000n, deposit: 500_001n };
      await aria.connect(cheaper.signer).join(1_000n, 1n, cheaper.meter);
      await commission(system, [cheaper]);
      await toNextEpoch(system);
      const again = await orderAndRequest(system, [rowOf(cheaper, [250n])]);
      await sweep(system, again, nothingMissing(again));
      const { sinceEpoch, untilEpoch } = await aria.agreementOf(der.account);
      expect([sinceEpoch, untilEpoch]).to.deep.equal([again.firstEpoch - 2n, 0n]);
    });
  });
});
