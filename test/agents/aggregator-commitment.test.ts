import { expect } from "chai";

import { AggregatorAgent } from "../../agents/aggregator/agent.ts";
import { WHOLE } from "../../agents/aggregator/share.ts";
import { ChainFollower } from "../../agents/chain/follower.ts";
import { Commitment } from "../../agents/evidence/commitment.ts";
import { openSqliteReader, openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import {
  AGGREGATOR_KEY,
  type Chain,
  Community,
  constant,
  EPOCH_SECONDS,
  LOOPBACK,
  startChain,
} from "./community-stage.ts";

const FEED = constant(7_200n);
const PLANT = { powerW: 10_000n, price: 20_000n, fed: FEED, aggregatorSees: FEED };
const ASKED = { ...PLANT, name: "asked", forecast: FEED };
/** Nothing is forecast of these, and so nothing asked. */
const [READ, UNREAD] = ["read", "unread"].map((name) => ({ ...PLANT, name, forecast: constant(0n) }));

describe("What the Aggregator commits to by a sweep", function () {
  this.timeout(180_000);

  let chain: Chain;
  let community: Community;
  let leaves: { readonly of: (name: string) => bigint | undefined };

  before(async function () {
    chain = await startChain();
    const first = Math.floor((await chain.clock.now()) / EPOCH_SECONDS) + 4;
    const plants = [ASKED, READ!, UNREAD!];
    community = new Community(chain, plants);
    await community.start(2_000n, first, 6);
    await community.aggregator.close();
    const byAddress = new Map(plants.map((plant) => [community.addressOf(plant), plant]));
    community.aggregator = new AggregatorAgent({
      connection: await chain.link(AGGREGATOR_KEY),
      store: community.openStore("worker"),
      startBlock: 0,
      policy: { epochsPerSweep: 1, figuresPerRequest: 1_000, promisedPercent: 80n },
      connected: (der) => {
        const plant = byAddress.get(der);
        return plant && { source: plant.aggregatorSees, forecast: plant.forecast };
      },
      listen: LOOPBACK,
      // The lot of one DER is on its way from one worker to another.
      share: { ...WHOLE, meters: (der) => der !== community.addressOf(UNREAD!) },
    });
    for (let epoch = first - 2; epoch <= first + 3; epoch += 1) await community.play(epoch);

    const auditor = await chain.link(developmentKey(9));
    const books = new ChainFollower(auditor, openSqliteStore(":memory:"), 0);
    await books.follow();
    auditor.close();
    const { address, view } = books.service;
    const request = [...view.requests.values()].find(({ sweep }) => sweep !== undefined)!;
    expect(view.rowsOf(request)).to.have.length(1);
    const reader = openSqliteReader(community.storeFile("worker"));
    const stored = await reader.commitmentOf(address, request.id);
    await reader.close();
    const commitment = Commitment.parse(stored!.json);
    expect(commitment.root).to.equal(request.sweep?.flowRoot);
    const accounts = new Map(
      plants.map((plant) => [plant.name, books.ledger.accountOf(community.addressOf(plant))!]),
    );
    leaves = { of: (name) => commitment.leafOf(accounts.get(name)!, request.firstEpoch)?.energyWh };
  });

  after(async function () {
    await community.close();
    await chain.close();
  });

  it("is what was metered at those that were asked", function () {
    expect(leaves.of("asked")).to.equal(1_800n);
  });

  it("is what was metered at their neighbours as well", function () {
    expect(leaves.of("read")).to.equal(1_800n);
  });

  it("is nothing about a neighbour whose meter was not read to the end: not that nothing flowed there", function () {
    expect(leaves.of("unread")).to.be.undefined;
  });
});
