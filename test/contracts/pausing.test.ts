import { expect } from "chai";
import { ZeroAddress } from "ethers";

import { ARIA__factory } from "../../types/index.js";
import { disputeIdOf, raise } from "./claims.ts";
import {
  CRITERIA,
  deploy,
  derAt,
  DisputeStatus,
  join,
  loadFixture,
  newDer,
  refused,
  RULES,
  Status,
  threeDers,
  time,
} from "./fixture.ts";
import { orderAndRequest, orderBaseline, rowOf, sendRequest, sweep } from "./settling.ts";

async function withBonds() {
  return await deploy({ derCount: 3, bonds: 1n });
}

describe("A pause", function () {
  it("stops joining and new requests until it ends", async function () {
    const system = await loadFixture(threeDers);
    const { aria, guardian } = system;
    const asGuardian = aria.connect(guardian);
    const der = await newDer(7);
    const firstEpoch = BigInt(await time.latest()) / RULES.epochSeconds + 2n;
    const order = await orderBaseline(system, firstEpoch, [2_000n]);
    const request = () => sendRequest(system, order, firstEpoch, [rowOf(derAt(system, 0), [2_000n])]);

    await expect(asGuardian.setPaused(true)).to.emit(aria, "PausedSet").withArgs(true);
    expect(await aria.paused()).to.equal(true);
    await refused(join(system, der), aria, "WhilePaused");
    await refused(request(), aria, "WhilePaused");

    await expect(asGuardian.setPaused(false)).to.emit(aria, "PausedSet").withArgs(false);
    expect(await aria.paused()).to.equal(false);
    await join(system, der);
    await request();
  });

  it("stops nothing of what was requested: sweep, dispute, ruling, release, leaving and withdrawal", async function () {
    const system = await loadFixture(withBonds);
    const { aria, vault, operator, guardian } = system;
    const der = derAt(system, 0);
    const request = await orderAndRequest(
      system,
      system.ders.map((each) => rowOf(each, [2_000n])),
    );
    await aria.connect(guardian).setPaused(true);

    await sweep(system, request, [[2_000n], [0n], [0n]]);
    await vault.connect(derAt(system, 1).signer).withdraw(1n, derAt(system, 1).signer);
    await vault
      .connect(operator)
      .deposit(der.signer, der.deposit, { value: der.deposit * (await vault.unit()) });
    await raise(system, der, request, request.firstEpoch, 2_000n);
    const dispute = disputeIdOf(der, request.firstEpoch);
    await aria.connect(operator).resolveDispute(dispute, 2_000n, 0n, "0x" + "11".repeat(32));
    expect((await aria.disputeOf(dispute)).status).to.equal(DisputeStatus.Ruled);
    await time.increase(RULES.disputeWindowSeconds + 1n);
    await aria.releaseEscrow([request.requestId]);
    await aria.connect(der.signer).leave();
    expect((await aria.agreementOf(der.account)).status).to.equal(Status.Leaving);
  });

  it("is the guardian's alone", async function () {
    const system = await loadFixture(threeDers);
    const { aria, owner, operator, aggregator, stranger } = system;
    const role = await aria.GUARDIAN_ROLE();
    for (const party of [owner, operator, aggregator, derAt(system, 0).signer, stranger]) {
      const call = aria.connect(party).setPaused(true);
      await refused(call, aria, "AccessControlUnauthorizedAccount", party.address, role);
    }
  });

  it("can be had by nobody where no guardian was named", async function () {
    const { vault, owner, operator, aggregator } = await loadFixture(threeDers);
    const factory = new ARIA__factory(owner);
    const aria = await factory.deploy(vault, operator, aggregator, ZeroAddress, CRITERIA, RULES);
    const role = await aria.GUARDIAN_ROLE();
    expect(await aria.hasRole(role, ZeroAddress)).to.equal(false);
    const grant = aria.connect(owner).grantRole(role, owner);
    await refused(grant, aria, "AccessControlUnauthorizedAccount", owner.address, role);
  });

  it("is passed on with the role, by its holder", async function () {
    const { aria, guardian, stranger } = await loadFixture(threeDers);
    const role = await aria.GUARDIAN_ROLE();
    await aria.connect(guardian).grantRole(role, stranger);
    await aria.connect(guardian).renounceRole(role, guardian);
    await aria.connect(stranger).setPaused(true);
    const call = aria.connect(guardian).setPaused(false);
    await refused(call, aria, "AccessControlUnauthorizedAccount", guardian.address, role);
  });
});
