import { expect } from "chai";

import {
  at,
  derAt,
  expectMoves,
  loadFixture,
  refused,
  RequestStatus,
  RULES,
  type System,
  threeDers,
  UNIT,
} from "./fixture.ts";
import { disputeIdOf, raise } from "./claims.ts";
import {
  nothingMissing,
  orderBaseline,
  type Request,
  requestFlow,
  rowOf,
  sweep,
  sweepWindow,
} from "./settling.ts";

/** Three requests of one epoch each: the first swept, the second swept with a shortfall, the third not swept. */
async function threeRequests(): Promise<
  System & { requests: [Request, Request, Request]; sweptAt: bigint[] }
> {
  const system = await threeDers();
  const first = (await system.aria.currentEpoch()) + 2n;
  const order = await orderBaseline(system, first, [10_000n, 10_000n, 10_000n]);
  const rows = system.ders.map((der) => rowOf(der, [2_000n]));
  const requests: [Request, Request, Request] = [
    await requestFlow(system, order, first, rows),
    await requestFlow(system, order, first + 1n, rows),
    await requestFlow(system, order, first + 2n, rows),
  ];
  await sweep(system, requests[0], nothingMissing(requests[0]));
  await sweep(system, requests[1], [[1_000n], [0n], [0n]]);
  const sweptAt = [await system.aria.requestOf(1), await system.aria.requestOf(2)].map(
    (request) => request.sweptAt,
  );
  return { ...system, requests, sweptAt };
}

describe("Escrow", function () {
  it("returns to the Operator after the dispute window's last second, whoever asks", async function () {
    const { sweptAt, ...system } = await loadFixture(threeRequests);
    const { aria, stranger } = system;
    const { escrow } = await aria.requestOf(1);
    const closes = sweptAt[0]! + RULES.disputeWindowSeconds;
    const early = at(closes, () => aria.connect(stranger).releaseEscrow([1]));
    await refused(early, aria, "EscrowStillNeeded", 1n, closes + 1n, 0n);

    const sent = await expectMoves(
      system,
      () => at(closes + 1n, () => aria.connect(stranger).releaseEscrow([1])),
      { operator: escrow, escrow: -escrow },
    );
    await expect(sent).to.emit(aria, "EscrowReleased").withArgs(1n, escrow);
    const { status, escrow: left } = await aria.requestOf(1);
    expect([status, left]).to.deep.equal([RequestStatus.Released, 0n]);
    expect(await aria.openRequests()).to.equal(2n);
  });

  it("returns of several requests at once, in full where there was no sweep", async function () {
    const { requests, ...system } = await loadFixture(threeRequests);
    const { aria } = system;
    const { closes } = sweepWindow(system, requests[2]);
    const end = closes + 1n + RULES.disputeWindowSeconds;
    const early = at(end, () => aria.releaseEscrow([1, 2, 3]));
    await refused(early, aria, "EscrowStillNeeded", 3n, end + 1n, 0n);

    const total = await system.vault.balanceOf(system.accounts.escrow);
    const sent = await expectMoves(system, () => at(end + 1n, () => aria.releaseEscrow([3, 1, 2])), {
      operator: total,
      escrow: -total,
    });
    await expect(sent).to.emit(aria, "EscrowReleased").withArgs(3n, requests[2].escrow);
    expect(await aria.openRequests()).to.equal(0n);
  });

  it("returns once", async function () {
    const { sweptAt, ...system } = await loadFixture(threeRequests);
    const { aria } = system;
    const error = "WrongRequestStatus";
    const after = sweptAt[1]! + RULES.disputeWindowSeconds + 1n;
    const twice = at(after, () => aria.releaseEscrow([1, 1]));
    await refused(twice, aria, error, 1n, RequestStatus.Swept, RequestStatus.Released);
    await aria.releaseEscrow([1]);
    const again = aria.releaseEscrow([2, 1]);
    await refused(again, aria, error, 1n, RequestStatus.Swept, RequestStatus.Released);
    const unknown = aria.releaseEscrow([9]);
    await refused(unknown, aria, error, 9n, RequestStatus.Swept, RequestStatus.None);
  });

  it("stays while a dispute is open, and no longer", async function () {
    const { requests, sweptAt, ...system } = await loadFixture(threeRequests);
    const { aria } = system;
    const der = derAt(system, 0);
    await system.vault.deposit(der.signer, RULES.disputeBond, { value: RULES.disputeBond * UNIT });
    await raise(system, der, requests[1], requests[1].firstEpoch, 1_500n);
    const notBefore = sweptAt[1]! + RULES.disputeWindowSeconds + 1n;
    const call = at(notBefore, () => aria.releaseEscrow([2]));
    await refused(call, aria, "EscrowStillNeeded", 2n, notBefore, 1n);
    await at(notBefore + RULES.rulingWindowSeconds, () =>
      aria.settleByDefault(disputeIdOf(der, requests[1].firstEpoch)),
    );
    await aria.releaseEscrow([2]);
  });

  it("is not touched by an empty list", async function () {
    const system = await loadFixture(threeRequests);
    await expectMoves(system, () => system.aria.releaseEscrow([]), {});
    expect(await system.aria.openRequests()).to.equal(3n);
  });
});

describe("The Aggregator's bond", function () {
  it("is locked in its account, which must hold it", async function () {
    const { aria, vault, aggregator, accounts } = await loadFixture(threeDers);
    const asAggregator = aria.connect(aggregator);
    await expect(asAggregator.releaseBond()).to.emit(aria, "BondReleased");
    expect(await vault.freeOf(aggregator)).to.equal(RULES.aggregatorBond);
    await vault.connect(aggregator).withdraw(5n, aggregator);

    const args = [RULES.aggregatorBond, RULES.aggregatorBond - 1n];
    await vault.connect(aggregator).deposit(aggregator, 4n, { value: 4n * UNIT });
    await refused(asAggregator.postBond(), aria, "BondTooLow", ...args);
    await vault.connect(aggregator).deposit(aggregator, 2n, { value: 2n * UNIT });
    const posting = asAggregator.postBond();
    await expect(posting).to.emit(aria, "BondPosted").withArgs(RULES.aggregatorBond);
    await expect(posting).to.emit(vault, "LockSet").withArgs(accounts.aggregator, 1n, RULES.aggregatorBond);
    expect(await vault.freeOf(aggregator)).to.equal(1n);
    await asAggregator.releaseBond();
    await asAggregator.postBond();
  });

  it("cannot be withdrawn, nor released while a request is open", async function () {
    const { aria, vault, aggregator, accounts } = await loadFixture(threeRequests);
    const free = await vault.freeOf(aggregator);
    const withdrawal = vault.connect(aggregator).withdraw(free + 1n, aggregator);
    await refused(withdrawal, vault, "InsufficientFree", accounts.aggregator, free + 1n, free);
    await refused(aria.connect(aggregator).releaseBond(), aria, "BondInUse", 3n);
  });

  it("is the Aggregator's alone", async function () {
    const { aria, operator, stranger, owner } = await loadFixture(threeDers);
    const role = await aria.AGGREGATOR_ROLE();
    for (const caller of [operator, stranger, owner]) {
      const args = [caller.address, role];
      await refused(aria.connect(caller).postBond(), aria, "AccessControlUnauthorizedAccount", ...args);
      await refused(aria.connect(caller).releaseBond(), aria, "AccessControlUnauthorizedAccount", ...args);
    }
  });
});
