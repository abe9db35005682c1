import { expect } from "chai";
import { id } from "ethers";

import { disputeIdOf, flowLeaf, flowTree, type FlowLeaf, raise, rowProof } from "./claims.ts";
import {
  at,
  deploy,
  type Der,
  derAt,
  expectMoves,
  Fault,
  loadFixture,
  refused,
  RequestStatus,
  RULES,
  type System,
  UNIT,
} from "./fixture.ts";
import {
  orderAndRequest,
  orderBaseline,
  type Request,
  requestFlow,
  rowOf,
  sendRequest,
  sweep,
  sweepWindow,
} from "./settling.ts";

interface Committed extends System {
  request: Request;
  leaves: FlowLeaf[];
  proofs: string[][];
}

/** Swept: 1,000, 2,000 and 2,000 of 2,000 Wh. The Aggregator's own meters say 1,500, 1,900 and 2,500. */
async function committed(rules: Partial<typeof RULES> = {}): Promise<Committed> {
  const system = await deploy({ derCount: 3, bonds: 1n, rules });
  const request = await orderAndRequest(
    system,
    system.ders.map((der) => rowOf(der, [2_000n])),
  );
  const figures = [1_500n, 1_900n, 2_500n];
  const leaves = system.ders.map((der, i) => flowLeaf(der, request.firstEpoch, figures[i]!));
  const { root, proofs } = flowTree(leaves);
  await sweep(system, request, [[1_000n], [0n], [0n]], root);
  return { ...system, request, leaves, proofs };
}

async function asAgreed(): Promise<Committed> {
  return committed();
}

function prove({ aria, stranger, request, leaves, proofs, ...system }: Committed, index: number) {
  const row = rowProof(request, derAt({ aria, stranger, ...system }, index));
  return aria.connect(stranger).proveContradiction(row, leaves[index]!, proofs[index]!);
}

describe("A contradiction of the Aggregator with itself", function () {
  it("is fined in the Operator's favour when a DER was swept too low", async function () {
    const system = await loadFixture(asAgreed);
    const { aria, request } = system;
    const der = derAt(system, 0);
    const sent = await expectMoves(system, () => prove(system, 0), {
      aggregator: -RULES.misreportFine,
      operator: RULES.misreportFine,
    });
    await expect(sent)
      .to.emit(aria, "ContradictionProven")
      .withArgs(disputeIdOf(der, request.firstEpoch), der.account, 1_000n, 1_500n, RULES.misreportFine);
  });

  it("is fined as well when a DER was swept too high", async function () {
    const system = await loadFixture(asAgreed);
    await expectMoves(system, () => prove(system, 1), {
      aggregator: -RULES.misreportFine,
      operator: RULES.misreportFine,
    });
  });

  it("is none when more was delivered than asked, and swept as delivered", async function () {
    const system = await loadFixture(asAgreed);
    await refused(prove(system, 2), system.aria, "NoContradiction", 2_000n);
  });

  it("is proven once", async function () {
    const system = await loadFixture(asAgreed);
    await prove(system, 0);
    const disputeId = disputeIdOf(derAt(system, 0), system.request.firstEpoch);
    await refused(prove(system, 0), system.aria, "AlreadyFined", disputeId);
  });

  it("is proven with a leaf that was committed to", async function () {
    const system = await loadFixture(asAgreed);
    const { aria, request, leaves, proofs } = system;
    const root = request.sweep!.flowRoot;
    const row = rowProof(request, derAt(system, 0));
    for (const changed of [{ energyWh: 1_501n }, { salt: id("another") }, { readingsRoot: id("others") }]) {
      const call = aria.proveContradiction(row, { ...leaves[0]!, ...changed }, proofs[0]!);
      await refused(call, aria, "NotCommitted", root);
    }
    await refused(aria.proveContradiction(row, leaves[0]!, proofs[1]!), aria, "NotCommitted", root);
  });

  it("is about the row of the same DER and epoch", async function () {
    const system = await loadFixture(asAgreed);
    const { aria, request, leaves, proofs } = system;
    const [der, other] = [derAt(system, 0), derAt(system, 1)];
    const foreign = aria.proveContradiction(rowProof(request, other), leaves[0]!, proofs[0]!);
    await refused(foreign, aria, "RowOfAnother", der.account, other.account);
    const later = { ...leaves[0]!, epoch: request.firstEpoch + 1n };
    const outside = aria.proveContradiction(rowProof(request, der), later, proofs[0]!);
    const epochs = [request.firstEpoch, request.firstEpoch + 1n];
    await refused(outside, aria, "EpochNotRequested", request.firstEpoch + 1n, ...epochs);
    const row = { ...rowProof(request, der), flowRoot: id("another commitment") };
    const call = aria.proveContradiction(row, leaves[0]!, proofs[0]!);
    await expect(call).to.be.revertedWithCustomError(aria, "SettlementMismatch");
  });

  it("can be proven of what was swept only, for as long as anybody likes", async function () {
    const system = await loadFixture(asAgreed);
    const { aria, request, leaves, proofs } = system;
    const row = rowProof(request, derAt(system, 0));
    const unknown = aria.proveContradiction({ ...row, requestId: 9n }, leaves[0]!, proofs[0]!);
    await refused(unknown, aria, "WrongRequestStatus", 9n, RequestStatus.Swept, RequestStatus.None);
    const { sweptAt } = await aria.requestOf(1);
    await at(sweptAt + RULES.disputeWindowSeconds + 1n, () => aria.releaseEscrow([1]));
    await expectMoves(system, () => prove(system, 0), {
      aggregator: -RULES.misreportFine,
      operator: RULES.misreportFine,
    });
  });

  it("cannot be made of a request that was never swept", async function () {
    const system = await deploy({ derCount: 2 });
    const { aria } = system;
    const der = derAt(system, 0);
    const request = await orderAndRequest(
      system,
      system.ders.map((each) => rowOf(each, [2_000n])),
    );
    const leaf = flowLeaf(der, request.firstEpoch, 1_500n);
    const { root, proofs } = flowTree([leaf]);
    const made: Request = {
      ...request,
      sweep: { shortfallsWh: [[0n], [0n]], penalties: [0n, 0n], flowRoot: root },
    };
    const send = () => aria.proveContradiction(rowProof(made, der), leaf, proofs[0]!);
    await refused(send(), aria, "WrongRequestStatus", 1n, RequestStatus.Swept, RequestStatus.Requested);
    const { closes } = sweepWindow(system, request);
    await at(closes + RULES.disputeWindowSeconds + 2n, () => aria.releaseEscrow([1]));
    await expect(send()).to.be.revertedWithCustomError(aria, "SettlementMismatch");
  });
});

describe("The Aggregator's bond", function () {
  /** Two fines of 8 million leave 4 of the bond's 20, and the fees of the sweep. */
  async function finedTwice(): Promise<Committed> {
    const system = await committed();
    await prove(system, 0);
    await prove(system, 1);
    return system;
  }

  /** A fine as large as the bond leaves nothing of it but the fees of the sweep. */
  async function finedInFull(): Promise<Committed> {
    const system = await committed({ misreportFine: RULES.aggregatorBond });
    await prove(system, 1);
    return system;
  }

  it("pays fines as far as it stands, and no further", async function () {
    const system = await loadFixture(finedInFull);
    const left = await system.vault.balanceOf(system.accounts.aggregator);
    expect(left).to.be.greaterThan(0n).and.lessThan(RULES.aggregatorBond);
    expect(await fineOfRuling(system)).to.equal(left);
    expect(await system.vault.balanceOf(system.accounts.aggregator)).to.equal(0n);
  });

  it("is cut once for an account and epoch: by a proof, or by a ruling", async function () {
    const proven = await loadFixture(finedTwice);
    expect(await fineOfRuling(proven), "proven, then ruled").to.equal(0n);
    const ruled = await loadFixture(asAgreed);
    expect(await fineOfRuling(ruled)).to.equal(RULES.misreportFine);
    const disputeId = disputeIdOf(derAt(ruled, 0), ruled.request.firstEpoch);
    await refused(prove(ruled, 0), ruled.aria, "AlreadyFined", disputeId);
  });

  it("pays no fine once it is released, and owes it again when it is posted", async function () {
    const system = await loadFixture(asAgreed);
    const { aria, aggregator, request } = system;
    const { sweptAt } = await aria.requestOf(request.requestId);
    await at(sweptAt + RULES.disputeWindowSeconds + 1n, () => aria.releaseEscrow([request.requestId]));
    await aria.connect(aggregator).releaseBond();
    await refused(prove(system, 0), aria, "BondTooLow", RULES.aggregatorBond, 0n);
    await aria.connect(aggregator).postBond();
    const fine = RULES.misreportFine;
    await expectMoves(system, () => prove(system, 0), { aggregator: -fine, operator: fine });
  });

  /** What the Aggregator is fined when DER 0 disputes its sweep and is found right. */
  async function fineOfRuling(system: Committed): Promise<bigint> {
    const { aria, operator, request } = system;
    const der: Der = derAt(system, 0);
    await raise(system, der, request, request.firstEpoch, 1_500n);
    const disputeId = disputeIdOf(der, request.firstEpoch);
    await aria.connect(operator).resolveDispute(disputeId, 500n, Fault.Aggregator, id("evidence"));
    const [event] = await aria.queryFilter(aria.filters.DisputeResolved);
    return event!.args.fine;
  }

  it("must stand in full before anything more is requested", async function () {
    const system = await loadFixture(finedTwice);
    const { aria, vault, accounts, aggregator } = system;
    const balance = await vault.balanceOf(accounts.aggregator);
    const first = (await aria.currentEpoch()) + 2n;
    const order = await orderBaseline(system, first, [2_000n]);
    const rows = [rowOf(derAt(system, 0), [2_000n])];
    const error = [RULES.aggregatorBond, balance];
    await refused(sendRequest(system, order, first, rows), aria, "BondTooLow", ...error);
    const missing = RULES.aggregatorBond - balance;
    await vault.deposit(aggregator, missing, { value: missing * UNIT });
    await requestFlow(system, order, first, rows);
  });
});
