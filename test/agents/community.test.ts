import { expect } from "chai";
import { Wallet } from "ethers";

import type { Connection } from "../../agents/chain/connection.ts";
import { ChainFollower } from "../../agents/chain/follower.ts";
import type { Dispute } from "../../agents/chain/service-view.ts";
import type { What } from "../../agents/evidence/access.ts";
import { askForEvidence, type Fetched } from "../../agents/evidence/query.ts";
import { type FlowStatement, signerOf } from "../../agents/evidence/statement.ts";
import { genesisDigest, verifyChain } from "../../agents/metering/reading.ts";
import { capacityWh, excess, fee, payment, penalty, refund } from "../../agents/settlement/rules.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { RULES } from "../../scripts/demo/terms.ts";
import {
  type Chain,
  Community,
  constant,
  EPOCH_SECONDS,
  except,
  FIRST_BLOCK_AT,
  LAST_BLOCK_AT,
  meteredWh,
  type Plant,
  PROMISED_PERCENT,
  startChain,
} from "./community-stage.ts";

const BASELINE_WH = 4_000n;
const EPOCHS = 4;
const GWEI = 10n ** 9n;
const FULL_W = 7_200n; // 1800 Wh an epoch, of which 1440 are asked for

const sumOf = (figures: readonly bigint[]): bigint => figures.reduce((sum, figure) => sum + figure, 0n);
const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b);

describe("A community of agents on a local node", function () {
  this.timeout(180_000);

  let chain: Chain;
  let community: Community;
  let auditor: Connection;
  let books: ChainFollower;
  let first: number;
  let epochs: number[];
  let secondAria: string;
  /** What the first plant had before the sweep that it disputes. */
  let shortChangedBefore: bigint | undefined;
  /** Cheapest first, as they are filled. */
  let plants: [shortChanged: Plant, steady: Plant, failing: Plant];

  before(async function () {
    chain = await startChain();
    first = Math.floor((await chain.clock.now()) / EPOCH_SECONDS) + 4;
    epochs = Array.from({ length: EPOCHS }, (_, i) => first + i);
    const steady = constant(FULL_W);
    const plant = { powerW: 10_000n, forecast: steady, fed: steady, aggregatorSees: steady };
    const failing = except(steady, first + 2, 0n);
    plants = [
      { ...plant, name: "shorted", price: 20_000n, aggregatorSees: except(steady, first + 1, 3_600n) },
      { ...plant, name: "steady", price: 30_000n },
      { ...plant, name: "failing", price: 40_000n, fed: failing, aggregatorSees: failing },
    ];
    community = new Community(chain, plants);
    await community.start(BASELINE_WH, first, EPOCHS);
    auditor = await chain.link(developmentKey(9));
    books = new ChainFollower(auditor, openSqliteStore(":memory:"), 0);
    secondAria = await chain.deployment.announceNext(chain.addresses.vault);
  });

  after(async function () {
    await community.close();
    auditor.close();
    await chain.close();
  });

  function accountOf(plant: Plant): bigint {
    const account = books.ledger.accountOf(community.addressOf(plant));
    expect(account, `account of ${plant.name}`).to.not.be.undefined;
    return account!;
  }

  /** Balances as the chain has them, in units, of the plants in their order. */
  function balances(): Promise<bigint[]> {
    return Promise.all(plants.map((plant) => auditor.vault.balanceOf(accountOf(plant))));
  }

  /** What each plant is asked for in an epoch: the baseline, the cheapest first, each up to what it promised. */
  function askedWh(): bigint[] {
    let open = BASELINE_WH;
    return plants.map(({ forecast, powerW }) => {
      const promised = (meteredWh(forecast, first) * PROMISED_PERCENT) / 100n;
      const ask = lesser(open, lesser(promised, capacityWh(powerW, BigInt(EPOCH_SECONDS))));
      open -= ask;
      return ask;
    });
  }

  /** What the sweep of an epoch comes to for each plant, by the rules. */
  function swept(epoch: number): { paid: bigint; missingWh: bigint; excessWh: bigint; penalty: bigint }[] {
    return plants.map(({ price, aggregatorSees }, i) => {
      const asked = askedWh()[i]!;
      const creditedWh = lesser(asked, meteredWh(aggregatorSees, epoch));
      const missingWh = asked - creditedWh;
      const excessWh = excess(asked, missingWh, RULES.deliveryToleranceBps, RULES.toleranceFloorWh);
      const paid = payment(creditedWh, price);
      return { paid, missingWh, excessWh, penalty: penalty(excessWh, price, RULES.penaltyBps) };
    });
  }

  function feeOf(epoch: number): bigint {
    return fee(sumOf(swept(epoch).map(({ paid }) => paid)), RULES.feeBps);
  }

  const DEPOSITED = 1_050_000n; // for 10 kW, and a bond to dispute with

  it("joins, and is commissioned for the next epoch", async function () {
    await chain.clock.moveTo((first - 2) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    for (const plant of plants) await community.derOf(plant).advance();
    await community.operator.advance();
    await books.follow();
    for (const plant of plants) {
      const account = accountOf(plant);
      const agreement = books.service.view.agreements.get(account);
      expect(agreement).to.include({ status: "active", since: first - 1, price: plant.price });
      expect(agreement?.meters[0]?.key).to.equal(new Wallet(community.meterKeyOf(plant)).address);
      expect(books.ledger.lockOf(account)).to.equal(1_000_000n);
    }
    expect(await balances()).to.deep.equal([DEPOSITED, DEPOSITED, DEPOSITED]);
    await chain.deployment.retire(chain.addresses.aria, first + EPOCHS - 1);
  });

  it("is asked for the ordered baseline, the cheapest first", async function () {
    await chain.clock.moveTo((first - 1) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await community.operator.advance();
    await community.aggregator.advance();
    await chain.clock.moveTo((first - 1) * EPOCH_SECONDS + LAST_BLOCK_AT);
    await books.follow();
    const { view } = books.service;
    const [request] = [...view.requests.values()];
    expect(request).to.include({ firstEpoch: first, count: 1 });
    expect(view.rowsOf(request!).map(({ energyWh }) => energyWh)).to.deep.equal(askedWh().map((wh) => [wh]));
    expect(askedWh()).to.deep.equal([1_440n, 1_440n, 1_120n]);
  });

  it("is paid in the next epoch for what it delivered", async function () {
    await community.play(first);
    await community.play(first + 1);
    expect(await balances()).to.deep.equal(swept(first).map(({ paid }) => DEPOSITED + paid));
    expect(swept(first).map(({ missingWh }) => missingWh)).to.deep.equal([0n, 0n, 0n]);
    expect(await auditor.vault.balanceOf(2n)).to.equal(RULES.aggregatorBond + feeOf(first));
  });

  it("shows its evidence of a dispute to the Operator, and of a neighbour's only what its meter signed", async function () {
    [shortChangedBefore] = await balances();
    await chain.clock.moveTo((first + 2) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await community.aggregator.advance();
    for (const plant of plants) await community.derOf(plant).advance(); // the first disputes
    const [shorted, steady] = plants;
    const { timestamp } = (await auditor.provider.getBlock("latest"))!;
    const ask = (
      plant: Plant,
      epoch: number,
      what: What,
      signer = community.operator.wallet,
    ): Promise<Fetched> => {
      const query = { aria: chain.addresses.aria, account: accountOf(plant), epoch, what };
      const party = community.addressOf(plant);
      return askForEvidence(community.urlOf(party), party, query, signer, 31_337n, timestamp);
    };
    const meterOf = (plant: Plant): string => new Wallet(community.meterKeyOf(plant)).address;
    const disputed = first + 1;
    const refused = { failure: "refused" };

    const { evidence } = (await ask(shorted, disputed, "evidence")) as { evidence: string };
    expect(JSON.parse(evidence)).to.include({ meter: meterOf(shorted) });
    const { evidence: signed } = (await ask(steady, disputed, "statement")) as { evidence: string };
    const said = JSON.parse(signed) as { statement: FlowStatement; signature: string };
    expect(said).to.have.all.keys("statement", "signature");
    expect(said.statement).to.include({
      der: community.addressOf(steady),
      epoch: disputed,
      energyWh: "1800",
    });
    const venue = { chainId: 31_337n, aria: chain.addresses.aria };
    expect(signerOf(venue, said.statement, said.signature)).to.equal(meterOf(steady));

    expect(await ask(steady, disputed, "evidence"), "readings of a neighbour").to.deep.equal(refused);
    expect(await ask(steady, first, "statement"), "nobody's dispute").to.deep.equal(refused);
    for (const what of ["statement", "evidence"] as const) {
      expect(await ask(shorted, disputed, what, auditor.wallet), "a stranger").to.deep.equal(refused);
    }
  });

  it("disputes a sweep that short-changed it, and is paid by the Operator's ruling", async function () {
    await community.play(first + 2);
    await books.follow();
    const [dispute, ...others] = [...books.service.view.disputes.values()];
    expect(others).to.be.empty;
    const [{ paid, missingWh, excessWh, penalty: taken }] = swept(first + 1) as [ReturnType<typeof swept>[0]];
    const expected: Partial<Dispute> = {
      account: accountOf(plants[0]),
      epoch: first + 1,
      status: "ruled",
      fault: "aggregator",
      claimWh: missingWh,
      awardedWh: missingWh,
      paid: payment(missingWh, plants[0].price),
      refunded: refund(taken, excessWh, excessWh),
      fine: RULES.misreportFine,
    };
    expect(dispute).to.include(expected);
    expect(taken > 0n).to.be.true;
    const [after] = await balances();
    expect(after! - shortChangedBefore!).to.equal(
      paid + payment(missingWh, plants[0].price) + RULES.misreportFine, // the penalty went and came back
    );
    const [ruling] = community.operator.rulings;
    expect(ruling?.verdict.reasons.join()).to.contain("the feeder leaves");
    expect(dispute?.evidenceHash).to.equal(ruling?.evidenceHash);
  });

  it("goes on with an unbroken chain of readings when a DER's agent is restarted", async function () {
    const [, steady] = plants;
    const meter = new Wallet(community.meterKeyOf(steady)).address;
    const { clock } = chain;
    await community.derOf(steady).close();
    for (let i = 0; i < 3; i += 1) await clock.moveTo((await clock.now()) + 1); // blocks nobody shows the meter
    await community.startDer(steady);
    await community.play(first + 3);
    await community.derOf(steady).advance();
    await community.derOf(steady).close();
    const store = community.openStore(steady.name);
    const readings = await store.readingsBetween(meter, 0, (first + 9) * EPOCH_SECONDS);
    await store.close();
    expect(verifyChain(readings, genesisDigest(meter))).to.deep.equal({ ok: true });
    const numbers = readings.map(({ blockNumber }) => blockNumber);
    expect(numbers).to.deep.equal(numbers.map((_, i) => numbers[0]! + i)); // no block was left out
    expect(readings.at(-1)?.blockNumber).to.equal(await auditor.provider.getBlockNumber());
    await community.startDer(steady);
  });

  it("ends with the balances that the rules give, and not a unit is lost", async function () {
    while (!(await chain.deployment.retired(chain.addresses.aria))) {
      await chain.clock.moveTo((await chain.clock.now()) + 60);
      await community.look();
    }
    await books.follow();
    const sweeps = epochs.map(swept);
    const award = payment(sweeps[1]![0]!.missingWh, plants[0].price);
    const expected = plants.map((_, i) =>
      sumOf([DEPOSITED, ...sweeps.map((sweep) => sweep[i]!.paid - sweep[i]!.penalty)]),
    );
    expected[0]! += award + sweeps[1]![0]!.penalty + RULES.misreportFine;
    expect(await balances()).to.deep.equal(expected);
    expect(sweeps[2]![2]!.penalty > 0n, "the failing plant is penalised").to.be.true;

    const fees = sumOf(epochs.map(feeOf));
    const { ledger } = books;
    expect(await auditor.vault.balanceOf(2n)).to.equal(
      ledger.deposited.get(2n)! + fees - RULES.misreportFine,
    );
    const earned = sumOf(expected) - BigInt(plants.length) * DEPOSITED - RULES.misreportFine;
    expect(await auditor.vault.balanceOf(1n)).to.equal(ledger.deposited.get(1n)! - earned - fees);
    expect(await auditor.vault.balanceOf(3n), "escrow").to.equal(0n);
    expect(ledger.total() * GWEI).to.equal(await chain.clock.balanceOf(chain.addresses.vault));
  });

  it("follows to the second ARIA, without a balance being moved", async function () {
    const before = await balances();
    await chain.deployment.takeOver(chain.addresses.registry, chain.addresses.vault, secondAria);
    await community.look();
    await community.look(); // the Aggregator requests what the Operator ordered
    await books.follow();
    expect(books.services.map(({ address }) => address)).to.deep.equal([chain.addresses.aria, secondAria]);
    const { address, view } = books.service;
    expect(address).to.equal(secondAria);
    expect([...view.agreements.values()].map(({ account, status }) => [account, status])).to.deep.equal(
      plants.map((plant) => [accountOf(plant), "active"]),
    );
    expect(view.bonded).to.be.true;
    expect(view.orders.size).to.equal(1);
    expect(await balances()).to.deep.equal(before);
    // Those just commissioned are in force in the next epoch, and are asked for the one after.
    const epoch = Math.floor((await chain.clock.now()) / EPOCH_SECONDS) + 1;
    await chain.clock.moveTo(epoch * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await community.look();
    await books.follow();
    expect([...view.requests.values()].map(({ firstEpoch }) => firstEpoch)).to.include(epoch + 1);
  });
});
