import { expect } from "chai";
import { id, ZeroHash } from "ethers";

import * as rules from "../../agents/settlement/rules.ts";
import { disputeIdOf, raise } from "./claims.ts";
import {
  at,
  deploy,
  type Der,
  derAt,
  DisputeStatus,
  ethers,
  expectMoves,
  Fault,
  loadFixture,
  refused,
  RULES,
  type System,
} from "./fixture.ts";
import { orderAndRequest, type Request, rowOf, sumOf, sweep, sweepWindow } from "./settling.ts";

const EVIDENCE = id("what the ruling rests on");
const BOND = RULES.disputeBond;

interface Claimed extends System {
  der: Der;
  request: Request;
  disputeId: bigint;
  raisedAt: bigint;
  /** units taken of the DER by the sweep */
  taken: bigint;
}

/** Of 2,000 Wh in each of three epochs the sweep credited 1,000, 2,000 and 1,500; the DER claims 1,800 in the first. */
async function claimed(): Promise<Claimed> {
  const system = await deploy({ derCount: 2, bonds: 10n });
  const der = derAt(system, 0);
  const rows = system.ders.map((each) => rowOf(each, [2_000n, 2_000n, 2_000n]));
  const request = await orderAndRequest(system, rows);
  const settlement = await sweep(system, request, [
    [1_000n, 0n, 500n],
    [0n, 0n, 0n],
  ]);
  await raise(system, der, request, request.firstEpoch, 1_800n);
  const disputeId = disputeIdOf(der, request.firstEpoch);
  const { raisedAt } = await system.aria.disputeOf(disputeId);
  return { ...system, der, request, disputeId, raisedAt, taken: settlement.taken[0]! };
}

/** What an award of so many Wh in the first epoch brings back of the penalty: 900 of 1,300 Wh were for that epoch. */
function refundOf({ taken }: Claimed, awardedWh: bigint): bigint {
  const { deliveryToleranceBps: share, toleranceFloorWh: floor } = RULES;
  const forgiven =
    rules.excess(2_000n, 1_000n, share, floor) - rules.excess(2_000n, 1_000n - awardedWh, share, floor);
  return rules.refund(rules.refund(taken, 1_300n, 900n), 900n, forgiven);
}

function rule({ aria, operator, disputeId }: Claimed, awardedWh: bigint, fault: bigint) {
  return aria.connect(operator).resolveDispute(disputeId, awardedWh, fault, EVIDENCE);
}

describe("A ruling", function () {
  it("pays the award with the penalty that goes with it, and returns the bond", async function () {
    const system = await loadFixture(claimed);
    const { aria, der, disputeId } = system;
    const [paid, refunded] = [rules.payment(800n, der.price), refundOf(system, 800n)];
    expect([paid, refunded]).to.deep.equal([98_765n, 49_382n]); // 800 / 1,300 of 80,247
    const { escrow } = await aria.requestOf(1);
    const sent = await expectMoves(system, () => rule(system, 800n, Fault.None), {
      escrow: -paid - refunded - BOND,
      ders: [paid + refunded + BOND],
    });
    await expect(sent)
      .to.emit(aria, "DisputeResolved")
      .withArgs(disputeId, der.account, 800n, Fault.None, EVIDENCE, paid, refunded, 0n);
    const request = await aria.requestOf(1);
    expect([request.openDisputes, request.escrow]).to.deep.equal([0n, escrow - paid - refunded]);
    expect((await aria.disputeOf(disputeId)).status).to.equal(DisputeStatus.Ruled);
  });

  it("may award less than is claimed, and nothing", async function () {
    for (const awardedWh of [1n, 333n, 799n, 0n]) {
      const system = await loadFixture(claimed);
      const award = rules.payment(awardedWh, system.der.price) + refundOf(system, awardedWh);
      await expectMoves(system, () => rule(system, awardedWh, Fault.None), {
        escrow: -award - BOND,
        ders: [award + BOND],
      });
    }
  });

  it("forgives what was over the tolerance only", async function () {
    const system = await loadFixture(claimed);
    const { aria, der, request, disputeId, operator } = system;
    // The other claim: 2,000 Wh delivered where 1,500 were credited; of 500 Wh missing, 100 cost no penalty.
    await raise(system, der, request, request.firstEpoch + 2n, 2_000n);
    const other = disputeIdOf(der, request.firstEpoch + 2n);
    const refunded = rules.refund(system.taken, 1_300n, 400n);
    await expect(aria.connect(operator).resolveDispute(other, 500n, Fault.None, EVIDENCE))
      .to.emit(aria, "DisputeResolved")
      .withArgs(other, der.account, 500n, Fault.None, EVIDENCE, rules.payment(500n, der.price), refunded, 0n);
    expect((await aria.disputeOf(disputeId)).status).to.equal(DisputeStatus.Open);
  });

  it("gives back of a capped penalty in proportion to what it was for", async function () {
    const small = await deploy({
      derCount: 1,
      bonds: 2n,
      rules: { penaltyBps: 60_000n },
      criteria: { depositPerKw: 10_000n },
    });
    const poor = derAt(small, 0);
    const asked = await orderAndRequest(small, [rowOf(poor, [2_000n, 2_000n])]);
    const settlement = await sweep(small, asked, [[2_000n, 2_000n]]);
    expect(settlement.taken[0]).to.equal(poor.deposit);
    expect(settlement.due[0]).to.be.greaterThan(poor.deposit);
    for (const epoch of [asked.firstEpoch, asked.firstEpoch + 1n]) {
      await raise(small, poor, asked, epoch, 2_000n);
      const sent = small.aria
        .connect(small.operator)
        .resolveDispute(disputeIdOf(poor, epoch), 2_000n, 0n, EVIDENCE);
      const [paid, refunded] = [rules.payment(2_000n, poor.price), poor.deposit / 2n];
      await expect(sent)
        .to.emit(small.aria, "DisputeResolved")
        .withArgs(disputeIdOf(poor, epoch), poor.account, 2_000n, 0n, EVIDENCE, paid, refunded, 0n);
    }
  });

  it("cuts the Aggregator's bond in the DER's favour when it is at fault", async function () {
    const system = await loadFixture(claimed);
    const award = rules.payment(700n, system.der.price) + refundOf(system, 700n);
    await expectMoves(system, () => rule(system, 700n, Fault.Aggregator), {
      aggregator: -RULES.misreportFine,
      escrow: -award - BOND,
      ders: [award + BOND + RULES.misreportFine],
    });
  });

  it("forfeits the DER's bond to the Aggregator when the DER is at fault", async function () {
    const system = await loadFixture(claimed);
    await refused(rule(system, 1n, Fault.DER), system.aria, "AwardToTheFaulty", 1n);
    await expectMoves(system, () => rule(system, 0n, Fault.DER), { aggregator: BOND, escrow: -BOND });
  });

  it("awards no more than is claimed, and rests on something", async function () {
    const system = await loadFixture(claimed);
    const { aria, operator, disputeId } = system;
    await refused(rule(system, 801n, Fault.None), aria, "AwardExceedsClaim", 800n, 801n);
    const call = aria.connect(operator).resolveDispute(disputeId, 800n, Fault.None, ZeroHash);
    await refused(call, aria, "EvidenceMissing");
    const nobody = aria.connect(operator).resolveDispute(disputeId, 800n, 3n, EVIDENCE);
    await expect(nobody).to.be.revertedWithoutReason(ethers);
  });

  it("is made until the last second of its window", async function () {
    const system = await loadFixture(claimed);
    const deadline = system.raisedAt + RULES.rulingWindowSeconds;
    const late = at(deadline + 1n, () => rule(system, 800n, Fault.None));
    await refused(late, system.aria, "RulingWindowOver", deadline, deadline + 1n);
    const again = await loadFixture(claimed);
    await at(deadline, () => rule(again, 800n, Fault.None));
  });

  it("is made once, on a dispute that there is", async function () {
    const system = await loadFixture(claimed);
    const { aria, operator, disputeId } = system;
    await rule(system, 800n, Fault.None);
    const error = "WrongDisputeStatus";
    const again = rule(system, 800n, Fault.None);
    await refused(again, aria, error, disputeId, DisputeStatus.Open, DisputeStatus.Ruled);
    const unknown = aria.connect(operator).resolveDispute(1n, 0n, Fault.None, EVIDENCE);
    await refused(unknown, aria, error, 1n, DisputeStatus.Open, DisputeStatus.None);
    const byDefault = aria.settleByDefault(disputeId);
    await refused(byDefault, aria, error, disputeId, DisputeStatus.Open, DisputeStatus.Ruled);
  });

  it("is the Operator's alone", async function () {
    const { aria, der, disputeId, ...system } = await loadFixture(claimed);
    const role = await aria.OPERATOR_ROLE();
    for (const caller of [der.signer, system.aggregator, system.stranger, system.owner]) {
      const call = aria.connect(caller).resolveDispute(disputeId, 800n, Fault.None, EVIDENCE);
      await refused(call, aria, "AccessControlUnauthorizedAccount", caller.address, role);
    }
  });
});

describe("A dispute not ruled on in time", function () {
  it("is paid in full, with the bond, whoever asks", async function () {
    const system = await loadFixture(claimed);
    const { aria, stranger, der, disputeId, raisedAt } = system;
    const deadline = raisedAt + RULES.rulingWindowSeconds;
    const settle = () => aria.connect(stranger).settleByDefault(disputeId);
    await refused(at(deadline, settle), aria, "RulingWindowNotOver", deadline + 1n, deadline);

    const [paid, refunded] = [rules.payment(800n, der.price), refundOf(system, 800n)];
    const sent = await expectMoves(system, () => at(deadline + 1n, settle), {
      escrow: -paid - refunded - BOND,
      ders: [paid + refunded + BOND],
    });
    await expect(sent).to.emit(aria, "DisputeDefaulted").withArgs(disputeId, der.account, paid, refunded);
    const states = [DisputeStatus.Open, DisputeStatus.Defaulted];
    await refused(settle(), aria, "WrongDisputeStatus", disputeId, ...states);
    await refused(rule(system, 800n, Fault.None), aria, "WrongDisputeStatus", disputeId, ...states);
    const { request } = system;
    await refused(
      raise(system, der, request, request.firstEpoch, 1_800n),
      aria,
      "AlreadyDisputed",
      disputeId,
    );
  });

  it("is paid what was delivered when nothing was swept, without any penalty to give back", async function () {
    const system = await deploy({ derCount: 1, bonds: 1n });
    const der = derAt(system, 0);
    const request = await orderAndRequest(system, [rowOf(der, [2_000n])]);
    await at(sweepWindow(system, request).closes + 1n, () =>
      raise(system, der, request, request.firstEpoch, 1_700n),
    );
    const disputeId = disputeIdOf(der, request.firstEpoch);
    const { raisedAt } = await system.aria.disputeOf(disputeId);
    const paid = rules.payment(1_700n, der.price);
    await expectMoves(
      system,
      () => at(raisedAt + RULES.rulingWindowSeconds + 1n, () => system.aria.settleByDefault(disputeId)),
      { escrow: -paid - BOND, ders: [paid + BOND] },
    );
    await expectMoves(system, () => system.aria.releaseEscrow([1]), {
      operator: request.escrow - paid,
      escrow: paid - request.escrow,
    });
  });

  it("leaves enough in escrow for all others, and nothing behind, when everybody disputes everything", async function () {
    const rules_ = { feeBps: 10_000n, penaltyBps: 10_000n };
    const system = await deploy({ derCount: 5, bonds: 10n, rules: rules_ });
    const rows = system.ders.map((der, i) => rowOf(der, [1_777n, 1_501n + BigInt(i), 1_999n]));
    const request = await orderAndRequest(system, rows);
    await sweep(
      system,
      request,
      rows.map(({ energyWh }) => energyWh.map((wh) => wh - 1n)),
    );
    const disputeIds: bigint[] = [];
    for (const der of system.ders) {
      for (const offset of [0n, 1n, 2n]) {
        await raise(system, der, request, request.firstEpoch + offset, 2_000n);
        disputeIds.push(disputeIdOf(der, request.firstEpoch + offset));
      }
    }
    const { raisedAt } = await system.aria.disputeOf(disputeIds.at(-1)!);
    await at(raisedAt + RULES.rulingWindowSeconds + 1n, () => system.aria.settleByDefault(disputeIds[0]!));
    for (const disputeId of disputeIds.slice(1)) await system.aria.settleByDefault(disputeId);
    const gains = await Promise.all(
      system.ders.map(
        async ({ account, deposit }) => (await system.vault.balanceOf(account)) - deposit - 10n * BOND,
      ),
    );
    gains.forEach((gain, i) => {
      const worth = rules.payment(sumOf(rows[i]!.energyWh), rows[i]!.price);
      expect(worth - gain, "rounded down, each of at most six times").to.be.within(0n, 6n);
    });
    await system.aria.releaseEscrow([1]);
    expect(await system.vault.balanceOf(system.accounts.escrow)).to.equal(0n);
  });
});
