import { expect } from "chai";
import { concat, id, toBeHex, ZeroHash } from "ethers";

import * as rules from "../../agents/settlement/rules.ts";
import { commitmentOf } from "../../agents/settlement/tree.ts";
import { type Claim, disputeIdOf, flowLeaf, raise, rowProof, signed, statementOf } from "./claims.ts";
import {
  at,
  derAt,
  deploy,
  DisputeStatus,
  expectMoves,
  loadFixture,
  refused,
  RequestStatus,
  RULES,
  type System,
  toEpoch,
  UNIT,
} from "./fixture.ts";
import { orderAndRequest, type Request, rowOf, sweep, sweepWindow } from "./settling.ts";

/** Three DERs with money for bonds; a request of three epochs, 2,000 Wh each, swept 1,000 Wh short for the first DER. */
async function swept(): Promise<System & { request: Request; epoch: bigint }> {
  const system = await deploy({ derCount: 3, bonds: 10n });
  const rows = system.ders.map((der) => rowOf(der, [2_000n, 2_000n, 2_000n]));
  const request = await orderAndRequest(system, rows);
  await sweep(system, request, [
    [0n, 1_000n, 50n],
    [0n, 0n, 0n],
    [0n, 0n, 0n],
  ]);
  return { ...system, request, epoch: request.firstEpoch + 1n };
}

/** The same request, never swept. */
async function unswept(): Promise<System & { request: Request; epoch: bigint }> {
  const system = await deploy({ derCount: 3, bonds: 2n });
  const rows = system.ders.map((der) => rowOf(der, [2_000n, 2_000n, 2_000n]));
  const request = await orderAndRequest(system, rows);
  return { ...system, request, epoch: request.firstEpoch + 1n };
}

describe("A dispute", function () {
  it("claims what was not credited, against a bond that moves to ARIA", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const { aria } = system;
    const der = derAt(system, 0);
    const statement = await statementOf(der, epoch, 1_800n);
    const signature = await signed(system, statement, der.meter);
    const send = () =>
      aria.connect(der.signer).raiseDisputeEvent(statement, signature, rowProof(request, der));
    const sent = await expectMoves(system, send, { escrow: RULES.disputeBond, ders: [-RULES.disputeBond] });
    const disputeId = disputeIdOf(der, epoch);
    await expect(sent)
      .to.emit(aria, "DisputeRaised")
      .withArgs(disputeId, der.account, 1n, 800n, Object.values(statement), signature, true);

    const raisedAt = BigInt((await sent.getBlock())!.timestamp);
    const penalty = rules.penalty(900n, der.price, RULES.penaltyBps);
    const record = [DisputeStatus.Open, 1n, der.price, 800n, 900n, penalty, raisedAt];
    expect([...(await aria.disputeOf(disputeId))]).to.deep.equal(record);
    expect((await aria.requestOf(1)).openDisputes).to.equal(1n);
  });

  it("claims no more than was requested, whatever was delivered", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const der = derAt(system, 0);
    await raise(system, der, request, epoch, 2n ** 63n);
    expect((await system.aria.disputeOf(disputeIdOf(der, epoch))).claimWh).to.equal(1_000n);
  });

  it("is about more than the tolerance between two meters", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const { aria } = system;
    const [der, other] = [derAt(system, 0), derAt(system, 1)];
    // 2 % of 1,020 Wh is 20 Wh, and 2 % of 1,021 Wh as well.
    const error = "ClaimWithinTolerance";
    await refused(raise(system, der, request, epoch, 1_020n), aria, error, 21n, 20n);
    await refused(raise(system, der, request, epoch, 900n), aria, error, 19n, 0n);
    await refused(raise(system, other, request, epoch, 2_500n), aria, error, 41n, 0n);
    // 50 Wh short of 2,000 is within the tolerance of a delivery, yet not within that of a meter.
    await refused(raise(system, der, request, epoch + 1n, 1_989n), aria, error, 40n, 39n);
    await raise(system, der, request, epoch + 1n, 1_990n);
    await raise(system, der, request, epoch, 1_021n);
  });

  it("tolerates 10 Wh however little it is about", async function () {
    const system = await deploy({ derCount: 1, bonds: 2n });
    const der = derAt(system, 0);
    const request = await orderAndRequest(system, [rowOf(der, [30n, 30n])]);
    await sweep(system, request, [[30n, 30n]]);
    const call = raise(system, der, request, request.firstEpoch, 10n);
    await refused(call, system.aria, "ClaimWithinTolerance", 11n, 10n);
    await raise(system, der, request, request.firstEpoch, 11n);
  });

  it("is raised from the sweep to the last second of the dispute window", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const der = derAt(system, 0);
    const closes = (await system.aria.requestOf(1)).sweptAt + RULES.disputeWindowSeconds;
    const send = () => raise(system, der, request, epoch, 2_000n);
    await refused(at(closes + 1n, send), system.aria, "DisputeWindowOver", closes, closes + 1n);
    const again = await loadFixture(swept);
    await at(closes, () => raise(again, der, request, epoch, 2_000n));
  });

  it("counts a request not swept in time as reported at zero, and waits for that", async function () {
    const { request, epoch, ...system } = await loadFixture(unswept);
    const { aria } = system;
    const der = derAt(system, 0);
    const opens = sweepWindow(system, request).closes + 1n;
    const send = () => raise(system, der, request, epoch, 1_500n);
    await refused(at(opens - 1n, send), aria, "DisputeWindowNotOpen", opens, opens - 1n);
    await at(opens, send);
    const { claimWh, penalisedWh, penalty } = await aria.disputeOf(disputeIdOf(der, epoch));
    expect([claimWh, penalisedWh, penalty]).to.deep.equal([1_500n, 0n, 0n]);
    const closes = opens + RULES.disputeWindowSeconds;
    await at(closes, () => raise(system, der, request, epoch + 1n, 1_500n));
    const late = at(closes + 1n, () => raise(system, derAt(system, 1), request, epoch, 1_500n));
    await refused(late, aria, "DisputeWindowOver", closes, closes + 1n);
  });

  it("is raised once for each DER and epoch, ever (I4)", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const { aria, operator } = system;
    const der = derAt(system, 0);
    const disputeId = disputeIdOf(der, epoch);
    const send = () => raise(system, der, request, epoch, 2_000n);
    await send();
    await refused(send(), aria, "AlreadyDisputed", disputeId);
    await aria.connect(operator).resolveDispute(disputeId, 0n, 0n, id("evidence"));
    await refused(send(), aria, "AlreadyDisputed", disputeId);
    await raise(system, der, request, epoch + 1n, 2_000n);
  });

  it("is about a request that there is, and that is not released", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const { aria } = system;
    const der = derAt(system, 0);
    const unknown = raise(system, der, request, epoch, 2_000n, { row: { requestId: 9n } });
    await refused(unknown, aria, "WrongRequestStatus", 9n, RequestStatus.Swept, RequestStatus.None);
    const { sweptAt } = await aria.requestOf(1);
    await at(sweptAt + RULES.disputeWindowSeconds + 1n, () => aria.releaseEscrow([1]));
    const late = raise(system, der, request, epoch, 2_000n);
    await refused(late, aria, "WrongRequestStatus", 1n, RequestStatus.Swept, RequestStatus.Released);
  });

  it("is raised by the DER itself, about an epoch requested of it", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const { aria } = system;
    const [der, other] = [derAt(system, 0), derAt(system, 1)];
    const forged = raise(system, { ...der, signer: other.signer }, request, epoch, 2_000n, {
      statement: { der: der.signer.address },
    });
    await refused(forged, aria, "NotTheDER", der.signer.address, other.signer.address);
    const row = rowProof(request, other);
    const foreign = raise(system, der, request, epoch, 2_000n, { row });
    await refused(foreign, aria, "RowOfAnother", der.account, other.account);
    for (const outside of [request.firstEpoch - 1n, request.firstEpoch + 3n]) {
      const call = raise(system, der, request, outside, 2_000n);
      await refused(call, aria, "EpochNotRequested", outside, request.firstEpoch, request.firstEpoch + 3n);
    }
    await refused(
      raise(system, { ...der, signer: system.stranger }, request, epoch, 2_000n),
      aria,
      "RowOfAnother",
      0n,
      der.account,
    );
  });

  it("takes its bond from what is free in the DER's account, and leaves the deposit alone", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const { vault, aria } = system;
    const der = derAt(system, 0);
    const rest = (await vault.freeOf(der.signer)) - RULES.disputeBond + 1n;
    await vault.connect(der.signer).withdraw(rest, der.signer);
    const send = () => raise(system, der, request, epoch, 2_000n);
    const args = [RULES.disputeBond, RULES.disputeBond - 1n];
    await refused(send(), aria, "DisputeBondNotFree", ...args);
    await vault.deposit(der.signer, 1n, { value: UNIT });
    await send();
    expect(await vault.balanceOf(der.account)).to.equal(der.deposit);
    const another = raise(system, der, request, epoch + 1n, 2_000n);
    await refused(another, aria, "DisputeBondNotFree", RULES.disputeBond, 0n);
  });

  it("takes it from any of the money of a DER that has left", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const { vault, aria } = system;
    const der = derAt(system, 0);
    await aria.connect(der.signer).leave();
    await toEpoch(system, epoch + 12n);
    await aria.connect(der.signer).close();
    const rest = (await vault.freeOf(der.signer)) - RULES.disputeBond;
    await vault.connect(der.signer).withdraw(rest, der.signer);
    await raise(system, der, request, epoch, 2_000n);
    expect(await vault.balanceOf(der.account)).to.equal(0n);
  });

  it("waits until a deposit that a penalty was taken from is whole again", async function () {
    const system = await deploy({ derCount: 1, rules: { penaltyBps: 60_000n } });
    const { vault, aria } = system;
    const der = derAt(system, 0);
    const request = await orderAndRequest(system, [rowOf(der, [2_000n])]);
    await sweep(system, request, [[2_000n]]);
    const missing = der.deposit - (await vault.balanceOf(der.account)) + RULES.disputeBond;
    await vault.deposit(der.signer, missing - 1n, { value: (missing - 1n) * UNIT });
    const send = () => raise(system, der, request, request.firstEpoch, 2_000n);
    const args = [RULES.disputeBond, RULES.disputeBond - 1n];
    await refused(send(), aria, "DisputeBondNotFree", ...args);
    await vault.deposit(der.signer, 1n, { value: UNIT });
    await send();
  });
});

describe("The proof of what was settled", function () {
  it("is of what ARIA has stored, to the last byte", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const { aria } = system;
    const der = derAt(system, 0);
    const row = rowProof(request, der);
    const flip = (bytes: string) => concat([bytes.slice(0, -2), toBeHex(Number(`0x${bytes.slice(-2)}`) ^ 1)]);
    for (const changed of [
      { requests: flip(row.requests) },
      { shortfalls: flip(row.shortfalls) },
      { penalties: flip(row.penalties) },
      { flowRoot: id("another root") },
      { proof: [id("a node too many")] },
    ]) {
      const call = raise(system, der, request, epoch, 2_000n, { row: changed });
      await expect(call).to.be.revertedWithCustomError(aria, "SettlementMismatch");
    }
    const unsweptProof = rowProof({ ...request, sweep: undefined } as unknown as Request, der);
    const bare = raise(system, der, request, epoch, 2_000n, { row: unsweptProof });
    await refused(bare, aria, "MalformedBytes", 36n, 0n);
  });

  it("names what is stored and what it leads to itself", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const wrong = structuredClone(request);
    wrong.sweep!.shortfallsWh[0]![1] = 2_000n;
    const call = raise(system, derAt(system, 0), wrong, epoch, 2_000n);
    const args = [commitmentOf(request), commitmentOf(wrong)];
    await refused(call, system.aria, "SettlementMismatch", ...args);
    const { request: open, ...other } = await loadFixture(unswept);
    const [der] = [derAt(other, 0)];
    const asked = structuredClone(open);
    asked.rows[0]!.energyWh[1] = 2_500n;
    const more = at(sweepWindow(other, open).closes + 1n, () =>
      raise(other, der, asked, open.firstEpoch + 1n, 2_500n),
    );
    await refused(more, other.aria, "SettlementMismatch", commitmentOf(open), commitmentOf(asked));
  });

  it("has whole rows, and the DER's among them", async function () {
    const { request, epoch, ...system } = await loadFixture(swept);
    const { aria } = system;
    const der = derAt(system, 0);
    const row = rowProof(request, der);
    const send = (changed: Claim["row"] & object) =>
      raise(system, der, request, epoch, 2_000n, { row: changed });
    await refused(send({ requests: row.requests.slice(0, -2) }), aria, "MalformedBytes", 24n, 71n);
    await refused(send({ requests: "0x" }), aria, "MalformedBytes", 24n, 0n);
    await refused(send({ rowInLeaf: 3 }), aria, "MalformedBytes", 24n, 72n);
    await refused(send({ shortfalls: row.shortfalls.slice(0, -2) }), aria, "MalformedBytes", 36n, 35n);
    await refused(send({ penalties: `${row.penalties}00` }), aria, "MalformedBytes", 24n, 25n);
  });

  it("is found for every row of pages of any shape", async function () {
    for (const [derCount, count] of [
      [20, 1],
      [20, 3],
      [7, 16],
      [3, 19],
    ] as const) {
      const system = await deploy({ derCount, bonds: 40n, criteria: { depositPerKw: 5_000_000n } });
      const rows = system.ders.map((der) => rowOf(der, Array<bigint>(count).fill(2_000n)));
      const request = await orderAndRequest(system, rows);
      await sweep(
        system,
        request,
        rows.map((_, i) => Array<bigint>(count).fill(BigInt(1_000 + i))),
      );
      for (const [i, der] of system.ders.entries()) {
        const epoch = request.firstEpoch + BigInt((5 * i) % count);
        await raise(system, der, request, epoch, 2_000n);
        const dispute = await system.aria.disputeOf(disputeIdOf(der, epoch));
        // 100 Wh of each shortfall are within the tolerance, and all epochs of the row are alike.
        expect([dispute.claimWh, dispute.penalisedWh]).to.deep.equal([BigInt(1_000 + i), BigInt(900 + i)]);
        expect(dispute.penalty).to.equal(request.sweep!.penalties[i]! / BigInt(count));
      }
      expect((await system.aria.requestOf(1)).openDisputes).to.equal(BigInt(derCount));
    }
  });
});

describe("Disputes, called directly and not through ARIA,", function () {
  it("does nothing for anyone", async function () {
    const { request, epoch, annex, ...system } = await loadFixture(swept);
    const der = derAt({ annex, ...system }, 0);
    const statement = await statementOf(der, epoch, 2_000n);
    const row = rowProof(request, der);
    const verifyingContract = await annex.getAddress();
    const signature = await signed({ annex, ...system }, statement, der.meter, { verifyingContract });
    const raising = annex.connect(der.signer).raiseDisputeEvent(statement, signature, row);
    await refused(raising, annex, "WrongRequestStatus", 1n, RequestStatus.Swept, RequestStatus.None);
    const disputeId = disputeIdOf(der, epoch);
    await raise({ annex, ...system }, der, request, epoch, 2_000n);
    const role = await annex.OPERATOR_ROLE();
    const args = [system.operator.address, role];
    const ruling = annex.connect(system.operator).resolveDispute(disputeId, 0n, 0n, id("evidence"));
    await refused(ruling, annex, "AccessControlUnauthorizedAccount", ...args);
    const states = [DisputeStatus.Open, DisputeStatus.None];
    await refused(annex.settleByDefault(disputeId), annex, "WrongDisputeStatus", disputeId, ...states);
    const contradiction = annex.proveContradiction(row, flowLeaf(der, epoch, 0n), []);
    await refused(contradiction, annex, "WrongRequestStatus", 1n, RequestStatus.Swept, RequestStatus.None);
  });

  it("gives its roles to nobody", async function () {
    const { annex, operator, owner } = await loadFixture(swept);
    const [role, admin] = [await annex.OPERATOR_ROLE(), ZeroHash];
    for (const caller of [operator, owner]) {
      const call = annex.connect(caller).grantRole(role, caller);
      await refused(call, annex, "AccessControlUnauthorizedAccount", caller.address, admin);
    }
  });
});
