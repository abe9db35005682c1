import { expect } from "chai";

import type { Connection } from "../../agents/chain/connection.ts";
import { ChainFollower } from "../../agents/chain/follower.ts";
import { RefusedError } from "../../agents/chain/refusal.ts";
import { PendingError } from "../../agents/chain/not-sent.ts";
import type { Intent } from "../../agents/store/transactions.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import {
  type Chain,
  Community,
  constant,
  EPOCH_SECONDS,
  FIRST_BLOCK_AT,
  startChain,
} from "./community-stage.ts";

const FEED = constant(7_200n);
const PLANT = { powerW: 10_000n, forecast: FEED, fed: FEED, aggregatorSees: FEED };
const PLANTS = ["one", "two", "three"].map((name, i) => ({ ...PLANT, name, price: 20_000n + BigInt(i) }));
/** More than the three deliver, so that each is asked for all that it promised. */
const BASELINE_WH = 10_000n;
const EPOCHS = 6;

describe("A run that is requested in several pages", function () {
  this.timeout(180_000);

  let chain: Chain;
  let community: Community;
  let auditor: Connection;
  let books: ChainFollower;
  let first: number;
  /** What becomes of the next requests, the first one first. */
  let fates: ((sent: () => Promise<unknown>) => Promise<unknown>)[];
  /** How many requests the Aggregator wanted to send. */
  let asked: number;

  before(async function () {
    chain = await startChain();
    first = Math.floor((await chain.clock.now()) / EPOCH_SECONDS) + 4;
    community = new Community(chain, PLANTS);
    const link = (honest: Connection): Connection => ({
      ...honest,
      send: ((kind, transaction) => {
        const send = (): Promise<unknown> => honest.send(kind, transaction);
        if (kind !== "requestFlow") return send();
        asked += 1;
        const fate = fates.shift();
        return fate === undefined ? send() : fate(send);
      }) as Connection["send"],
    });
    await community.start(BASELINE_WH, first, EPOCHS, link, 1);
    auditor = await chain.link(developmentKey(9));
    books = new ChainFollower(auditor, openSqliteStore(":memory:"), 0);
    [fates, asked] = [[], 0];
    await chain.clock.moveTo((first - 2) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    for (const plant of PLANTS) await community.derOf(plant).advance();
    await community.operator.advance();
    await community.aggregator.advance(); // posts its bond
  });

  after(async function () {
    await community.close();
    auditor.close();
    await chain.close();
  });

  /** Begins the epoch before one that is to be requested. */
  async function beforeEpoch(epoch: number): Promise<void> {
    await chain.clock.moveTo((epoch - 1) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await community.operator.advance();
    [fates, asked] = [[], 0];
  }

  /** The DERs that are asked for an epoch, one for each time; in the order of their accounts. */
  async function askedFor(epoch: number): Promise<string[]> {
    await books.follow();
    const { view } = books.service;
    return [...view.requests.values()]
      .filter((request) => request.firstEpoch <= epoch && epoch < request.firstEpoch + request.count)
      .flatMap((request) => view.rowsOf(request).map(({ account }) => books.ledger.ownerOf(account)));
  }

  const addresses = (count = 3): string[] =>
    PLANTS.slice(0, count).map((plant) => community.addressOf(plant));
  const look = (): Promise<void> => community.aggregator.advance();
  const refuse = (): Promise<never> =>
    Promise.reject(new RefusedError("requestFlow", "DepositUnderFloor", []));

  it("is requested to its end by an Aggregator that ended after a page", async function () {
    await beforeEpoch(first);
    fates = [(send) => send(), () => Promise.reject(new Error("killed"))];
    await look().then(
      () => expect.fail("was not killed"),
      (error: unknown) => expect(error).to.have.property("message", "killed"),
    );
    expect(await askedFor(first)).to.deep.equal(addresses(1));
    await look();
    expect(await askedFor(first)).to.deep.equal(addresses());
    await look();
    expect(await askedFor(first), "and nobody twice").to.deep.equal(addresses());
  });

  it("is requested to its end when each page takes longer than an agent waits", async function () {
    await beforeEpoch(first + 1);
    const slow = async (send: () => Promise<unknown>): Promise<never> => {
      await send();
      throw new PendingError({ kind: "requestFlow", nonce: 0 } as Intent);
    };
    fates = [slow, slow, slow];
    for (const count of [1, 2, 3]) {
      await look().catch((error: unknown) => expect(error).to.be.instanceOf(PendingError));
      expect(await askedFor(first + 1)).to.deep.equal(addresses(count));
    }
    await look();
    expect(await askedFor(first + 1)).to.deep.equal(addresses());
  });

  it("passes over nobody when a page is refused", async function () {
    await beforeEpoch(first + 2);
    fates = [(send) => send(), refuse];
    await look();
    expect([await askedFor(first + 2), asked], "the page after it waits").to.deep.equal([addresses(1), 2]);
    await look();
    expect(await askedFor(first + 2)).to.deep.equal(addresses());
  });

  it("is given up when it has begun", async function () {
    await beforeEpoch(first + 3);
    fates = [(send) => send(), refuse];
    await look();
    await beforeEpoch(first + 4);
    await look();
    expect(await askedFor(first + 3)).to.deep.equal(addresses(1));
    expect([await askedFor(first + 4), asked], "and the next one is requested").to.deep.equal([
      addresses(),
      3,
    ]);
  });
});
