import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "chai";
import { toQuantity, ZeroAddress } from "ethers";

import { connect } from "../../agents/chain/connection.ts";
import {
  ChainMismatchError,
  type EndpointRules,
  lagOf,
  NodeBehindError,
} from "../../agents/chain/endpoints.ts";
import { type Node, nodeAt } from "../../agents/chain/node.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { type LocalNode, startNode } from "../../scripts/demo/node.ts";
import { type Answer, FaultyNode, HONEST, type Manner } from "./faulty-node.ts";

const CHAIN = 31_337n;
const RULES = { chainId: CHAIN, maxLagBlocks: 8 };
const NOWHERE = "http://127.0.0.1:1";

describe("Several nodes of a chain", function () {
  this.timeout(60_000);

  let node: LocalNode;
  let first: FaultyNode;
  let second: FaultyNode;
  let urls: [first: string, second: string];
  const opened: Node[] = [];
  let told: [event: string, fields: Readonly<Record<string, unknown>>][];

  before(async function () {
    node = await startNode();
    [first, second] = [new FaultyNode(node.url), new FaultyNode(node.url)];
    urls = [await first.listen(), await second.listen()];
  });

  beforeEach(function () {
    told = [];
    first.manner = second.manner = HONEST;
    first.asked.clear();
    second.asked.clear();
  });

  afterEach(function () {
    for (const provider of opened.splice(0)) provider.destroy();
  });

  after(async function () {
    first.close();
    second.close();
    await node.stop();
  });

  function connected(
    url = urls[0],
    otherUrls: readonly string[] = [urls[1]],
    rules: EndpointRules = RULES,
  ): Node {
    const provider = nodeAt(url, { otherUrls, rules, told: (event, fields) => told.push([event, fields]) });
    opened.push(provider);
    return provider;
  }

  const events = (): string[] => told.map(([event, { node: host }]) => `${event} ${place(String(host))}`);
  const place = (host: string): string =>
    urls[0].endsWith(host) ? "first" : urls[1].endsWith(host) ? "second" : "nowhere";
  const failing = (answer: Answer) => (): Answer => answer;

  it("the first is asked, as long as it answers", async function () {
    const provider = connected();
    expect((await provider.getNetwork()).chainId).to.equal(CHAIN);
    for (let i = 0; i < 5; i += 1) await provider.getBlockNumber();
    const asked = [first, second].map((one) => one.asked.get("eth_blockNumber"));
    expect(asked).to.deep.equal([5, undefined]);
  });

  const faults: [what: string, answer: Answer][] = [
    ["breaks the connection", "broken"],
    ["has an error of its own", { status: 502 }],
    ["is asked too much, by its status", { status: 429 }],
    ["is asked too much, by its answer", { error: { code: -32005, message: "limit exceeded" } }],
    ["answers with nonsense", { status: 200, body: "<html>welcome</html>" }],
    ["lies about the chain", { result: "0x1" }],
  ];

  for (const [what, answer] of faults) {
    it(`the second is asked when the first ${what}, and the first again when it has rested`, async function () {
      const provider = connected();
      first.manner = failing(answer);
      expect(await provider.send("eth_blockNumber", [])).to.equal("0x0");
      expect(events()).to.deep.equal(["node rests first", "node in use second"]);
      expect(provider.inUse).to.equal(new URL(urls[1]).host);
      first.manner = HONEST;
      const before = first.asked.size;
      await provider.getBlockNumber();
      expect(first.asked.size, "it rests").to.equal(before);
    });
  }

  it("one that cannot be reached is passed over", async function () {
    const provider = connected(NOWHERE, [urls[0]]);
    await provider.getNetwork();
    expect(events()).to.deep.equal(["node rests nowhere", "node in use first"]);
  });

  it("a refusal of the contracts or of a transaction is an answer, and nobody else is asked", async function () {
    const provider = connected();
    first.manner = ({ method }) =>
      method === "eth_call" ? { error: { code: 3, message: "execution reverted" } } : undefined;
    const call = provider.call({ to: "0x000000000000000000000000000000000000dEaD" });
    await call.then(
      () => expect.fail("was not refused"),
      (error: unknown) => expect(error).to.have.property("code", "CALL_EXCEPTION"),
    );
    expect(second.asked.has("eth_call")).to.be.false;
  });

  it("if none is of the right chain, it says so", async function () {
    const provider = connected(urls[0], [urls[1]], { ...RULES, chainId: 1n });
    await provider.getNetwork().then(
      () => expect.fail("was not refused"),
      (error: unknown) => expect(error).to.be.instanceOf(ChainMismatchError),
    );
  });

  it("a single one that asks for patience gets it", async function () {
    const provider = connected(urls[0], []);
    let refusals = 2;
    first.manner = () => ((refusals -= 1) >= 0 ? { status: 429 } : undefined);
    expect(await provider.send("eth_blockNumber", [])).to.equal("0x0");
    expect(told).to.deep.equal([]);
  });

  it("one that lags behind the others, or is stale by the clock, is not asked", function () {
    const at = (number: number, timestamp = 1_000): { number: number; timestamp: number } => ({
      number,
      timestamp,
    });
    const timed = { ...RULES, maxHeadAgeSeconds: 60 };
    expect(lagOf(at(92), 100, RULES, 9_999)).to.be.undefined;
    expect(lagOf(at(91), 100, RULES, 9_999)).to.equal("it is 9 blocks behind");
    expect(lagOf(at(100), 100, timed, 1_060)).to.be.undefined;
    expect(lagOf(at(100), 100, timed, 1_061)).to.equal("its newest block is 61 s old");
  });

  describe("one that begins to lag", function () {
    const often = { ...RULES, restMs: 300 };
    const past = (): Promise<void> => sleep(often.restMs + 50);
    const lags: Manner = ({ method }) =>
      method === "eth_getBlockByNumber" ? { result: { number: "0x0", timestamp: "0x0" } } : undefined;

    before(async function () {
      const provider = nodeAt(node.url);
      await provider.getNetwork();
      await provider.send("hardhat_mine", [toQuantity(RULES.maxLagBlocks + 1)]);
      provider.destroy();
    });

    it("is left as long as it does, and taken again once it has caught up", async function () {
      const provider = connected(urls[0], [urls[1]], often);
      await provider.getBlockNumber();
      expect(events()).to.deep.equal(["node in use first"]);

      first.manner = lags;
      for (let look = 0; look < 3; look += 1) {
        await past();
        await provider.getBlockNumber();
        expect(provider.inUse).to.equal(new URL(urls[1]).host);
      }
      const rest = { node: new URL(urls[0]).host, reason: "it is 9 blocks behind" };
      expect(told.slice(1, 3)).to.deep.equal([
        ["node rests", rest],
        ["node in use", { node: new URL(urls[1]).host }],
      ]);

      first.manner = HONEST;
      await past();
      await provider.getBlockNumber(); // looks at all of them
      expect(provider.inUse).to.equal(new URL(urls[0]).host);
    });

    it("is of no use where all of them are too old", async function () {
      const provider = connected(urls[0], [urls[1]], { ...often, maxHeadAgeSeconds: 60 });
      second.manner = first.manner = lags;
      await provider.getNetwork().then(
        () => expect.fail("was asked"),
        (error: unknown) => {
          expect(error).to.be.instanceOf(NodeBehindError);
          expect(error).to.have.property("message", "no node has the newest blocks");
        },
      );
    });

    it("or hangs, holds nobody up for long", async function () {
      first.manner = () => new Promise(() => undefined);
      const provider = connected(urls[0], [urls[1]], often);
      const asked = performance.now();
      await provider.getNetwork();
      expect(performance.now() - asked).to.be.below(5_000);
      expect(told[0]).to.deep.equal([
        "node rests",
        { node: new URL(urls[0]).host, reason: "no answer in 0.3 s" },
      ]);
    });
  });

  it("one can be asked by WebSocket, and again when it was gone and is back", async function () {
    let local = await startNode();
    const { port } = new URL(local.url);
    const provider = connected(`ws://127.0.0.1:${port}`, []);
    try {
      expect((await provider.getNetwork()).chainId).to.equal(CHAIN);
      const blocks = await Promise.all(Array.from({ length: 5 }, () => provider.getBlock("latest")));
      expect(blocks.map((block) => block?.number)).to.deep.equal([0, 0, 0, 0, 0]);
      await provider.send("hardhat_mine", ["0x7"]);
      await local.stop();
      for (let attempt = 0; attempt < 2; attempt += 1) {
        await provider.getBlockNumber().then(
          () => expect.fail("the node is down"),
          (error: unknown) => expect(error).to.have.property("code", "NETWORK_ERROR"),
        );
      }
    } finally {
      local = await startNode(Number(port));
    }
    expect(await provider.getBlockNumber(), "it is another one, by its blocks").to.equal(0);
    await local.stop();
  });

  const passing: [what: string, answer: Answer][] = [
    ["breaks the connection", "broken"],
    ["answers nothing where there is something", { result: null }],
    ["answers with no JSON", { status: 200, body: "<html>" }],
    ["cannot be reached by what stands before it", { status: 503 }],
  ];
  for (const [what, answer] of passing) {
    it(`a single one that ${what} is asked again, three times`, async function () {
      const times = (count: number): Manner => {
        let left = count;
        return ({ method }) => (method === "eth_blockNumber" && (left -= 1) >= 0 ? answer : undefined);
      };
      const provider = connected(urls[0], []);
      first.manner = times(3);
      expect(await provider.getBlockNumber()).to.be.a("number");
      expect(first.asked.get("eth_blockNumber")).to.equal(4);
      first.manner = times(4);
      const refusal = await provider.getBlockNumber().then(
        () => expect.fail("it was answered"),
        (error: unknown) => error,
      );
      expect(refusal).to.have.property("code").that.is.oneOf(["ECONNRESET", "SERVER_ERROR"]);
    });
  }

  it("a receipt that is not there is an answer", async function () {
    const provider = connected(urls[0], []);
    expect(await provider.getTransactionReceipt(`0x${"11".repeat(32)}`)).to.equal(null);
    expect(first.asked.get("eth_getTransactionReceipt")).to.equal(1);
  });

  it("one that says the right chain, and then another, is refused before anything is signed", async function () {
    let asked = 0;
    first.manner = ({ method }) =>
      method === "eth_chainId" && (asked += 1) > 1 ? { result: "0x1" } : undefined;
    const options = { rpcUrl: urls[0], chainId: CHAIN, registry: ZeroAddress, privateKey: developmentKey(9) };
    const refusal: unknown = await connect(options).then(
      () => expect.fail("it connected"),
      (error: unknown) => error,
    );
    expect(refusal).to.be.instanceOf(ChainMismatchError);
  });
});
