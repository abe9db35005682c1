import { expect } from "chai";

import { disputeIdOf, raise, rowProof, flowLeaf, type FlowLeaf, flowTree } from "./claims.ts";
import {
  commission,
  deploy,
  type Der,
  derAt,
  epochNow,
  EXIT_WINDOW_SECONDS,
  expectMoves,
  loadFixture,
  newDer,
  join,
  refused,
  RULES,
  startOf,
  Status,
  type System,
  threeDers,
  time,
  toNextEpoch,
  UNIT,
  withNewAria,
} from "./fixture.ts";
import {
  nothingMissing,
  orderAndRequest,
  orderBaseline,
  type Request,
  requestFlow,
  rowOf,
  sendRequest,
  sweep,
} from "./settling.ts";

const NO_LAST_EPOCH = 2n ** 32n - 1n;

describe("Retiring an ARIA", function () {
  it("fixes its last epoch", async function () {
    const system = await loadFixture(threeDers);
    const { aria } = system;
    expect(await aria.lastEpoch()).to.equal(NO_LAST_EPOCH);
    const last = (await epochNow(system)) + 10n;
    await expect(aria.retire(last)).to.emit(aria, "RetirementAnnounced").withArgs(last);
    expect(await aria.lastEpoch()).to.equal(last);
    await refused(aria.retire(last + 1n), aria, "AlreadyRetiring", last);
  });

  it("cannot cut off what is requested", async function () {
    const system = await loadFixture(threeDers);
    const { aria } = system;
    const request = await orderAndRequest(system, [rowOf(derAt(system, 0), [1n, 1n, 1n])]);
    const last = request.firstEpoch + 2n;
    await refused(aria.retire(last - 1n), aria, "LastEpochTooEarly", last, last - 1n);
    await aria.retire(last);
  });

  it("is not for never", async function () {
    const { aria } = await loadFixture(threeDers);
    await refused(aria.retire(NO_LAST_EPOCH), aria, "ParameterOutOfRange", "lastEpoch", NO_LAST_EPOCH);
  });

  it("is for the Vault's owner alone", async function () {
    const { aria, vault, owner, operator, aggregator, stranger } = await loadFixture(threeDers);
    for (const caller of [operator, aggregator, stranger]) {
      const call = aria.connect(caller).retire(9n);
      await refused(call, aria, "NotVaultOwner", owner.address, caller.address);
    }
    await vault.transferOwnership(stranger);
    await vault.connect(stranger).acceptOwnership();
    await refused(aria.retire(9n), aria, "NotVaultOwner", stranger.address, owner.address);
  });

  it("takes no more joins, and no orders or requests beyond the last epoch", async function () {
    const system = await loadFixture(threeDers);
    const { aria, operator } = system;
    const last = (await epochNow(system)) + 3n;
    const early = await orderBaseline(system, last - 1n, [100n, 100n, 100n]);
    await aria.retire(last);

    const der = await newDer(9);
    const joining = aria.connect(der.signer).join(der.powerW, der.price, der.meter);
    await refused(joining, aria, "Retiring", last);
    const order = aria.connect(operator).orderBaseline(last, "0x0000000100000001");
    await refused(order, aria, "Retiring", last);
    const send = (count: number) =>
      sendRequest(system, early, last - 1n, [rowOf(derAt(system, 0), Array<bigint>(count).fill(1n))]);
    await refused(send(3), aria, "Retiring", last);
    await aria.connect(operator).orderBaseline(last, "0x00000001");
    await send(2);
  });

  it("is done when the last epoch is over and all escrow is released", async function () {
    const system = await loadFixture(threeDers);
    const { aria } = system;
    const request = await orderAndRequest(system, [rowOf(derAt(system, 0), [1_000n])]);
    await aria.retire(request.firstEpoch);
    const end = startOf(system, request.firstEpoch + 1n);
    await time.increaseTo(end - 1n);
    expect(await aria.retired()).to.equal(false);
    await sweep(system, request, nothingMissing(request));
    expect(await aria.retired()).to.equal(false);
    await time.increase(RULES.disputeWindowSeconds + 1n);
    await aria.releaseEscrow([1]);
    expect(await aria.retired()).to.equal(true);
  });

  it("is done when the last epoch is over, if nothing is open, and not a second before", async function () {
    const system = await loadFixture(threeDers);
    expect(await system.aria.retired()).to.equal(false);
    const last = (await epochNow(system)) + 1n;
    await system.aria.retire(last);
    await time.increaseTo(startOf(system, last + 1n) - 1n);
    expect(await system.aria.retired()).to.equal(false);
    await time.increaseTo(startOf(system, last + 1n));
    expect(await system.aria.retired()).to.equal(true);
  });
});

describe("After the hand-over to a second ARIA", function () {
  interface Succession {
    first: System;
    second: System;
    /** settled in full by the first ARIA before it retired */
    settled: Request;
  }

  /** The Aggregator's own meter says less of the first DER than was swept. */
  function contradicting(first: System, { firstEpoch }: Request): FlowLeaf {
    return flowLeaf(derAt(first, 0), firstEpoch, 1_000n);
  }

  /** The first ARIA settles, retires and hands over to the second, whose terms are others. */
  async function succession(): Promise<Succession> {
    const first = await deploy({ derCount: 3 });
    const { aria, vault, registry } = first;
    const settled = await orderAndRequest(
      first,
      first.ders.map((der) => rowOf(der, [2_000n])),
    );
    await sweep(first, settled, [[0n], [0n], [0n]], flowTree([contradicting(first, settled)]).root);
    await aria.retire(settled.firstEpoch);
    const second = await withNewAria({ ...first, rules: { ...first.rules, feeBps: 300n } });
    await vault.announceHandOver(second.aria);
    await time.increase(EXIT_WINDOW_SECONDS);
    await aria.releaseEscrow([1]);
    expect(await aria.retired()).to.equal(true);
    await vault.handOver();
    await registry.register(second.aria);
    return { first, second, settled };
  }

  it("all locks have ended, and every balance is what it was", async function () {
    const { first } = await loadFixture(succession);
    const { vault, ders, accounts, aggregator } = first;
    for (const owner of [aggregator, ...ders.map((der) => der.signer)]) {
      const account = await vault.accountOf(owner);
      expect(await vault.lockOf(owner)).to.equal(0n);
      expect(await vault.freeOf(owner)).to.equal(await vault.balanceOf(account));
      expect(await vault.balanceOf(account)).to.be.greaterThan(0n);
    }
    expect(await vault.balanceOf(accounts.escrow)).to.equal(0n);
  });

  it("a DER joins again with the deposit that is in the Vault already, and is paid", async function () {
    const { first, second } = await loadFixture(succession);
    const { vault } = first;
    await second.aria.connect(second.aggregator).postBond();
    const ders: Der[] = first.ders.map((der) => ({ ...der }));
    for (const der of ders) {
      const joining = second.aria.connect(der.signer).join(der.powerW, der.price, der.meter);
      await expect(joining).to.emit(vault, "LockSet").withArgs(der.account, 2n, der.deposit);
    }
    await commission(second, ders);
    await toNextEpoch(second);
    const system = { ...second, ders };
    const request = await orderAndRequest(
      system,
      ders.map((der) => rowOf(der, [2_000n, 2_000n])),
    );
    const settlement = await sweep(system, request, [
      [2_000n, 2_000n],
      [0n, 0n],
      [0n, 1n],
    ]);
    expect(settlement.fee).to.equal((settlement.paid * 300n) / 10_000n);
    expect((await system.aria.requestOf(1)).escrow).to.equal(settlement.escrow);
    expect((await system.aria.agreementOf(ders[0]!.account)).status).to.equal(Status.Active);
  });

  it("the old ARIA moves and locks nothing any more", async function () {
    const { first, settled } = await loadFixture(succession);
    const { aria, vault, aggregator, stranger } = first;
    const notService = [await vault.service(), await aria.getAddress()];
    const der = derAt(first, 0);
    const leaf = contradicting(first, settled);
    const contradiction = aria.connect(stranger).proveContradiction(rowProof(settled, der), leaf, []);
    await refused(contradiction, vault, "NotService", ...notService);
    await refused(aria.connect(aggregator).postBond(), vault, "NotService", ...notService);
    await refused(aria.connect(aggregator).releaseBond(), vault, "NotService", ...notService);
    const lastEpoch = await aria.lastEpoch();
    const other = await newDer(9);
    await refused(join(first, other), aria, "Retiring", lastEpoch);
    await aria.connect(der.signer).leave();
    await time.increase(RULES.sweepWindowSeconds + 4n * RULES.epochSeconds);
    await refused(aria.connect(der.signer).close(), vault, "NotService", ...notService);
    const epoch = (await epochNow(first)) + 2n;
    const late = aria.connect(first.operator).orderBaseline(epoch, "0x00000001");
    await refused(late, aria, "Retiring", lastEpoch);
  });

  it("anyone withdraws from the Vault as before", async function () {
    const { first } = await loadFixture(succession);
    const { signer, account } = derAt(first, 1);
    const balance = await first.vault.balanceOf(account);
    await first.vault.connect(signer).withdraw(balance, signer);
  });
});

describe("An emergency hand-over, without waiting for the old ARIA to retire,", function () {
  it("takes along what is in escrow, and ends all that is open", async function () {
    const system = await deploy({ derCount: 1 });
    const { aria, vault, accounts } = system;
    const der = derAt(system, 0);
    await vault.deposit(der.signer, RULES.disputeBond, { value: RULES.disputeBond * UNIT });
    const second = await withNewAria(system);
    await vault.announceHandOver(second.aria);
    await time.increase(EXIT_WINDOW_SECONDS - 4n * RULES.epochSeconds);
    const first = (await epochNow(system)) + 2n;
    const order = await orderBaseline(system, first, [2_000n, 2_000n]);
    const request = await requestFlow(system, order, first, [rowOf(der, [2_000n])]);
    const later = await requestFlow(system, order, first + 1n, [rowOf(der, [2_000n])]);
    await sweep(system, request, [[1_000n]]);
    await raise(system, der, request, first, 2_000n);
    const held = await vault.balanceOf(accounts.escrow);
    await time.increase(8n * RULES.epochSeconds);
    await vault.handOver();
    expect(await vault.balanceOf(accounts.escrow)).to.equal(0n);
    expect(await vault.balanceOf(second.accounts.escrow)).to.equal(held);

    const notService = [await second.aria.getAddress(), await aria.getAddress()];
    const { raisedAt } = await aria.disputeOf(disputeIdOf(der, first));
    await time.increaseTo(raisedAt + RULES.rulingWindowSeconds + 1n);
    const byDefault = aria.settleByDefault(disputeIdOf(der, first));
    await refused(byDefault, vault, "NotService", ...notService);
    await refused(aria.releaseEscrow([later.requestId]), vault, "NotService", ...notService);
    await expectMoves(system, () => vault.connect(der.signer).withdraw(1n, der.signer), { ders: [-1n] });
  });
});
