import { expect } from "chai";
import { ZeroAddress } from "ethers";

import { GreedyParty__factory, Vault__factory } from "../../types/index.js";
import {
  at,
  ethers,
  EXIT_WINDOW_SECONDS,
  loadFixture,
  OPERATOR_FUNDS,
  refused,
  time,
  UNIT,
  withNewAria,
} from "./fixture.ts";
import { postings, withSixAccounts } from "./six-accounts.ts";

const UINT64_MAX = 2n ** 64n - 1n;

describe("Vault", function () {
  describe("accounts", function () {
    it("are numbered from 1 up, one for each address", async function () {
      const { vault, accounts, operator, aggregator, aria, stranger } = await loadFixture(withSixAccounts);
      expect(accounts).to.deep.equal({ operator: 1n, aggregator: 2n, escrow: 3n });
      expect(await vault.accountOf(operator)).to.equal(1n);
      expect(await vault.accountOf(aggregator)).to.equal(2n);
      expect(await vault.accountOf(aria)).to.equal(3n);
      expect(await vault.accountOf(stranger)).to.equal(0n);
      expect(await vault.accountCount()).to.equal(9n);
    });

    it("can be opened by anyone for anyone, once", async function () {
      const { vault, stranger } = await loadFixture(withSixAccounts);
      await expect(vault.openAccount(stranger)).to.emit(vault, "AccountOpened").withArgs(10n, stranger);
      await expect(vault.openAccount(stranger)).not.to.emit(vault, "AccountOpened");
      expect(await vault.openAccount.staticCall(stranger)).to.equal(10n);
      expect(await vault.accountCount()).to.equal(10n);
    });

    it("cannot be opened for nobody", async function () {
      const { vault } = await loadFixture(withSixAccounts);
      await refused(vault.openAccount(ZeroAddress), vault, "ZeroAddress");
      await refused(vault.deposit(ZeroAddress, 1n, { value: UNIT }), vault, "ZeroAddress");
    });

    it("answer with their balances, in the order asked", async function () {
      const { vault } = await loadFixture(withSixAccounts);
      expect(await vault.balanceOf(1)).to.equal(OPERATOR_FUNDS);
      expect([...(await vault.balancesOf([5, 1, 99, 5]))]).to.deep.equal([
        1_000n,
        OPERATOR_FUNDS,
        0n,
        1_000n,
      ]);
    });
  });

  describe("deposits", function () {
    it("credit any party with whole units of the coins sent", async function () {
      const { vault, stranger, operator } = await loadFixture(withSixAccounts);
      const deposit = vault.connect(stranger).deposit(operator, 7n, { value: 7n * UNIT });
      await expect(deposit).to.emit(vault, "Deposited").withArgs(1n, stranger, 7n);
      await expect(deposit).to.changeEtherBalances(ethers, [stranger, vault], [-7n * UNIT, 7n * UNIT]);
      expect(await vault.balanceOf(1)).to.equal(OPERATOR_FUNDS + 7n);
    });

    it("open the party's account first", async function () {
      const { vault, stranger } = await loadFixture(withSixAccounts);
      const deposit = vault.deposit(stranger, 7n, { value: 7n * UNIT });
      await expect(deposit).to.emit(vault, "AccountOpened").withArgs(10n, stranger);
      expect(await vault.balanceOf(10)).to.equal(7n);
    });

    it("are refused when they are empty, or not exactly the coins sent", async function () {
      const { vault, stranger } = await loadFixture(withSixAccounts);
      await refused(vault.deposit(stranger, 0n), vault, "ZeroAmount");
      for (const value of [0n, 7n * UNIT - 1n, 7n * UNIT + 1n]) {
        await refused(vault.deposit(stranger, 7n, { value }), vault, "WrongValue", 7n * UNIT, value);
      }
    });

    it("are counted whatever an account had before, in units as small as a wei", async function () {
      const { owner, stranger } = await loadFixture(withSixAccounts);
      const vault = await new Vault__factory(owner).deploy(owner, ZeroAddress, 1n, 0n);
      for (const amount of [1n, 2n ** 62n - 1n]) await vault.deposit(stranger, amount, { value: amount });
      expect(await vault.balanceOf(1)).to.equal(2n ** 62n);
    });

    it("are refused beyond what an account can hold", async function () {
      const { vault, stranger } = await loadFixture(withSixAccounts);
      await vault.deposit(stranger, 1n, { value: UNIT });
      const call = vault.deposit(stranger, UINT64_MAX);
      await refused(call, vault, "BalanceOverflow", 10n, UINT64_MAX + 1n);
    });
  });

  describe("withdrawals", function () {
    it("pay out of the caller's account to whom it names", async function () {
      const { vault, holders, stranger } = await loadFixture(withSixAccounts);
      const withdrawal = vault.connect(holders[1]).withdraw(400n, stranger);
      await expect(withdrawal).to.emit(vault, "Withdrawn").withArgs(5n, stranger, 400n);
      await expect(withdrawal).to.changeEtherBalances(ethers, [stranger, vault], [400n * UNIT, -400n * UNIT]);
      expect([...(await vault.balancesOf([4, 5, 6, 7]))]).to.deep.equal([1_000n, 600n, 1_000n, 1_000n]);
    });

    it("cannot be sent to the Vault itself, where it would be nobody's", async function () {
      const { vault, holders } = await loadFixture(withSixAccounts);
      await refused(vault.connect(holders[0]).withdraw(1n, vault), vault, "WithdrawalToVault");
    });

    it("may take all that is free, and not a unit more", async function () {
      const { vault, holders, service } = await loadFixture(withSixAccounts);
      await vault.connect(service).setLock(holders[0]!, 300n);
      const holder = vault.connect(holders[0]);
      await refused(holder.withdraw(701n, holders[0]!), vault, "InsufficientFree", 4n, 701n, 700n);
      await holder.withdraw(700n, holders[0]!);
      await refused(holder.withdraw(1n, holders[0]!), vault, "InsufficientFree", 4n, 1n, 0n);
    });

    it("are refused when empty, to nobody, or without an account", async function () {
      const { vault, holders, stranger } = await loadFixture(withSixAccounts);
      await refused(vault.connect(holders[0]).withdraw(0n, stranger), vault, "ZeroAmount");
      await refused(vault.connect(holders[0]).withdraw(1n, ZeroAddress), vault, "ZeroAddress");
      await refused(vault.connect(stranger).withdraw(1n, stranger), vault, "NoAccount", stranger.address);
    });

    it("fail as a whole when the receiver takes no coins", async function () {
      const { vault, holders, aria } = await loadFixture(withSixAccounts);
      await refused(vault.connect(holders[0]).withdraw(1n, aria), vault, "FailedCall");
      expect(await vault.balanceOf(4)).to.equal(1_000n);
    });

    it("cannot be had twice by a receiver that calls back", async function () {
      const { vault, owner } = await loadFixture(withSixAccounts);
      const greedy = await new GreedyParty__factory(owner).deploy(vault);
      await vault.deposit(greedy, 100n, { value: 100n * UNIT });
      await refused(greedy.withdraw(60n), vault, "InsufficientFree", 10n, 60n, 40n);
      await refused(greedy.withdraw(100n), vault, "InsufficientFree", 10n, 100n, 0n);
      await refused(greedy.withdraw(50n), vault, "InsufficientFree", 10n, 50n, 0n);
      expect(await vault.balanceOf(10)).to.equal(100n);
    });
  });

  describe("locks", function () {
    it("keep a part of the balance from being withdrawn", async function () {
      const { vault, holders, service } = await loadFixture(withSixAccounts);
      const asService = vault.connect(service);
      await expect(asService.setLock(holders[1]!, 250n)).to.emit(vault, "LockSet").withArgs(5n, 1n, 250n);
      await asService.setLock(holders[2]!, UINT64_MAX);
      expect(await vault.lockOf(holders[1]!)).to.equal(250n);
      expect(await vault.freeOf(holders[1]!)).to.equal(750n);
      expect(await vault.freeOf(holders[2]!)).to.equal(0n);
      expect(await vault.freeOf(holders[0]!)).to.equal(1_000n);
    });

    it("need an account", async function () {
      const { vault, service, stranger } = await loadFixture(withSixAccounts);
      const call = vault.connect(service).setLock(stranger, 1n);
      await refused(call, vault, "NoAccount", stranger.address);
    });
  });

  describe("handing over", function () {
    it("is announced, waits for the exit window, and takes the service's own money along", async function () {
      const system = await loadFixture(withSixAccounts);
      const { vault, holders, service, aria } = system;
      const next = await withNewAria(system);
      await vault.connect(service).settle(postings([4, -300n], [3, 300n]), "0x");
      await vault.connect(service).setLock(holders[1]!, 1_000n);

      const now = BigInt(await time.latest()) + 100n;
      const notBefore = now + EXIT_WINDOW_SECONDS;
      await expect(at(now, () => vault.announceHandOver(next.aria)))
        .to.emit(vault, "HandOverAnnounced")
        .withArgs(next.aria, notBefore);
      expect(await vault.pendingHandOver()).to.deep.equal([await next.aria.getAddress(), notBefore]);
      const early = at(notBefore - 1n, () => vault.handOver());
      await refused(early, vault, "HandOverTooEarly", notBefore, notBefore - 1n);

      const handOver = await at(notBefore, () => vault.handOver());
      await expect(handOver).to.emit(vault, "HandedOver").withArgs(aria, next.aria, 2n);
      await expect(handOver)
        .to.emit(vault, "Settled")
        .withArgs(system.owner, postings([3, -300n], [10, 300n]), "0x");
      expect([...(await vault.balancesOf([3, 4, 5, 10]))]).to.deep.equal([0n, 700n, 1_000n, 300n]);
      expect(await vault.freeOf(holders[1]!)).to.equal(1_000n);
      expect(await vault.generation()).to.equal(2n);
      expect(await vault.service()).to.equal(await next.aria.getAddress());
      expect(await vault.pendingHandOver()).to.deep.equal([ZeroAddress, 0n]);
    });

    it("is never to a service that has or had it: its locks would be gone (I12)", async function () {
      const system = await loadFixture(withSixAccounts);
      const { vault, aria } = system;
      await refused(vault.announceHandOver(aria), vault, "ServedBefore", await aria.getAddress());
      const next = await withNewAria(system);
      await vault.announceHandOver(next.aria);
      await time.increase(EXIT_WINDOW_SECONDS);
      await expect(vault.handOver()).not.to.emit(vault, "Settled"); // there is nothing to take along
      await refused(vault.announceHandOver(aria), vault, "ServedBefore", await aria.getAddress());
      await refused(vault.announceHandOver(next.aria), vault, "ServedBefore", await next.aria.getAddress());
    });

    it("can be announced anew, which starts the exit window again", async function () {
      const system = await loadFixture(withSixAccounts);
      const { vault } = system;
      const [one, other] = [await withNewAria(system), await withNewAria(system)];
      await vault.announceHandOver(one.aria);
      await time.increase(EXIT_WINDOW_SECONDS);
      const now = BigInt(await time.latest()) + 1n;
      await at(now, () => vault.announceHandOver(other.aria));
      const notBefore = now + EXIT_WINDOW_SECONDS;
      const early = at(now + 1n, () => vault.handOver());
      await refused(early, vault, "HandOverTooEarly", notBefore, now + 1n);
    });

    it("can be called off", async function () {
      const system = await loadFixture(withSixAccounts);
      const { vault } = system;
      const next = await withNewAria(system);
      await vault.announceHandOver(next.aria);
      await expect(vault.cancelHandOver()).to.emit(vault, "HandOverCancelled").withArgs(next.aria);
      await time.increase(EXIT_WINDOW_SECONDS);
      await refused(vault.handOver(), vault, "NoHandOverAnnounced");
      await refused(vault.cancelHandOver(), vault, "NoHandOverAnnounced");
    });

    it("needs no window for the very first service", async function () {
      const system = await loadFixture(withSixAccounts);
      const vault = await new Vault__factory(system.owner).deploy(
        system.owner,
        ZeroAddress,
        UNIT,
        EXIT_WINDOW_SECONDS,
      );
      const { aria } = await withNewAria({ ...system, vault });
      await vault.announceHandOver(aria);
      await expect(vault.handOver()).to.emit(vault, "HandedOver").withArgs(ZeroAddress, aria, 1n);
    });

    it("refuses what is no service of this Vault", async function () {
      const system = await loadFixture(withSixAccounts);
      const { vault, stranger, owner } = system;
      const call = vault.announceHandOver(stranger);
      await refused(call, vault, "NotAServiceOfThisVault", stranger.address);
      const other = await new Vault__factory(owner).deploy(owner, ZeroAddress, UNIT, 0n);
      const { aria } = await withNewAria({ ...system, vault: other });
      const address = await aria.getAddress();
      await refused(vault.announceHandOver(aria), vault, "NotAServiceOfThisVault", address);
      await expect(vault.announceHandOver(other)).to.be.revertedWithoutReason(ethers);
    });

    it("is the owner's alone", async function () {
      const { vault, stranger, aria } = await loadFixture(withSixAccounts);
      const asStranger = vault.connect(stranger);
      for (const call of [
        () => asStranger.announceHandOver(aria),
        () => asStranger.cancelHandOver(),
        () => asStranger.handOver(),
      ]) {
        await refused(call(), vault, "OwnableUnauthorizedAccount", stranger.address);
      }
    });
  });

  describe("when it is deployed", function () {
    it("says what it keeps, and in which units", async function () {
      const { vault } = await loadFixture(withSixAccounts);
      expect(await vault.asset()).to.equal(ZeroAddress);
      expect(await vault.unit()).to.equal(UNIT);
      expect(await vault.exitWindowSeconds()).to.equal(EXIT_WINDOW_SECONDS);
    });

    it("refuses a unit of nothing, and an owner who is nobody", async function () {
      const { vault, owner } = await loadFixture(withSixAccounts);
      const factory = new Vault__factory(owner);
      await refused(factory.deploy(owner, ZeroAddress, 0n, 0n), vault, "ZeroAmount");
      const deployment = factory.deploy(ZeroAddress, ZeroAddress, UNIT, 0n);
      await refused(deployment, vault, "OwnableInvalidOwner", ZeroAddress);
    });

    it("takes no coins but by a deposit", async function () {
      const { vault, stranger } = await loadFixture(withSixAccounts);
      const transfer = stranger.sendTransaction({ to: await vault.getAddress(), value: 1n });
      await expect(transfer).to.be.revertedWithoutReason(ethers);
    });
  });
});
