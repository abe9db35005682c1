import { expect } from "chai";

import type { Connection } from "../../agents/chain/connection.ts";
import { RefusedError } from "../../agents/chain/refusal.ts";
import { RULES } from "../../scripts/demo/terms.ts";
import {
  type Chain,
  Community,
  constant,
  EPOCH_SECONDS,
  except,
  FIRST_BLOCK_AT,
  LAST_BLOCK_AT,
  startChain,
} from "./community-stage.ts";

const FULL_W = 7_200n;

describe("Agents tell how long there is for what waits to be done:", function () {
  this.timeout(180_000);

  let chain: Chain;
  let community: Community;
  let first: number;
  /** Whether the contracts refuse the Aggregator's sweeps, as far as it can tell. */
  let sweepsRefused = true;

  before(async function () {
    chain = await startChain();
    first = Math.floor((await chain.clock.now()) / EPOCH_SECONDS) + 4;
    const steady = constant(FULL_W);
    const plant = { powerW: 10_000n, forecast: steady, fed: steady, price: 20_000n };
    community = new Community(chain, [
      { ...plant, name: "shorted", aggregatorSees: except(steady, first, FULL_W / 2n) },
    ]);
    const link = (honest: Connection): Connection => ({
      ...honest,
      send: (kind, transaction) =>
        kind === "sweepEpoch" && sweepsRefused
          ? Promise.reject(new RefusedError(kind, "EpochNotOver", []))
          : honest.send(kind, transaction),
    });
    await community.start(1_500n, first, 2, link);
    const [plantAgent] = community.plants.map((each) => community.derOf(each));
    expect(plantAgent!.figures.deadlineSeconds, "before the first look").to.be.undefined;
    await chain.clock.moveTo((first - 2) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await plantAgent!.advance();
    await community.operator.advance();
    await chain.clock.moveTo((first - 1) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await community.operator.advance();
    await community.aggregator.advance();
    await chain.clock.moveTo((first - 1) * EPOCH_SECONDS + LAST_BLOCK_AT);
    await community.play(first);
  });

  after(async function () {
    await community.close();
    await chain.close();
  });

  const der = () => community.derOf(community.plants[0]!);
  const now = (): Promise<number> => chain.clock.now();

  it("nothing, while all is in order", function () {
    for (const agent of [community.aggregator, community.operator, der()])
      expect(agent.figures.deadlineSeconds).to.be.undefined;
  });

  it("the Aggregator for a sweep that it cannot send, until it has", async function () {
    await chain.clock.moveTo((first + 1) * EPOCH_SECONDS + FIRST_BLOCK_AT);
    await community.aggregator.advance();
    const closes = (first + 1) * EPOCH_SECONDS + Number(RULES.sweepWindowSeconds);
    expect(community.aggregator.figures.deadlineSeconds).to.equal(closes - (await now()));
    sweepsRefused = false;
    await community.aggregator.advance();
    expect(community.aggregator.figures.deadlineSeconds).to.be.undefined;
  });

  it("a DER for the dispute that it has no coins to send, until it has", async function () {
    const sweptAt = await now(); // by the last transaction
    const { address } = der();
    const coins = await chain.clock.balanceOf(address);
    await chain.clock.endow(address, 0n);
    for (const waited of [0, 100]) {
      await chain.clock.moveTo(sweptAt + waited);
      const failed: unknown = await der()
        .advance()
        .catch((error: unknown) => error);
      expect(failed, "there are no coins").to.have.property("code");
      const left = sweptAt + Number(RULES.disputeWindowSeconds) - (await now());
      expect(der().figures.deadlineSeconds).to.equal(left);
    }
    await chain.clock.endow(address, coins);
    await der().advance();
    await der().advance();
    expect(der().figures.deadlineSeconds).to.be.undefined;
  });

  it("the Operator for the ruling, until it was made", async function () {
    const raisedAt = await now(); // by the last transaction
    // As long as the Aggregator shows nothing it is waited for, for half of the window.
    community.reroute(community.aggregator.address, "http://127.0.0.1:1");
    const window = Number(RULES.rulingWindowSeconds);
    for (const waited of [0, 100]) {
      await chain.clock.moveTo(raisedAt + waited);
      const left = raisedAt + window - (await now());
      await community.operator.advance();
      expect(community.operator.figures.deadlineSeconds).to.equal(left);
    }
    await chain.clock.moveTo(raisedAt + window / 2);
    await community.operator.advance();
    await community.operator.advance();
    expect(community.operator.rulings).to.have.length(1);
    expect(community.operator.figures.deadlineSeconds).to.be.undefined;
  });
});
