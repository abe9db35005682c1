import { expect } from "chai";

import { connect, type Connection } from "../../agents/chain/connection.ts";
import { ChainFollower } from "../../agents/chain/follower.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { type Chain, startChain } from "../agents/community-stage.ts";
import { FaultyNode, type Question } from "./faulty-node.ts";

/** The most blocks whose logs the node gives at once, as public ones have it. */
const MOST_BLOCKS = 7;

describe("A node that finds the logs of too many blocks too much", function () {
  this.timeout(120_000);

  let chain: Chain;
  let node: FaultyNode;
  let party: Connection;
  let links: Connection[];
  /** The ranges that were asked for, and whether the node gave them. */
  let asked: { from: number; to: number; given: boolean }[];

  before(async function () {
    chain = await startChain();
    node = new FaultyNode(chain.node.url);
    party = await chain.link(developmentKey(650));
    for (let i = 0; i < 60; i += 1) {
      if (i % 5 === 0) await party.deposit(7n);
      else await party.provider.send("evm_mine", []);
    }
    const rpcUrl = await node.listen();
    const { registry } = chain.addresses;
    const privateKey = developmentKey(651);
    links = [
      await connect({ rpcUrl, registry, privateKey }),
      await connect({ rpcUrl, otherRpcUrls: [rpcUrl], registry, privateKey }),
    ];
  });

  beforeEach(function () {
    asked = [];
  });

  after(async function () {
    for (const link of [...links, party]) link.close();
    node.close();
    await chain.close();
  });

  function rangeOf({ params }: Question): { from: number; to: number } {
    const [{ fromBlock, toBlock }] = params as [{ fromBlock: string; toBlock: string }];
    return { from: Number(fromBlock), to: Number(toBlock) };
  }

  /** Lets the node give the logs of so many blocks and no more, and say so by this code. */
  function limited(code: number, most = MOST_BLOCKS): void {
    node.manner = (question) => {
      if (question.method !== "eth_getLogs") return undefined;
      const { from, to } = rangeOf(question);
      const given = to - from < most;
      asked.push({ from, to, given });
      return given ? undefined : { error: { code, message: "query exceeds max block range" } };
    };
  }

  const cases: [what: string, which: 0 | 1, code: number][] = [
    ["by a code of its own", 0, -32_602],
    ["by the code for too many questions, as some do,", 0, -32_005],
    ["and is one of several", 1, -32_005],
  ];
  for (const [what, which, code] of cases) {
    it(`${what} is asked for half as many, until it gives them, and each block once`, async function () {
      limited(code);
      const store = openSqliteStore(":memory:");
      const follower = new ChainFollower(links[which]!, store, 0);
      await follower.follow();
      const account = follower.ledger.accountOf(party.wallet.address);
      expect(follower.ledger.balanceOf(account!)).to.equal(84n);
      const head = await party.provider.getBlockNumber();
      expect(follower.head.number).to.equal(head);

      const given = asked.filter((range) => range.given);
      const distinct = [...new Map(given.map((range) => [range.from, range])).values()];
      let next = 0;
      for (const { from, to } of distinct) {
        expect(from, "the page after the one before").to.equal(next);
        next = to + 1;
      }
      expect(next).to.equal(head + 1);
      expect(distinct.every(({ from, to }) => to - from < MOST_BLOCKS)).to.be.true;
      await store.close();
    });
  }

  it("even of a single one fails, rather than to be asked for ever", async function () {
    limited(-32_602, 0);
    const store = openSqliteStore(":memory:");
    await new ChainFollower(links[0]!, store, 0).follow().then(
      () => expect.fail("had no logs"),
      (error: unknown) => expect(error).to.have.property("code", "UNKNOWN_ERROR"),
    );
    expect(asked.at(-1)).to.deep.include({ from: 0, to: 0 });
    await store.close();
  });
});
