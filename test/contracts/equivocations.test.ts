import { expect } from "chai";
import { concat, id, keccak256, TypedDataEncoder, Wallet } from "ethers";

import {
  blockstamp,
  disputeIdOf,
  domainOf,
  FLOW_STATEMENT,
  flowLeaf,
  flowTree,
  type FlowStatement,
  raise,
  rowProof,
  signed,
  statementOf,
} from "./claims.ts";
import {
  at,
  commission,
  deploy,
  type Der,
  derAt,
  DisputeStatus,
  expectMoves,
  Fault,
  loadFixture,
  refused,
  RULES,
  startOf,
  type System,
  toNextEpoch,
} from "./fixture.ts";
import { orderAndRequest, type Request, rowOf, sweep } from "./settling.ts";

const BOND = RULES.disputeBond;

interface Case extends System {
  der: Der;
  other: Der;
  request: Request;
  epoch: bigint;
  /** the Aggregator's wallet, which signs about its own meters */
  wallet: Wallet;
}

/** Two DERs, each swept 1,000 of 2,000 Wh short in one epoch; the Aggregator's meter says 1,900 of the first. */
async function short(): Promise<Case> {
  const wallet = new Wallet(id("the Aggregator's wallet"));
  const system = await deploy({ derCount: 2, bonds: 1n, aggregator: wallet });
  const [der, other] = [derAt(system, 0), derAt(system, 1)];
  const request = await orderAndRequest(system, [rowOf(der, [2_000n]), rowOf(other, [2_000n])]);
  const { root } = flowTree([flowLeaf(der, request.firstEpoch, 1_900n)]);
  await sweep(system, request, [[1_000n], [1_000n]], root);
  return { ...system, der, other, request, epoch: request.firstEpoch, wallet };
}

/** The same, and the first DER has claimed 1,000 Wh. */
async function claimed(): Promise<Case> {
  const system = await short();
  await raise(system, system.der, system.request, system.epoch, 2_000n);
  return system;
}

interface Pair {
  account?: bigint;
  first?: Partial<FlowStatement>;
  second?: Partial<FlowStatement>;
  signers?: [Wallet, Wallet];
}

/** Two statements about the first DER's epoch, of 2,000 and 1,500 Wh unless a test says otherwise. */
async function pair(system: Case, { first, second, signers }: Pair = {}) {
  const { der, epoch } = system;
  const statements = [
    { ...(await statementOf(der, epoch, 2_000n)), ...first },
    { ...(await statementOf(der, epoch, 1_500n)), ...second },
  ] as const;
  const [one, another] = signers ?? [der.meter, der.meter];
  const signatures = [
    await signed(system, statements[0], one),
    await signed(system, statements[1], another),
  ] as const;
  const domain = await domainOf(system);
  const digests = statements.map((each) => TypedDataEncoder.hash(domain, FLOW_STATEMENT, { ...each }));
  return { statements, signatures, digests };
}

/** Shows two statements to ARIA, as anybody can. */
async function prove(system: Case, change: Pair = {}) {
  const { statements, signatures } = await pair(system, change);
  const account = change.account ?? system.der.account;
  return await system.aria
    .connect(system.stranger)
    .proveEquivocation(account, statements[0], signatures[0], statements[1], signatures[1]);
}

describe("A DER's meter that signed two statements about one epoch", function () {
  it("ends an open dispute as ruled against the DER, with the bond forfeited", async function () {
    const system = await loadFixture(claimed);
    const { aria, stranger, der, epoch } = system;
    const disputeId = disputeIdOf(der, epoch);
    const { statements, signatures, digests } = await pair(system);
    const send = () =>
      aria
        .connect(stranger)
        .proveEquivocation(der.account, statements[0], signatures[0], statements[1], signatures[1]);
    const sent = await expectMoves(system, send, { aggregator: BOND, escrow: -BOND });
    await expect(sent)
      .to.emit(aria, "EquivocationProven")
      .withArgs(disputeId, der.account, der.meter.address, digests[0], digests[1], 0n);
    await expect(sent)
      .to.emit(aria, "DisputeResolved")
      .withArgs(disputeId, der.account, 0n, Fault.DER, keccak256(concat(digests)), 0n, 0n, 0n);
    expect((await aria.disputeOf(disputeId)).status).to.equal(DisputeStatus.Ruled);
    expect((await aria.requestOf(1)).openDisputes).to.equal(0n);
  });

  it("ends it also when the time to rule on it is over", async function () {
    const system = await loadFixture(claimed);
    const { raisedAt } = await system.aria.disputeOf(disputeIdOf(system.der, system.epoch));
    const late = raisedAt + RULES.rulingWindowSeconds + 1n;
    await expectMoves(system, () => at(late, () => prove(system)), { aggregator: BOND, escrow: -BOND });
  });

  it("bars a dispute that was not raised yet, of that DER and epoch alone", async function () {
    const system = await loadFixture(short);
    const { aria, der, other, request, epoch } = system;
    const disputeId = disputeIdOf(der, epoch);
    const sent = await expectMoves(system, () => prove(system), {});
    await expect(sent).to.emit(aria, "EquivocationProven").and.not.to.emit(aria, "DisputeResolved");
    const record = [DisputeStatus.Barred, 0n, 0n, 0n, 0n, 0n, 0n];
    expect([...(await aria.disputeOf(disputeId))]).to.deep.equal(record);
    await refused(raise(system, der, request, epoch, 2_000n), aria, "AlreadyDisputed", disputeId);
    await raise(system, other, request, epoch, 2_000n);
  });

  it("changes nothing about a dispute that is over, nor twice", async function () {
    const system = await loadFixture(claimed);
    const { aria, operator, der, epoch } = system;
    const disputeId = disputeIdOf(der, epoch);
    const over = (status: bigint) => [disputeId, DisputeStatus.Open, status];
    await aria.connect(operator).resolveDispute(disputeId, 1_000n, Fault.None, id("evidence"));
    await refused(prove(system), aria, "WrongDisputeStatus", ...over(DisputeStatus.Ruled));

    const unheard = await loadFixture(claimed);
    const { raisedAt } = await aria.disputeOf(disputeId);
    await at(raisedAt + RULES.rulingWindowSeconds + 1n, () => aria.settleByDefault(disputeId));
    await refused(prove(unheard), aria, "WrongDisputeStatus", ...over(DisputeStatus.Defaulted));

    const barred = await loadFixture(short);
    await prove(barred);
    const states = [DisputeStatus.Open, DisputeStatus.Barred];
    const barredId = disputeIdOf(barred.der, barred.epoch);
    await refused(prove(barred), aria, "WrongDisputeStatus", barredId, ...states);
  });

  it("is the one commissioned for that epoch", async function () {
    const system = await loadFixture(short);
    const { aria, der } = system;
    const successor = new Wallet(id("the meter that comes after"));
    await commission(system, [{ ...der, meter: successor }]);
    const later = (await toNextEpoch(system)) + 1n;
    const change = { first: { epoch: later }, second: { epoch: later } };
    const names = [der.meter.address, successor.address];
    await toNextEpoch(system);
    await toNextEpoch(system);
    await refused(prove(system, change), aria, "WrongMeter", ...names.toReversed());
    const signers: [Wallet, Wallet] = [successor, successor];
    await refused(prove(system, { signers }), aria, "WrongMeter", ...names);
    await prove(system, { ...change, signers });
    await prove(system);
  });
});

describe("An Aggregator that signed two statements about its own meter at a DER", function () {
  it("is fined in the Operator's favour, and no claim is touched", async function () {
    const system = await loadFixture(claimed);
    const { aria, der, epoch, wallet } = system;
    const fine = RULES.misreportFine;
    const { digests } = await pair(system);
    const sent = await expectMoves(system, () => prove(system, { signers: [wallet, wallet] }), {
      aggregator: -fine,
      operator: fine,
    });
    const disputeId = disputeIdOf(der, epoch);
    await expect(sent)
      .to.emit(aria, "EquivocationProven")
      .withArgs(disputeId, der.account, wallet.address, digests[0], digests[1], fine);
    expect((await aria.disputeOf(disputeId)).status).to.equal(DisputeStatus.Open);
  });

  it("is fined once for an account and epoch, whatever it is fined for", async function () {
    const system = await loadFixture(short);
    const { aria, operator, der, request, epoch, wallet } = system;
    const signers: [Wallet, Wallet] = [wallet, wallet];
    await prove(system, { signers });
    const disputeId = disputeIdOf(der, epoch);
    await refused(prove(system, { signers }), aria, "AlreadyFined", disputeId);
    const leaf = flowLeaf(der, epoch, 1_900n);
    const contradiction = aria.proveContradiction(rowProof(request, der), leaf, []);
    await refused(contradiction, aria, "AlreadyFined", disputeId);
    await raise(system, der, request, epoch, 2_000n);
    await expect(aria.connect(operator).resolveDispute(disputeId, 1_000n, Fault.Aggregator, id("evidence")))
      .to.emit(aria, "DisputeResolved")
      .withArgs(disputeId, der.account, 1_000n, Fault.Aggregator, id("evidence"), anyAmount, anyAmount, 0n);
  });

  it("cannot use up its fines while its bond is not posted", async function () {
    const system = await loadFixture(short);
    const { aria, aggregator, request, wallet } = system;
    const { sweptAt } = await aria.requestOf(request.requestId);
    await at(sweptAt + RULES.disputeWindowSeconds + 1n, () => aria.releaseEscrow([request.requestId]));
    await aria.connect(aggregator).releaseBond();
    const signers: [Wallet, Wallet] = [wallet, wallet];
    await refused(prove(system, { signers }), aria, "BondTooLow", RULES.aggregatorBond, 0n);
    await aria.connect(aggregator).postBond();
    const fine = RULES.misreportFine;
    await expectMoves(system, () => prove(system, { signers }), { aggregator: -fine, operator: fine });
  });
});

describe("Two statements", function () {
  it("are of an epoch that is over: nobody bars disputes, or uses up fines, of epochs to come", async function () {
    const system = await loadFixture(short);
    const { aria, der, wallet } = system;
    const epoch = await toNextEpoch(system);
    const change = { first: { epoch }, second: { epoch } };
    const end = startOf(system, epoch + 1n);
    for (const signer of [der.meter, wallet]) {
      const { statements, signatures } = await pair(system, { ...change, signers: [signer, signer] });
      const send = () =>
        aria.proveEquivocation(der.account, statements[0], signatures[0], statements[1], signatures[1]);
      await refused(at(end - 1n, send), aria, "EpochNotOver", end, end - 1n);
    }
    const last = 2n ** 32n - 1n;
    await refused(
      prove(system, { first: { epoch: last }, second: { epoch: last } }),
      aria,
      "EpochNotOver",
      startOf(system, last + 1n),
      anyAmount,
    );
    await at(end, () => prove(system, change));
  });

  it("say two things about one DER and epoch, or prove nothing", async function () {
    const system = await loadFixture(short);
    const { aria, der, other, epoch } = system;
    const { number: firstBlock, hash: firstBlockHash } = await blockstamp(1);
    const same = { first: { energyWh: 7n, firstBlock, firstBlockHash } };
    const { digests } = await pair(system, { ...same, second: same.first });
    await refused(prove(system, { ...same, second: same.first }), aria, "StatementsAgree", digests[0]);
    const about = [der.signer.address, epoch];
    const elsewhere = prove(system, { second: { der: other.signer.address } });
    await refused(elsewhere, aria, "StatementsDiffer", ...about, other.signer.address, epoch);
    const later = prove(system, { second: { epoch: epoch + 1n } });
    await refused(later, aria, "StatementsDiffer", ...about, der.signer.address, epoch + 1n);
    const foreign = prove(system, { account: other.account });
    await refused(foreign, aria, "StatementOfAnother", other.account, der.account);
    // The same figure over other readings is another statement.
    await prove(system, { first: { readingsRoot: id("other readings") }, second: { energyWh: 2_000n } });
  });

  it("are signed by one signer, who is the DER's meter or the Aggregator", async function () {
    const system = await loadFixture(short);
    const { aria, der, other, wallet } = system;
    const two = prove(system, { signers: [der.meter, wallet] });
    await refused(two, aria, "SignersDiffer", der.meter.address, wallet.address);
    const signers: [Wallet, Wallet] = [other.meter, other.meter];
    await refused(prove(system, { signers }), aria, "WrongMeter", der.meter.address, other.meter.address);
  });
});

/** Money that a test is not about. */
function anyAmount(amount: bigint): boolean {
  return amount >= 0n;
}
