import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { expect } from "chai";

import {
  FeeToken__factory,
  ReenteringToken__factory,
  RefusingToken__factory,
  SilentToken__factory,
  TestToken__factory,
} from "../../types/factories/contracts/test/TestTokens.sol/index.js";
import { type Vault, Vault__factory } from "../../types/index.js";
import type { TestToken } from "../../types/contracts/test/TestTokens.sol/index.js";
import {
  commission,
  CRITERIA,
  ethers,
  EXIT_WINDOW_SECONDS,
  loadFixture,
  newDer,
  refused,
  RULES,
  type System,
  toNextEpoch,
  withNewAria,
} from "./fixture.ts";
import { orderAndRequest, rowOf, sweep } from "./settling.ts";

const FUNDS = 1_000_000_000n;

interface Till<T> {
  owner: HardhatEthersSigner;
  payer: HardhatEthersSigner;
  other: HardhatEthersSigner;
  vault: Vault;
  token: T;
}

/** A Vault of a token, of which two parties have plenty and let the Vault take it. */
async function till<T extends TestToken>(
  deployToken: (owner: HardhatEthersSigner) => Promise<T>,
  unit: bigint,
): Promise<Till<T>> {
  const [owner, payer, other] = await ethers.getSigners();
  if (!owner || !payer || !other) throw new Error("the chain has too few signers");
  const token = await deployToken(owner);
  const vault = await new Vault__factory(owner).deploy(owner, token, unit, EXIT_WINDOW_SECONDS);
  for (const holder of [payer, other]) {
    await token.mint(holder, FUNDS * unit);
    await token.connect(holder).approve(vault, FUNDS * unit);
  }
  return { owner, payer, other, vault, token };
}

async function sixDecimals() {
  return await till((owner) => new TestToken__factory(owner).deploy(6), 1n);
}

async function eighteenDecimals() {
  return await till((owner) => new TestToken__factory(owner).deploy(18), 10n ** 12n);
}

async function withFee() {
  return await till((owner) => new FeeToken__factory(owner).deploy(), 1n);
}

async function refusing() {
  return await till((owner) => new RefusingToken__factory(owner).deploy(), 1n);
}

async function silent() {
  return await till((owner) => new SilentToken__factory(owner).deploy(), 1n);
}

async function reentering() {
  return await till((owner) => new ReenteringToken__factory(owner).deploy(), 1n);
}

describe("A Vault of a token", function () {
  for (const [name, fixture, unit] of [
    ["6 decimals, unit for unit", sixDecimals, 1n],
    ["18 decimals, in units of a millionth", eighteenDecimals, 10n ** 12n],
  ] as const) {
    describe(`of ${name},`, function () {
      it("takes deposits from the caller for any party, and pays withdrawals out", async function () {
        const { vault, token, payer, other } = await loadFixture(fixture);
        const deposit = vault.connect(payer).deposit(other, 500n);
        await expect(deposit).to.changeTokenBalances(
          ethers,
          token,
          [payer, vault],
          [-500n * unit, 500n * unit],
        );
        await expect(deposit).to.emit(vault, "Deposited").withArgs(1n, payer, 500n);
        const withdrawal = vault.connect(other).withdraw(200n, payer);
        await expect(withdrawal).to.changeTokenBalances(
          ethers,
          token,
          [payer, vault],
          [200n * unit, -200n * unit],
        );
        await expect(withdrawal).to.emit(vault, "Withdrawn").withArgs(1n, payer, 200n);
        expect(await vault.balanceOf(1)).to.equal(300n);
      });

      it("takes no coins, and no more than it may", async function () {
        const { vault, token, payer } = await loadFixture(fixture);
        const asPayer = vault.connect(payer);
        await refused(asPayer.deposit(payer, 1n, { value: 1n }), vault, "WrongValue", 0n, 1n);
        const args = [await vault.getAddress(), FUNDS * unit, (FUNDS + 1n) * unit];
        await refused(asPayer.deposit(payer, FUNDS + 1n), token, "ERC20InsufficientAllowance", ...args);
      });

      it("serves an ARIA from the joining of a DER to its payment", async function () {
        const { vault, token, owner, payer: operator, other: aggregator } = await loadFixture(fixture);
        const system: System = await withNewAria({
          owner,
          operator,
          aggregator,
          guardian: owner,
          stranger: owner,
          vault,
          criteria: CRITERIA,
          rules: RULES,
        });
        await vault.announceHandOver(system.aria);
        await vault.handOver();
        await vault.connect(operator).deposit(operator, 100_000_000n);
        await vault.connect(aggregator).deposit(aggregator, RULES.aggregatorBond);
        await system.aria.connect(aggregator).postBond();

        const der = await newDer(0);
        const { signer, deposit, meter } = der;
        await vault.connect(operator).deposit(signer, deposit - 1n);
        const join = () => system.aria.connect(signer).join(der.powerW, der.price, meter);
        await refused(join(), system.aria, "DepositTooLow", deposit, deposit - 1n);
        const coins = system.aria.connect(signer).join(der.powerW, der.price, meter, { value: unit });
        await refused(coins, vault, "WrongValue", 0n, unit);
        await vault.connect(operator).deposit(signer, 1n);
        await join();
        der.account = await vault.accountOf(signer);
        system.ders.push(der);
        await commission(system, [der]);
        await toNextEpoch(system);
        const { payments } = await sweep(system, await orderAndRequest(system, [rowOf(der, [2_000n])]), [
          [0n],
        ]);
        await vault.connect(signer).withdraw(payments[0]!, signer);
        expect(await token.balanceOf(signer)).to.equal(payments[0]! * unit);
      });
    });
  }

  it("refuses a token that keeps a fee on transfers", async function () {
    const { vault, payer } = await loadFixture(withFee);
    const call = vault.connect(payer).deposit(payer, 1_000n);
    await refused(call, vault, "WrongValue", 1_000n, 990n);
  });

  it("notices when the token refuses without reverting", async function () {
    const { vault, token, payer } = await loadFixture(refusing);
    await vault.connect(payer).deposit(payer, 1_000n);
    await token.refuse(true);
    const address = await token.getAddress();
    const deposit = vault.connect(payer).deposit(payer, 1n);
    await refused(deposit, vault, "SafeERC20FailedOperation", address);
    const withdrawal = vault.connect(payer).withdraw(1n, payer);
    await refused(withdrawal, vault, "SafeERC20FailedOperation", address);
    expect(await vault.balanceOf(1)).to.equal(1_000n);
  });

  it("works with a token that answers nothing", async function () {
    const { vault, token, payer } = await loadFixture(silent);
    await vault.connect(payer).deposit(payer, 1_000n);
    await vault.connect(payer).withdraw(400n, payer);
    expect(await token.balanceOf(vault)).to.equal(600n);
    expect(await vault.balanceOf(1)).to.equal(600n);
  });

  describe("that calls back in the middle of a transfer,", function () {
    /** 1,000 units of others, and 100 of the token itself, which is a party of its own. */
    async function withToken() {
      const { token, vault, payer, ...rest } = await reentering();
      await vault.connect(payer).deposit(payer, 1_000n);
      await vault.connect(payer).deposit(token, 100n);
      await token.mint(token, 10_000n);
      await token.perform(
        token,
        token.interface.encodeFunctionData("approve", [await vault.getAddress(), 10_000n]),
      );
      return { token, vault, payer, ...rest };
    }

    it("never withdraws what it is only about to deposit", async function () {
      const { token, vault, payer } = await loadFixture(withToken);
      const withdrawal = vault.interface.encodeFunctionData("withdraw", [600n, payer.address]);
      await token.reenter(vault, withdrawal);
      const call = vault.connect(payer).deposit(token, 500n);
      await expect(call).to.be.revertedWithPanic(0x11);
      await token.reenter(vault, vault.interface.encodeFunctionData("withdraw", [200n, payer.address]));
      await refused(vault.connect(payer).deposit(token, 500n), vault, "WrongValue", 500n, 300n);
    });

    it("never has one transfer counted twice", async function () {
      const { token, vault, payer } = await loadFixture(withToken);
      const deposit = vault.interface.encodeFunctionData("deposit", [await token.getAddress(), 500n]);
      await token.reenter(vault, deposit);
      await refused(vault.connect(payer).deposit(payer, 500n), vault, "WrongValue", 500n, 1_000n);
    });

    it("never withdraws the same twice", async function () {
      const { token, vault, payer } = await loadFixture(withToken);
      const withdrawal = vault.interface.encodeFunctionData("withdraw", [60n, payer.address]);
      await token.reenter(vault, withdrawal);
      await refused(token.perform(vault, withdrawal), vault, "InsufficientFree", 2n, 60n, 40n);
    });

    it("leaves the books and the tokens held in agreement", async function () {
      const { token, vault, payer } = await loadFixture(withToken);
      const withdrawal = vault.interface.encodeFunctionData("withdraw", [60n, payer.address]);
      await token.reenter(vault, withdrawal);
      await vault.connect(payer).withdraw(500n, payer);
      expect([...(await vault.balancesOf([1, 2]))]).to.deep.equal([500n, 40n]);
      expect(await token.balanceOf(vault)).to.equal(540n);
    });
  });
});
