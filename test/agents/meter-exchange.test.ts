import { expect } from "chai";
import { computeAddress, Wallet } from "ethers";

import type { Connection } from "../../agents/chain/connection.ts";
import { ChainFollower } from "../../agents/chain/follower.ts";
import type { Dispute } from "../../agents/chain/service-view.ts";
import { factsOf } from "../../agents/chain/witness.ts";
import { derEvidence } from "../../agents/der/evidence.ts";
import { readingsOf } from "../../agents/evidence/bundle.ts";
import { faultsIn } from "../../agents/evidence/checks.ts";
import { parseBundle } from "../../agents/evidence/format.ts";
import { sealingWith } from "../../agents/evidence/seal.ts";
import { signStatement } from "../../agents/evidence/statement.ts";
import { verifyBundle } from "../../agents/evidence/verify.ts";
import type { MeterSource } from "../../agents/metering/source.ts";
import type { Ruling } from "../../agents/operator/agent.ts";
import type { Log } from "../../agents/runtime/log.ts";
import { proofOf } from "../../agents/settlement/tree.ts";
import { openSqliteReader, openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { RULES } from "../../scripts/demo/terms.ts";
import {
  type Chain,
  Community,
  constant,
  EPOCH_SECONDS,
  FIRST_BLOCK_AT,
  LAST_BLOCK_AT,
  type Plant,
  startChain,
} from "./community-stage.ts";
import { statementOver } from "./forgery.ts";
import { Intermediary } from "./intermediary.ts";

const FULL_W = 7_200n;
const SHORT_W = 3_600n;
const STEP_SECONDS = EPOCH_SECONDS - LAST_BLOCK_AT;

/**
 * Two DERs are short-changed in every epoch. For both the Operator commissions a new meter in the second epoch, from the
 * third on. One changes over; the other goes on with the old one.
 */
describe("A meter that is replaced, with real contracts and agents", function () {
  this.timeout(180_000);

  let chain: Chain;
  let community: Community;
  let first: number;
  let [changing, stubborn]: Plant[] = [];
  let books: ChainFollower;
  let auditor: Connection;
  const toStubborn = new Intermediary();
  const newKeys = new Map<Plant, string>();
  const refused: string[] = [];

  before(async function () {
    chain = await startChain();
    first = Math.floor((await chain.clock.now()) / EPOCH_SECONDS) + 4;
    const plants = ["changing", "stubborn"].map(plantOf);
    [changing, stubborn] = plants;
    plants.forEach((plant, i) => newKeys.set(plant, developmentKey(300 + i)));
    community = new Community(chain, plants);
    auditor = await chain.link(developmentKey(9));
    books = new ChainFollower(auditor, openSqliteStore(":memory:"), 0);
    await community.start(6_000n, first, 6);
    await restart(stubborn!, community.meterKeyOf(stubborn!));
    toStubborn.standsFor(community.urlOf(addressOf(stubborn!)));
    community.reroute(addressOf(stubborn!), await toStubborn.listen());
    await commission();
    await community.play(first);
    await community.play(first + 1);
    await exchange();
    // The third epoch: both dispute the second with their old meters, then one changes over, and only then the Operator asks.
    await chain.clock.moveTo((first + 2) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await community.aggregator.advance();
    for (const plant of community.plants) await community.derOf(plant).advance();
    await restart(changing!, newKeys.get(changing!)!);
    await community.look();
    await chain.clock.moveTo((first + 2) * EPOCH_SECONDS + LAST_BLOCK_AT);
    // The fourth: the other tries to dispute the third with its old meter still; then it finds a way.
    await chain.clock.moveTo((first + 3) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await community.look();
    await disputeWithBothKeys(first + 2);
    await community.operator.advance();
    await chain.clock.moveTo((first + 3) * EPOCH_SECONDS + LAST_BLOCK_AT);
    await community.play(first + 4);
    await community.play(first + 5);
    await books.follow();
  });

  after(async function () {
    toStubborn.close();
    await community.close();
    auditor.close();
    await chain.close();
  });

  function plantOf(name: string, i: number): Plant {
    const short: MeterSource = {
      stepSeconds: STEP_SECONDS,
      powerW: (instant) => (instant + STEP_SECONDS < first * EPOCH_SECONDS ? FULL_W : SHORT_W),
    };
    const fed = constant(FULL_W);
    const price = 20_000n + BigInt(i);
    return { name, powerW: 10_000n, price, forecast: fed, fed, aggregatorSees: short };
  }

  function addressOf(plant: Plant): string {
    return community.addressOf(plant);
  }

  /** Starts a DER's agent anew, with this meter. */
  async function restart(plant: Plant, meterKey: string): Promise<void> {
    await community.derOf(plant).close();
    const log: Log = (event, fields) => {
      if (plant === stubborn && event === "refused") refused.push(String(fields?.["reason"]));
    };
    await community.startDer(plant, meterKey, log);
  }

  async function commission(): Promise<void> {
    await chain.clock.moveTo((first - 2) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    for (const plant of community.plants) await community.derOf(plant).advance();
    await community.operator.advance();
    await chain.clock.moveTo((first - 1) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await community.operator.advance();
    await community.aggregator.advance();
    await chain.clock.moveTo((first - 1) * EPOCH_SECONDS + LAST_BLOCK_AT);
  }

  /** The Operator commissions the new meters, from the next epoch on. */
  async function exchange(): Promise<void> {
    await books.follow();
    const commissionings = community.plants.map((plant) => ({
      der: addressOf(plant),
      meter: computeAddress(newKeys.get(plant)!),
    }));
    const aria = auditor.ariaAt(books.service.address).connect(community.operator.wallet);
    await (await aria.commission(commissionings)).wait();
  }

  function venue(): { chainId: bigint; aria: string } {
    return { chainId: auditor.chainId, aria: books.service.address };
  }

  /** The stubborn one signs with its new key for the contract, and with the old one for the Operator. */
  async function disputeWithBothKeys(epoch: number): Promise<void> {
    await books.follow();
    const plant = stubborn!;
    const [oldKey, newKey] = [community.meterKeyOf(plant), newKeys.get(plant)!].map((key) => new Wallet(key));
    const reader = openSqliteReader(community.storeFile(plant.name));
    const read = await readingsOf(reader, { meter: oldKey!.address, epoch, epochSeconds: EPOCH_SECONDS });
    await reader.close();
    const statement = statementOver(addressOf(plant), epoch, read);
    const connection = await chain.link(community.walletKeyOf(plant));
    const { view } = books.service;
    const account = books.ledger.accountOf(addressOf(plant))!;
    const row = proofOf(view.settledRequest(view.entryOf(account, epoch)!.request), account)!;
    await connection.deposit(RULES.disputeBond);
    const signature = await signStatement(newKey!, venue(), statement);
    await connection.send(
      "raiseDisputeEvent",
      connection.ariaAt(venue().aria).raiseDisputeEvent.populateTransaction(statement, signature, row),
    );
    await books.follow();
    const signed = { ...read, statement, signature: await signStatement(oldKey!, venue(), statement) };
    const seal = sealingWith(oldKey!, openSqliteStore(":memory:"));
    const dispute = view.disputes.get((account << 32n) | BigInt(epoch));
    const shown = await derEvidence(connection, books.service, oldKey!.address, signed, dispute, seal);
    toStubborn.tamper(epoch, () => shown);
    connection.close();
  }

  function disputeOf(plant: Plant, epoch: number): Dispute | undefined {
    const account = books.ledger.accountOf(addressOf(plant)) ?? 0n;
    return books.service.view.disputes.get((account << 32n) | BigInt(epoch));
  }

  function rulingOn(plant: Plant, epoch: number): Ruling {
    const id = disputeOf(plant, epoch)?.id;
    return community.operator.rulings.find(({ dispute }) => dispute.id === id)!;
  }

  async function expectRuledForDer(plant: Plant, epoch: number, meterKey: string): Promise<void> {
    const ruling = rulingOn(plant, epoch);
    expect(ruling.verdict.rule, ruling.verdict.reasons.join("; ")).to.equal("feeder-confirms-claimant");
    expect(disputeOf(plant, epoch)).to.include({
      status: "ruled",
      fault: "aggregator",
      evidenceHash: ruling.evidenceHash,
    });
    const bundle = parseBundle(ruling.evidence.der!);
    expect([bundle.meter, bundle.signer]).to.deep.equal(Array(2).fill(computeAddress(meterKey)));
    expect(faultsIn(verifyBundle(bundle, await factsOf(bundle, auditor, books)))).to.deep.equal([]);
  }

  it("speaks for the epochs before, also when it is asked about them after", async function () {
    for (const plant of community.plants) await expectRuledForDer(plant, first, community.meterKeyOf(plant));
    // Asked about the second epoch, the agent had its new meter already: it showed what the old one signed and sealed.
    await expectRuledForDer(changing!, first + 1, community.meterKeyOf(changing!));
    await expectRuledForDer(stubborn!, first + 1, community.meterKeyOf(stubborn!));
  });

  it("no more for those after: the contract refuses what the old key signs", function () {
    const [reason] = refused;
    expect(reason).to.match(/^raiseDisputeEvent refused: WrongMeter\(/);
    expect(reason).to.contain(computeAddress(newKeys.get(stubborn!)!));
  });

  it("nor do the rules take evidence that the old key signed and sealed, if the contract was shown the new one's", function () {
    const ruling = rulingOn(stubborn!, first + 2);
    expect(ruling.verdict).to.include({ rule: "claimant-evidence-fails", fault: "der" });
    const [oldMeter, newMeter] = [community.meterKeyOf(stubborn!), newKeys.get(stubborn!)!].map((key) =>
      computeAddress(key),
    );
    expect(ruling.verdict.reasons.slice(1)).to.deep.equal([
      `authority: expected ${newMeter}, received ${oldMeter}`,
    ]);
    expect(disputeOf(stubborn!, first + 2)).to.include({ status: "ruled", fault: "der", awardedWh: 0n });
  });

  it("gives way to the new one, which speaks from its first whole epoch on", async function () {
    await expectRuledForDer(changing!, first + 4, newKeys.get(changing!)!);
  });
});
