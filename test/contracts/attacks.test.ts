import { expect } from "chai";
import { ZeroAddress } from "ethers";

import * as rules from "../../agents/settlement/rules.ts";
import { GreedyParty__factory } from "../../types/index.js";
import {
  commission,
  deploy,
  derAt,
  ethers,
  EXIT_WINDOW_SECONDS,
  join,
  loadFixture,
  networkHelpers,
  newDer,
  refused,
  Status,
  threeDers,
  time,
  toNextEpoch,
  UNIT,
  VAULT_ERRORS,
  withNewAria,
} from "./fixture.ts";
import { orderAndRequest, rowOf, sendSweep, toSweepWindow } from "./settling.ts";

/** What somebody may try who wants to harm others, not to gain. What stands in the way elsewhere is in docs/security.md. */

const NOTHING_SHORT = [[0n], [0n], [0n]];

async function onePlaceLeft() {
  return await deploy({ criteria: { maxProspective: 1n } });
}

describe("Dust", function () {
  it("in a DER's account, in escrow or in the Aggregator's keeps nothing from being settled and taken out", async function () {
    const system = await loadFixture(threeDers);
    const { aria, vault, stranger, accounts } = system;
    const request = await orderAndRequest(
      system,
      system.ders.map((der) => rowOf(der, [2_000n])),
    );
    for (const party of [derAt(system, 0).signer, aria, system.aggregator]) {
      await vault.connect(stranger).deposit(party, 1n, { value: UNIT });
    }
    await toSweepWindow(system, request);
    await sendSweep(system, request, NOTHING_SHORT);
    await time.increase(system.rules.disputeWindowSeconds + 1n);
    await aria.releaseEscrow([request.requestId]);
    expect(await vault.balanceOf(accounts.escrow), "what nobody owns").to.equal(1n);
    const { signer } = derAt(system, 0);
    const free = await vault.freeOf(signer);
    await vault.connect(signer).withdraw(free, signer);
    expect(await vault.freeOf(signer)).to.equal(0n);
  });

  it("cannot be had for nothing: a unit is a unit, and accounts cost who opens them", async function () {
    const { vault, stranger } = await loadFixture(threeDers);
    await refused(vault.connect(stranger).deposit(stranger, 0n), VAULT_ERRORS, "ZeroAmount");
    const accounts = await vault.accountCount();
    await vault.connect(stranger).openAccount(stranger);
    await vault.connect(stranger).openAccount(stranger);
    expect(await vault.accountCount()).to.equal(accounts + 1n);
  });

  it("lifts nobody over the floor of a deposit but by as much as it is", async function () {
    const system = await loadFixture(threeDers);
    const der = derAt(system, 0);
    const request = await orderAndRequest(
      system,
      system.ders.map((each) => rowOf(each, [2_400n])),
    );
    await toSweepWindow(system, request);
    await sendSweep(system, request, [[2_400n], [0n], [0n]]);
    const before = await system.vault.balanceOf(der.account);
    await system.vault.connect(system.stranger).deposit(der.signer, 1n, { value: UNIT });
    expect(await system.vault.balanceOf(der.account)).to.equal(before + 1n);
    expect(await system.vault.freeOf(der.signer), "still under the deposit").to.equal(0n);
  });
});

describe("Who comes first", function () {
  it("cannot keep a DER from joining by opening its account or paying into it", async function () {
    const system = await loadFixture(threeDers);
    const der = await newDer(7);
    await system.vault.connect(system.stranger).openAccount(der.signer);
    await system.vault.connect(system.stranger).deposit(der.signer, 1n, { value: UNIT });
    await join(system, der);
    expect((await system.aria.agreementOf(der.account)).status).to.equal(Status.Prospective);
    expect(await system.vault.balanceOf(der.account)).to.equal(der.deposit + 1n);
  });

  it("with a DER's meter gains nothing: the Operator commissions who has it", async function () {
    const system = await loadFixture(threeDers);
    const [der, thief] = [await newDer(7), await newDer(8)];
    await join(system, { ...thief, meter: der.meter });
    await join(system, der);
    await commission(system, [der]);
    const epoch = await toNextEpoch(system);
    expect(await system.aria.meterOf(der.account, epoch)).to.equal(der.meter.address);
    const account = await system.vault.accountOf(thief.signer);
    expect(await system.aria.meterOf(account, epoch)).to.equal(ZeroAddress);
  });

  it("takes the last place only until the Operator turns it away", async function () {
    const system = await loadFixture(onePlaceLeft);
    const [squatter, der] = [await newDer(1), await newDer(2)];
    await join(system, squatter);
    await refused(join(system, der), system.aria, "TooManyProspective", 1n);
    await system.aria.connect(system.operator).reject(squatter.signer);
    await join(system, der);
    expect(await system.vault.freeOf(squatter.signer)).to.equal(squatter.deposit);
  });

  it("of a sweep and a hand-over decides what is settled, not whose the money is", async function () {
    const system = await loadFixture(threeDers);
    const { vault, owner } = system;
    const next = await withNewAria(system);
    await vault.connect(owner).announceHandOver(next.aria);
    await time.increase(EXIT_WINDOW_SECONDS);
    const request = await orderAndRequest(
      system,
      system.ders.map((der) => rowOf(der, [2_000n])),
    );
    const inEscrow = await vault.balanceOf(system.accounts.escrow);
    await toSweepWindow(system, request);
    await vault.connect(owner).handOver();
    const { account } = derAt(system, 0);
    const balance = await vault.balanceOf(account);
    await expect(sendSweep(system, request, NOTHING_SHORT)).to.be.revertedWithCustomError(
      VAULT_ERRORS,
      "NotService",
    );
    expect(await vault.balanceOf(account)).to.equal(balance);
    expect(await vault.balanceOf(await next.aria.escrowAccount()), "goes with the service").to.equal(
      inEscrow,
    );
  });
});

/** Three DERs, and a contract among them that calls back when it is paid, and then fails. */
async function withAGreedyDer() {
  const system = await threeDers();
  const contract = await new GreedyParty__factory(system.stranger).deploy(system.vault);
  await networkHelpers.setBalance(await contract.getAddress(), ethers.parseEther("100"));
  const signer = await ethers.getImpersonatedSigner(await contract.getAddress());
  const greedy = { ...(await newDer(3)), signer };
  await join(system, greedy);
  await commission(system, [greedy]);
  await toNextEpoch(system);
  return { ...system, greedy, contract };
}

describe("A DER that cannot take coins", function () {
  it("is paid in the Vault all the same, and keeps nobody else from being paid and withdrawing", async function () {
    const { greedy, contract, ...system } = await loadFixture(withAGreedyDer);
    const { vault, ders } = system;
    const before = await vault.balanceOf(greedy.account);
    const rows = [...ders, greedy].map((der) => rowOf(der, [2_000n]));
    const request = await orderAndRequest(system, rows);
    await toSweepWindow(system, request);
    await sendSweep(system, request, [...NOTHING_SHORT, [0n]]);
    const earned = (await vault.balanceOf(greedy.account)) - before;
    expect(earned).to.equal(rules.payment(2_000n, greedy.price));
    const left = (await vault.freeOf(greedy.signer)) - earned;
    await refused(contract.withdraw(earned), VAULT_ERRORS, "InsufficientFree", greedy.account, earned, left);
    for (const { signer } of ders) {
      const free = await vault.freeOf(signer);
      expect(free).to.be.above(0n);
      await vault.connect(signer).withdraw(free, signer);
    }
  });
});
