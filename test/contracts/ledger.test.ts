import { expect } from "chai";

import { ARIA__factory, Vault__factory } from "../../types/index.js";
import { Books, storedRequest } from "./books.ts";
import {
  allBalances,
  deploy,
  ethers,
  EXIT_WINDOW_SECONDS,
  loadFixture,
  RequestStatus,
  type System,
  time,
  UNIT,
  withNewAria,
} from "./fixture.ts";
import { RandomDay } from "./random-day.ts";
import { sumOf } from "./settling.ts";

/** Events that an ordinary day does not see. */
const ELSEWHERE = [
  "EIP712DomainChanged",
  "EquivocationProven",
  "HandOverCancelled",
  "OwnershipTransferStarted",
  "OwnershipTransferred",
  "PausedSet",
  "RetirementAnnounced",
  "RoleAdminChanged",
  "RoleGranted",
  "RoleRevoked",
];

/** Half-hour epochs, small deposits and harsh penalties, so that a day is short and yet sees everything. */
async function harsh(): Promise<System> {
  const windows = { rulingWindowSeconds: 7_200n, disputeWindowSeconds: 7_200n };
  const rules = { epochSeconds: 1_800n, penaltyBps: 60_000n, ...windows };
  return await deploy({ derCount: 5, rules, criteria: { depositPerKw: 200_003n } });
}

/** Compares the books with what the contracts answer. */
async function expectAgreement({ aria, vault }: System, books: Books): Promise<void> {
  expect(await allBalances(vault)).to.deep.equal(
    new Map([...books.owners.keys()].map((account) => [account, books.balances.get(account) ?? 0n])),
  );
  for (const [account, owner] of books.owners) {
    expect(await vault.accountOf(owner)).to.equal(account);
    expect(await vault.lockOf(owner), `lock of ${account.toString()}`).to.equal(books.lockOf(account));
  }
  expect(await vault.generation()).to.equal(books.generation);

  for (const [account, agreement] of books.agreements) {
    const { powerW, price, deposit, sinceEpoch, untilEpoch } = agreement;
    const status = books.statusOf(agreement);
    expect([...(await aria.agreementOf(account))]).to.deep.equal([
      status,
      account,
      powerW,
      price,
      deposit,
      sinceEpoch,
      untilEpoch,
    ]);
    for (const { key, fromEpoch } of lastOfEachEpoch(books.meters.get(account) ?? [])) {
      expect(await aria.meterOf(account, fromEpoch)).to.equal(key);
    }
  }
  for (const orderId of books.orders.keys()) {
    expect(await aria.orderHash(orderId)).to.equal(books.orderHash(orderId));
  }
  for (const [requestId, request] of books.requests) {
    expect([...(await aria.requestOf(requestId))]).to.deep.equal(storedRequest(request));
  }
  for (const [disputeId, { requestId, status, claimWh }] of books.disputes) {
    const dispute = await aria.disputeOf(disputeId);
    expect([dispute.requestId, dispute.status, dispute.claimWh]).to.deep.equal([requestId, status, claimWh]);
  }
}

function lastOfEachEpoch<T extends { fromEpoch: bigint }>(meters: T[]): T[] {
  return [...new Map(meters.map((meter) => [meter.fromEpoch, meter])).values()];
}

/** What must hold at any time, in units. */
async function expectConservation({ aria, vault, accounts }: System, books: Books): Promise<void> {
  const held = sumOf([...books.balances.values()]);
  expect(await ethers.provider.getBalance(vault)).to.equal(held * UNIT);
  const requests = [...books.requests.values()];
  const openDisputes = [...books.disputes.values()].filter(({ status }) => status === 1n).length;
  const bonds = BigInt(openDisputes) * (await aria.rules()).disputeBond;
  const escrow = sumOf(requests.map((request) => request.escrow));
  expect(books.balances.get(accounts.escrow) ?? 0n).to.equal(escrow + bonds);
  const open = requests.filter(({ status }) => status !== RequestStatus.Released);
  expect(await aria.openRequests()).to.equal(BigInt(open.length));
}

describe("From the events alone", function () {
  it("all that the contracts know can be rebuilt after random days, which tell of everything that can happen", async function () {
    this.timeout(720_000);
    const seen = new Set<string>();
    for (const seed of [1, 77, 20_260_620]) {
      const system = await loadFixture(harsh);
      const day = new RandomDay(system, seed);
      await day.live();
      const books = await Books.of(system);
      await expectAgreement(system, books);
      await expectConservation(system, books);

      await day.end();
      const atTheEnd = await Books.of(system);
      await expectAgreement(system, atTheEnd);
      await expectConservation(system, atTheEnd);
      expect(atTheEnd.balances.get(system.accounts.escrow), `seed ${seed.toString()}`).to.equal(0n);
      for (const name of atTheEnd.events.keys()) seen.add(name);
    }
    const names: string[] = [];
    ARIA__factory.createInterface().forEachEvent(({ name }) => names.push(name));
    Vault__factory.createInterface().forEachEvent(({ name }) => names.push(name));
    expect([...seen]).to.include.members(names.filter((name) => !ELSEWHERE.includes(name)));
  });

  it("a hand-over in the middle of everything can be told as well", async function () {
    this.timeout(240_000);
    const system = await loadFixture(harsh);
    await new RandomDay(system, 3).live();
    const next = await withNewAria(system);
    await system.vault.announceHandOver(next.aria);
    await time.increase(EXIT_WINDOW_SECONDS);
    await system.vault.handOver();
    const books = await Books.of(system);
    await expectAgreement(system, books);
    expect(books.generation).to.equal(2n);
    expect(books.balances.get(system.accounts.escrow)).to.equal(0n);
  });
});
