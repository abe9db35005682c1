import { expect } from "chai";
import { ZeroAddress } from "ethers";

import * as rules from "../../agents/settlement/rules.ts";
import { CallbackParty__factory, GreedyParty__factory } from "../../types/index.js";
import { disputeIdOf, domainOf, FLOW_STATEMENT, raise, signed, statementOf } from "./claims.ts";
import {
  at,
  commission,
  deploy,
  type Der,
  derAt,
  DisputeStatus,
  ethers,
  EXIT_WINDOW_SECONDS,
  join,
  loadFixture,
  networkHelpers,
  newDer,
  refused,
  Status,
  type System,
  threeDers,
  time,
  toNextEpoch,
  UNIT,
  VAULT_ERRORS,
  withNewAria,
} from "./fixture.ts";
import { orderAndRequest, type Request, rowOf, sendSweep, sweep, toSweepWindow } from "./settling.ts";

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
  it("is paid in the Vault all the same, and keeps nobody else from being paid and withdrawing (I7)", async function () {
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

describe("Reentrancy", function () {
  /** A contract that is a DER, has left, and takes its deposit out; the next call it makes while it is paid is to ARIA. */
  async function leaver() {
    const system = await threeDers();
    const contract = await new CallbackParty__factory(system.stranger).deploy();
    const { aria, vault } = system;
    const { powerW, price, deposit } = await newDer(0);
    const joining = aria.interface.encodeFunctionData("join", [powerW, price, contract.target]);
    await contract.perform(aria, joining, { value: deposit * UNIT });
    await contract.perform(aria, aria.interface.encodeFunctionData("leave"));
    const account = await vault.accountOf(contract);
    const withdrawal = vault.interface.encodeFunctionData("withdraw", [deposit, contract.target]);
    return { ...system, contract, account, deposit, joining, withdrawal };
  }

  it("does not let a deposit on its way out be counted as one for joining", async function () {
    const { aria, vault, contract, account, deposit, joining, withdrawal } = await loadFixture(leaver);
    await contract.plan(aria, joining, 0n);
    await contract.perform(vault, withdrawal);
    expect(await contract.succeeded()).to.equal(false);
    const refusal = aria.interface.encodeErrorResult("DepositTooLow", [deposit, 0n]);
    expect(await contract.answer()).to.equal(refusal);
    expect((await aria.agreementOf(account)).status).to.equal(Status.Closed);
  });

  it("finds true books: what is put back out of a payment is there once, and what was paid is gone once", async function () {
    const { vault, contract, account, deposit, withdrawal } = await loadFixture(leaver);
    const before = await ethers.provider.getBalance(vault);
    const back = vault.interface.encodeFunctionData("deposit", [contract.target, 5n]);
    await contract.plan(vault, back, 5n * UNIT);
    await contract.perform(vault, withdrawal);
    expect(await contract.succeeded()).to.equal(true);
    expect(await vault.balanceOf(account)).to.equal(5n);
    expect(await ethers.provider.getBalance(vault)).to.equal(before - (deposit - 5n) * UNIT);
    expect(await ethers.provider.getBalance(contract)).to.equal((deposit - 5n) * UNIT);
  });

  it("has no way in from a settlement: whoever is paid by one is not called", async function () {
    const { greedy, contract, ...system } = await loadFixture(withAGreedyDer);
    const request = await orderAndRequest(system, [rowOf(greedy, [2_000n])]);
    await toSweepWindow(system, request);
    const held = await ethers.provider.getBalance(contract);
    await sendSweep(system, request, [[0n]]);
    expect(await ethers.provider.getBalance(contract)).to.equal(held);
  });
});

describe("A huge fleet", function () {
  it("makes nobody else's sweep or withdrawal dearer by a unit of gas", async function () {
    const costs = async (fixture: () => Promise<System>) => {
      const system = await loadFixture(fixture);
      const request = await orderAndRequest(
        system,
        system.ders.slice(0, 3).map((der) => rowOf(der, [2_000n])),
      );
      await toSweepWindow(system, request);
      const sent = await sendSweep(system, request, NOTHING_SHORT);
      const { signer } = derAt(system, 0);
      const withdrawal = await system.vault.connect(signer).withdraw(100n, signer);
      return [(await sent.wait())?.gasUsed, (await withdrawal.wait())?.gasUsed];
    };
    expect(await costs(fortyDers)).to.deep.equal(await costs(fiveDers));
  });

  it("comes in no faster than the Operator lets it, and makes way for who is turned away and comes again", async function () {
    const system = await loadFixture(onePlaceLeft);
    const { aria, operator } = system;
    for (let index = 0; index < 3; ++index) {
      const der = await newDer(index);
      await join(system, der);
      await refused(join(system, await newDer(9)), aria, "TooManyProspective", 1n);
      await aria.connect(operator).reject(der.signer);
    }
    await join(system, await newDer(9));
  });
});

async function fiveDers(): Promise<System> {
  return await deploy({ derCount: 5 });
}

async function fortyDers(): Promise<System> {
  return await deploy({ derCount: 40 });
}

describe("Who comes first at a hand-over", function () {
  it("cannot stop it by opening the next service's account, or by paying into it or into the old one's", async function () {
    const system = await loadFixture(threeDers);
    const { vault, owner, stranger, aria } = system;
    const next = await withNewAria(system);
    await vault.connect(owner).announceHandOver(next.aria);
    await time.increase(EXIT_WINDOW_SECONDS);
    await vault.connect(stranger).openAccount(next.aria);
    await vault.connect(stranger).deposit(next.aria, 7n, { value: 7n * UNIT });
    await vault.connect(stranger).deposit(aria, 11n, { value: 11n * UNIT });
    await vault.connect(owner).handOver();
    expect(await vault.balanceOf(next.accounts.escrow)).to.equal(18n);
    expect(await vault.balanceOf(system.accounts.escrow)).to.equal(0n);
  });

  it("cannot join the next ARIA before it is in charge, with a lock that would mean nothing", async function () {
    const system = await loadFixture(threeDers);
    const { vault, owner, aria } = system;
    const next = await withNewAria(system);
    await vault.connect(owner).announceHandOver(next.aria);
    const [inCharge, announced] = [await aria.getAddress(), await next.aria.getAddress()];
    await refused(join(next, await newDer(5)), VAULT_ERRORS, "NotService", inCharge, announced);
  });

  it("has the whole exit window to take out what is free, to its last second, and after it too", async function () {
    const system = await loadFixture(threeDers);
    const { vault, owner } = system;
    const { signer } = derAt(system, 0);
    await vault.deposit(signer, 100n, { value: 100n * UNIT });
    const next = await withNewAria(system);
    await vault.connect(owner).announceHandOver(next.aria);
    const { notBefore } = await vault.pendingHandOver();
    const handOver = () => vault.connect(owner).handOver();
    await refused(at(notBefore - 1n, handOver), VAULT_ERRORS, "HandOverTooEarly", notBefore, notBefore - 1n);
    await at(notBefore - 1n, () => vault.connect(signer).withdraw(50n, signer));
    await at(notBefore, handOver);
    await vault.connect(signer).withdraw(50n + derAt(system, 0).deposit, signer);
  });
});

describe("A signature for one ARIA, shown to another", function () {
  interface Replay {
    former: System;
    system: System;
    der: Der;
    request: Request;
  }

  /** The second ARIA of a Vault, with the same DER and meter as the first; its sweep is short by half. */
  async function secondAria(): Promise<Replay> {
    const former = await deploy({ derCount: 1, bonds: 5n });
    const { vault, owner, aggregator, operator } = former;
    const system = await withNewAria(former);
    await vault.connect(owner).announceHandOver(system.aria);
    await time.increase(EXIT_WINDOW_SECONDS);
    await vault.connect(owner).handOver();
    const der = { ...derAt(former, 0) };
    await join(system, { ...der, deposit: 0n });
    system.ders.push(der);
    await commission(system, [der]);
    await system.aria.connect(aggregator).postBond();
    await toNextEpoch(system);
    const request = await orderAndRequest(system, [rowOf(der, [2_000n])]);
    await sweep(system, request, [[1_000n]]);
    expect(await vault.accountOf(operator)).to.equal(system.accounts.operator);
    return { former, system, der, request };
  }

  it("of the same Vault is of nobody, though DER, meter, account and epoch are the same", async function () {
    const { former, system, der, request } = await loadFixture(secondAria);
    const verifyingContract = await former.aria.getAddress();
    const replayed = raise(system, der, request, request.firstEpoch, 2_000n, {
      domain: { verifyingContract },
    });
    await expect(replayed).to.be.revertedWithCustomError(system.annex, "WrongMeter");
    await raise(system, der, request, request.firstEpoch, 2_000n);
  });

  it("on another chain is of nobody", async function () {
    const { system, der, request } = await loadFixture(secondAria);
    const { chainId } = await domainOf(system);
    for (const other of [1n, BigInt(chainId!) + 1n]) {
      const replayed = raise(system, der, request, request.firstEpoch, 2_000n, {
        domain: { chainId: other },
      });
      await expect(replayed).to.be.revertedWithCustomError(system.annex, "WrongMeter");
    }
    await raise(system, der, request, request.firstEpoch, 2_000n);
  });

  it("makes no equivocation of a meter that told each of them one thing", async function () {
    const { former, system, der, request } = await loadFixture(secondAria);
    const [first, second] = [
      await statementOf(der, request.firstEpoch, 1_000n),
      await statementOf(der, request.firstEpoch, 1_001n),
    ];
    const toFormer = await der.meter.signTypedData(await domainOf(former), FLOW_STATEMENT, { ...first });
    const here = await signed(system, second, der.meter);
    const proof = system.aria.proveEquivocation(der.account, first, toFormer, second, here);
    await expect(proof).to.be.revertedWithCustomError(system.annex, "SignersDiffer");
    const { status } = await system.aria.disputeOf(disputeIdOf(der, request.firstEpoch));
    expect(status).to.equal(DisputeStatus.None);
  });
});
