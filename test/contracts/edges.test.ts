import { expect } from "chai";
import { id } from "ethers";

import * as rules from "../../agents/settlement/rules.ts";
import { disputeIdOf, raise } from "./claims.ts";
import {
  allBalances,
  at,
  commission,
  deploy,
  derAt,
  ethers,
  Fault,
  join,
  loadFixture,
  networkHelpers,
  newDer,
  RULES,
  type System,
  threeDers,
  time,
  toNextEpoch,
  twentyDers,
  UNIT,
} from "./fixture.ts";
import {
  nothingMissing,
  orderAndRequest,
  orderBaseline,
  requestFlow,
  rowOf,
  sendRequest,
  sendSweep,
  sumOf,
  sweep,
  sweepWindow,
} from "./settling.ts";

/** What somebody could try to gain at the edges: of whole units, of packed figures, and of the windows of time. */

describe("Rounding", function () {
  /** Twenty rows of a few Wh, at odd prices: nothing comes out even. */
  async function odd() {
    const system = await twentyDers();
    const rows = system.ders.map((der, i) => rowOf(der, [BigInt(1 + i), BigInt(991 + 7 * i)]));
    return { system, rows, request: await orderAndRequest(system, rows) };
  }

  it("of a payment is down, by less than a unit, and of all parts never for the one who splits", async function () {
    const { system, rows, request } = await loadFixture(odd);
    const before = await allBalances(system.vault);
    await sweep(system, request, nothingMissing(request));
    const after = await allBalances(system.vault);
    for (const { account, energyWh, price } of rows) {
      const paid = (after.get(account) ?? 0n) - (before.get(account) ?? 0n);
      const exact = sumOf(energyWh) * price; // in thousandths
      expect(exact - 1_000n * paid, `account ${account}`).to.be.within(0n, 999n);
      const inParts = sumOf(energyWh.map((wh) => rules.payment(wh, price)));
      expect(inParts <= paid, `parts of account ${account}`).to.equal(true);
    }
  });

  it("of the fee is down as well, by less than a unit for a whole sweep", async function () {
    const { system, request } = await loadFixture(odd);
    const before = await system.vault.balanceOf(system.accounts.aggregator);
    const { paid } = await sweep(system, request, nothingMissing(request));
    const fee = (await system.vault.balanceOf(system.accounts.aggregator)) - before;
    expect(paid * RULES.feeBps - 10_000n * fee).to.be.within(0n, 9_999n);
  });

  it("of escrow is up, by less than a unit a row, and what that leaves goes back to who paid it", async function () {
    const { system, rows, request } = await loadFixture(odd);
    const { vault, accounts, aria } = system;
    const exact = sumOf(rows.map((row) => sumOf(row.energyWh) * row.price * (10_000n + RULES.feeBps)));
    const scale = 10_000_000n;
    const escrow = await vault.balanceOf(accounts.escrow);
    expect(escrow * scale - exact).to.be.within(0n, scale * BigInt(rows.length));
    const { paid, fee } = await sweep(system, request, nothingMissing(request));
    await time.increase(RULES.disputeWindowSeconds + 1n);
    const before = await vault.balanceOf(accounts.operator);
    await aria.releaseEscrow([request.requestId]);
    expect(await vault.balanceOf(accounts.operator)).to.equal(before + escrow - paid - fee);
    expect(await vault.balanceOf(accounts.escrow)).to.equal(0n);
  });

  it("of penalty, award and refund is down: who is forgiven all gets back no more than was taken", async function () {
    const system = await loadFixture(withBonds);
    const der = derAt(system, 0);
    const energyWh = [1_999n, 1_999n, 1_999n];
    const request = await orderAndRequest(system, [rowOf(der, energyWh)]);
    const { taken } = await sweep(system, request, [[777n, 778n, 779n]]);
    const { deliveryToleranceBps, toleranceFloorWh, penaltyBps } = RULES;
    const excess = [777n, 778n, 779n].map((wh) =>
      rules.excess(1_999n, wh, deliveryToleranceBps, toleranceFloorWh),
    );
    const exact = sumOf(excess) * der.price * penaltyBps;
    expect(exact - taken[0]! * 10_000_000n).to.be.within(0n, 9_999_999n);

    const before = await system.vault.balanceOf(der.account);
    for (const [i, claim] of [777n, 778n, 779n].entries()) {
      const epoch = request.firstEpoch + BigInt(i);
      await raise(system, der, request, epoch, 1_999n);
      const ruling = system.aria.connect(system.operator);
      await ruling.resolveDispute(disputeIdOf(der, epoch), claim, Fault.None, id("evidence"));
    }
    const back = (await system.vault.balanceOf(der.account)) - before;
    const exactBack = 2_334n * der.price; // in thousandths
    const refunds = back * 1_000n - exactBack;
    // Three awards lose less than a unit each, and three times two divisions of the penalty as well.
    expect(refunds).to.be.within((taken[0]! - 9n) * 1_000n, taken[0]! * 1_000n);
  });
});

async function withBonds(): Promise<System> {
  return await deploy({ derCount: 3, bonds: 10n });
}

describe("Packed figures at their edge", function () {
  it("carry on: a balance that leaves its 31 bits is paid to the unit, and its neighbours are not touched", async function () {
    const system = await loadFixture(threeDers);
    const { vault } = system;
    const der = derAt(system, 1);
    const spare = 2n ** 31n - 1n - der.deposit;
    await vault.deposit(der.signer, spare, { value: spare * UNIT });
    const before = await allBalances(vault);
    expect(before.get(der.account)).to.equal(2n ** 31n - 1n);
    const request = await orderAndRequest(
      system,
      system.ders.map((each) => rowOf(each, [2_000n])),
    );
    const { payments } = await sweep(system, request, nothingMissing(request));
    const after = await allBalances(vault);
    system.ders.forEach(({ account }, i) => {
      expect(after.get(account)).to.equal((before.get(account) ?? 0n) + (payments[i] ?? 0n));
    });
    await vault.connect(der.signer).withdraw(payments[1]! + 1n, der.signer);
    expect(await vault.balanceOf(der.account)).to.equal(2n ** 31n - 2n);
  });

  it("carry on: a payment and a penalty of more than 31 bits are settled to the unit", async function () {
    const system = await loadFixture(greatPowers);
    const { vault } = system;
    const rows = system.ders.map((der) => rowOf(der, [2_000_000n]));
    const before = await allBalances(vault);
    const request = await orderAndRequest(system, rows);
    const settlement = await sweep(system, request, [[0n], [2_000_000n], [700_000n]]);
    expect(settlement.payments[0]! > 2n ** 31n && settlement.taken[1]! > 2n ** 31n).to.equal(true);
    const after = await allBalances(vault);
    system.ders.forEach(({ account }, i) => {
      const gained = settlement.payments[i]! - settlement.taken[i]!;
      expect(after.get(account)).to.equal((before.get(account) ?? 0n) + gained);
    });
    expect(after.get(system.accounts.escrow)).to.equal(settlement.escrow);
  });

  it("have room: of a request that nobody swept, more disputes can be open than 16 bits would count", async function () {
    const system = await loadFixture(withBonds);
    const request = await orderAndRequest(
      system,
      system.ders.map((der) => rowOf(der, [2_000n])),
    );
    const { closes } = sweepWindow(system, request);
    await time.increaseTo(closes);
    // Raising so many takes minutes: the second word of the request is written instead, as contracts/surface.json has it.
    const key = ethers.AbiCoder.defaultAbiCoder().encode(
      ["uint256", "uint256"],
      [request.requestId, 2_147_483_652n],
    );
    const slot = BigInt(ethers.keccak256(key)) + 1n;
    const word = BigInt(await ethers.provider.getStorage(system.aria, slot));
    await networkHelpers.setStorageAt(await system.aria.getAddress(), slot, word + (65_535n << 56n));
    expect((await system.aria.requestOf(request.requestId)).openDisputes).to.equal(65_535n);
    await raise(system, derAt(system, 0), request, request.firstEpoch, 2_000n);
    expect((await system.aria.requestOf(request.requestId)).openDisputes).to.equal(65_536n);
  });

  it("have room: for the award, the bond and the fine of a dispute in one, at the largest there may be", async function () {
    const system = await loadFixture(greatBonds);
    const { aria, operator, vault } = system;
    const [ruled, defaulted] = [derAt(system, 0), derAt(system, 1)];
    const rows = system.ders.map((der) => rowOf(der, [250n]));
    const request = await orderAndRequest(system, rows);
    await sweep(
      system,
      request,
      rows.map(() => [250n]),
    );
    for (const der of system.ders) await raise(system, der, request, request.firstEpoch, 250n);
    const before = await vault.balanceOf(ruled.account);
    const disputeId = disputeIdOf(ruled, request.firstEpoch);
    await aria.connect(operator).resolveDispute(disputeId, 250n, Fault.Aggregator, id("evidence"));
    const { disputeBond, misreportFine } = system.rules;
    expect((await vault.balanceOf(ruled.account)) - before > disputeBond + misreportFine).to.equal(true);
    const { raisedAt } = await aria.disputeOf(disputeIdOf(defaulted, request.firstEpoch));
    const late = raisedAt + RULES.rulingWindowSeconds + 1n;
    await at(late, () => aria.settleByDefault(disputeIdOf(defaulted, request.firstEpoch)));
    expect((await aria.requestOf(request.requestId)).openDisputes).to.equal(0n);
  });

  /** Two DERs whose deposit is as large as may be, in an agreement in which all bonds are. */
  async function greatBonds(): Promise<System> {
    const most = 2n ** 61n - 1n;
    const rich = async (address: string) => {
      await networkHelpers.setBalance(address, 10n ** 28n);
    };
    for (const { address } of await ethers.getSigners()) await rich(address);
    const criteria = { minPowerW: 1n, maxPowerW: 1_000n, depositPerKw: most };
    const bonds = { aggregatorBond: most, disputeBond: most, misreportFine: most };
    const system = await deploy({ criteria, rules: bonds });
    const terms = { powerW: criteria.maxPowerW, deposit: most };
    for (let index = 0; index < 2; ++index) system.ders.push({ ...(await newDer(index)), ...terms });
    for (const der of system.ders) {
      await rich(der.signer.address);
      await join(system, der);
      const spare = most + 1_000_000n; // a penalty leaves the bond
      await system.vault.deposit(der.signer, spare, { value: spare * UNIT });
    }
    await commission(system, system.ders);
    await toNextEpoch(system);
    return system;
  }

  /** Power plants of 8 MW at 4 coins a kWh: everything is as large as the terms allow. */
  async function greatPowers(): Promise<System> {
    const criteria = { maxPowerW: 8_000_000n, maxPrice: 4_000_000_000n, depositPerKw: 1_000_000_000n };
    const system = await deploy({ criteria });
    const { vault, operator } = system;
    await networkHelpers.setBalance(operator.address, 10n ** 24n);
    await vault.connect(operator).deposit(operator, 10n ** 14n, { value: 10n ** 14n * UNIT });
    const terms = { powerW: criteria.maxPowerW, price: criteria.maxPrice };
    const deposit = rules.depositFor(terms.powerW, criteria.depositPerKw);
    for (let index = 0; index < 3; ++index) system.ders.push({ ...(await newDer(index)), ...terms, deposit });
    for (const der of system.ders) await join(system, der);
    await commission(system, system.ders);
    await toNextEpoch(system);
    return system;
  }
});

describe("Of two that exclude each other", function () {
  /** Expects `first` to be possible in a second and `second` not, and the other way round in the next. */
  async function takeTurns(
    last: bigint,
    first: () => Promise<unknown>,
    second: () => Promise<unknown>,
  ): Promise<void> {
    const tried = async (when: bigint, send: () => Promise<unknown>) => {
      const here = await networkHelpers.takeSnapshot();
      try {
        await at(when, send);
        return true;
      } catch {
        return false;
      } finally {
        await here.restore();
      }
    };
    const outcome = [
      await tried(last, first),
      await tried(last, second),
      await tried(last + 1n, first),
      await tried(last + 1n, second),
    ];
    expect(outcome).to.deep.equal([true, false, false, true]);
  }

  /** A request of an epoch of two DERs, the first of them short by half once it is swept. */
  async function requested() {
    const system = await withBonds();
    const request = await orderAndRequest(
      system,
      system.ders.slice(0, 2).map((der) => rowOf(der, [2_000n])),
    );
    return { system, request, ...sweepWindow(system, request), epoch: request.firstEpoch };
  }

  async function swept() {
    const { system, request, epoch } = await requested();
    await sweep(system, request, [[1_000n], [0n]]);
    const { sweptAt } = await system.aria.requestOf(request.requestId);
    return { system, request, epoch, der: derAt(system, 0), closes: sweptAt + RULES.disputeWindowSeconds };
  }

  it("a request for an epoch, and the sweep of the one before", async function () {
    const { system, request, opens } = await loadFixture(requested);
    const next = request.firstEpoch + 1n;
    const order = await orderBaseline(system, next, [2_000n]);
    const send = () => sendRequest(system, order, next, [rowOf(derAt(system, 2), [2_000n])]);
    await takeTurns(opens - 1n, send, () => sendSweep(system, request, [[0n], [0n]]));
  });

  it("a sweep, and a claim as if nothing was reported", async function () {
    const { system, request, closes, epoch } = await loadFixture(requested);
    const claim = () => raise(system, derAt(system, 0), request, epoch, 2_000n);
    await takeTurns(closes, () => sendSweep(system, request, [[0n], [0n]]), claim);
  });

  it("a claim, and the release of what would pay it", async function () {
    const { system, request, closes, epoch, der } = await loadFixture(swept);
    const claim = () => raise(system, der, request, epoch, 2_000n);
    await takeTurns(closes, claim, () => system.aria.releaseEscrow([request.requestId]));
  });

  it("a ruling, and the default for want of one", async function () {
    const { system, request, epoch, der } = await loadFixture(swept);
    await raise(system, der, request, epoch, 2_000n);
    const disputeId = disputeIdOf(der, epoch);
    const { raisedAt } = await system.aria.disputeOf(disputeId);
    const rule = () =>
      system.aria.connect(system.operator).resolveDispute(disputeId, 0n, Fault.DER, id("evidence"));
    await takeTurns(raisedAt + RULES.rulingWindowSeconds, rule, () => system.aria.settleByDefault(disputeId));
  });

  it("the last sweep of a DER that leaves, and its taking the deposit along", async function () {
    const system = await loadFixture(threeDers);
    const der = derAt(system, 0);
    await system.aria.connect(der.signer).leave();
    const { untilEpoch } = await system.aria.agreementOf(der.account);
    const order = await orderBaseline(system, untilEpoch - 1n, [2_000n]);
    const request = await requestFlow(system, order, untilEpoch - 1n, [rowOf(der, [2_000n])]);
    const send = () => sendSweep(system, request, [[2_000n]]);
    const { closes } = sweepWindow(system, request);
    await takeTurns(closes, send, () => system.aria.connect(der.signer).close());
  });
});
