import { expect } from "chai";
import { Wallet } from "ethers";

import { octets, postings, withSixAccounts } from "./six-accounts.ts";
import { loadFixture, refused, UNIT, VAULT_ERRORS } from "./fixture.ts";

const INT64_MAX = 2n ** 63n - 1n;

describe("The Vault, settling,", function () {
  it("moves money between accounts, whichever storage words they lie in", async function () {
    const { vault, service, accounts6 } = await loadFixture(withSixAccounts);
    const list = postings([4, -10n], [7, 30n], [8, -25n], [5, 1n], [9, 4n], [4, -3n], [4, 3n]);
    await expect(vault.connect(service).settle(list, "0x"))
      .to.emit(vault, "Settled")
      .withArgs(service, list, "0x");
    const balances = [990n, 1_001n, 1_000n, 1_030n, 975n, 1_004n];
    expect([...(await vault.balancesOf(accounts6))]).to.deep.equal(balances);
  });

  it("may reach exactly zero, and pass through it only from above", async function () {
    const { vault, service } = await loadFixture(withSixAccounts);
    const asService = vault.connect(service);
    await refused(
      asService.settle(postings([4, -1_001n], [5, 1_001n]), "0x"),
      VAULT_ERRORS,
      "InsufficientBalance",
      4n,
      1_001n,
      1_000n,
    );
    await asService.settle(postings([4, -1_000n], [5, 1_000n]), "0x");
    expect([...(await vault.balancesOf([4, 5]))]).to.deep.equal([0n, 2_000n]);
  });

  it("does not ask for locks: they bind withdrawals only", async function () {
    const { vault, holders, service } = await loadFixture(withSixAccounts);
    await vault.connect(service).setLock(holders[0]!, 1_000n);
    await vault.connect(service).settle(postings([4, -600n], [5, 600n]), "0x");
    expect(await vault.balanceOf(4)).to.equal(400n);
    expect(await vault.freeOf(holders[0]!)).to.equal(0n);
  });

  it("does nothing for an empty list", async function () {
    const { vault, service } = await loadFixture(withSixAccounts);
    await expect(vault.connect(service).settle("0x", "0x"))
      .to.emit(vault, "Settled")
      .withArgs(service, "0x", "0x");
  });

  it("refuses lists that do not sum to zero", async function () {
    const { vault, service } = await loadFixture(withSixAccounts);
    const asService = vault.connect(service);
    await refused(asService.settle(postings([4, -10n], [5, 11n]), "0x"), vault, "NotZeroSum", 1n);
    await refused(asService.settle(postings([4, -10n]), "0x"), vault, "NotZeroSum", -10n);
  });

  it("refuses lists that are cut off", async function () {
    const { vault, service } = await loadFixture(withSixAccounts);
    const call = vault.connect(service).settle(postings([4, -10n], [5, 10n]).slice(0, -2), "0x");
    await refused(call, vault, "MalformedPostings", 23n);
  });

  it("moves money between the eight accounts of a word at once", async function () {
    const { vault, service, holders } = await loadFixture(withSixAccounts);
    for (let i = 0; i < 6; ++i) await vault.openAccount(Wallet.createRandom().address);
    const octet = octets([1n, [-1_000n, 500n, 0n, 0n, 0n, 0n, 0n, 499n]]);
    const sent = vault.connect(service).settle(postings([4, 1n]), octet);
    await expect(sent)
      .to.emit(vault, "Settled")
      .withArgs(service, postings([4, 1n]), octet);
    expect([...(await vault.balancesOf([4, 8, 9, 10, 15]))]).to.deep.equal([1_001n, 0n, 1_500n, 0n, 499n]);
    expect(await vault.freeOf(holders[5]!)).to.equal(1_500n);
  });

  it("keeps what does not fit a lane of 31 bits beside it", async function () {
    const { vault, service, operator } = await loadFixture(withSixAccounts);
    const asService = vault.connect(service);
    await vault.deposit(operator, 2n ** 40n, { value: 2n ** 40n * UNIT });
    const before = await vault.balanceOf(1);
    await asService.settle(postings([1, -(2n ** 33n)], [5, 2n ** 33n - 1_000n], [4, 1_000n]), "0x");
    expect([...(await vault.balancesOf([1, 4, 5]))]).to.deep.equal([before - 2n ** 33n, 2_000n, 2n ** 33n]);
    // From 2^33 to just below 2^31, from there to it: through the lane of 5 only.
    await asService.settle(
      postings([4, 2n ** 33n - 2n ** 31n + 1n], [5, 2n ** 31n - 2n ** 33n]),
      octets([0n, [0n, 0n, 0n, 0n, 0n, -1n, 0n, 0n]]),
    );
    expect(await vault.balanceOf(5)).to.equal(2n ** 31n - 1n);
    await asService.settle(postings([4, -1n]), octets([0n, [0n, 0n, 0n, 0n, 0n, 1n, 0n, 0n]]));
    expect(await vault.balanceOf(5)).to.equal(2n ** 31n);
  });

  it("refuses octets that are cut off, or of accounts that do not exist", async function () {
    const { vault, service } = await loadFixture(withSixAccounts);
    const asService = vault.connect(service);
    const none = octets([1n, Array<bigint>(8).fill(0n)]);
    await asService.settle("0x", none);
    await refused(asService.settle("0x", none.slice(0, -2)), vault, "MalformedOctets", 35n);
    for (const [word, lane, account] of [
      [0n, 0, 0n],
      [1n, 2, 10n],
      [2n, 0, 16n],
      [2n ** 32n - 1n, 7, 2n ** 35n - 1n],
    ] as const) {
      const list = octets([word, Array.from({ length: 8 }, (_, i) => (i === lane ? 1n : 0n))]);
      await refused(asService.settle("0x", list), vault, "UnknownAccount", account);
    }
  });

  it("refuses accounts that do not exist", async function () {
    const { vault, service } = await loadFixture(withSixAccounts);
    const asService = vault.connect(service);
    await refused(asService.settle(postings([0, 1n], [4, -1n]), "0x"), vault, "UnknownAccount", 0n);
    await refused(asService.settle(postings([4, -1n], [10, 1n]), "0x"), vault, "UnknownAccount", 10n);
  });

  it("fills an account to the last unit of its 64 bits, and not beyond", async function () {
    const { vault, service } = await loadFixture(withSixAccounts);
    const full = postings([4, INT64_MAX], [4, INT64_MAX - 999n]);
    // All that is wrong with it is that nobody gives it.
    await refused(vault.connect(service).settle(full, "0x"), vault, "NotZeroSum", 2n * INT64_MAX - 999n);
    const list = postings([4, INT64_MAX], [4, INT64_MAX], [5, -1n]);
    const call = vault.connect(service).settle(list, "0x");
    await refused(call, vault, "BalanceOverflow", 4n, 1_000n + 2n * INT64_MAX);
  });

  it("is the service's alone", async function () {
    const { vault, holders, owner, operator, aria } = await loadFixture(withSixAccounts);
    for (const caller of [owner, operator]) {
      const args = [await aria.getAddress(), caller.address];
      await refused(vault.connect(caller).settle("0x", "0x"), vault, "NotService", ...args);
      await refused(vault.connect(caller).setLock(holders[0]!, 1n), vault, "NotService", ...args);
    }
  });
});
