import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";
import { toQuantity } from "ethers";
import { z } from "zod/v4";

import { type Node, nodeAt } from "../../agents/chain/node.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import { FaultyNode, HONEST, type Manner, type Question } from "../chain/faulty-node.ts";
import { type Chain, startChain } from "../agents/community-stage.ts";
import { OPERATOR_KEY, type Outcome, pof } from "./stage.ts";

const NOWHERE = "http://127.0.0.1:1";
const KEYS = { OPERATOR_KEY };

const findingSchema = z.object({ check: z.string(), outcome: z.string(), says: z.string() });
const doctorSchema = z.object({ ok: z.boolean(), findings: z.array(findingSchema) });
type Finding = z.output<typeof findingSchema>;

const lies: Manner = ({ method }) => (method === "eth_chainId" ? { result: "0x1" } : undefined);

describe("pof, with several nodes to ask,", function () {
  this.timeout(120_000);

  const folder = mkdtempSync(join(tmpdir(), "pof-nodes-"));
  let chain: Chain;
  let node: Node;
  let faulty: FaultyNode;
  let faultyUrl: string;

  before(async function () {
    chain = await startChain();
    node = nodeAt(chain.node.url);
    faulty = new FaultyNode(chain.node.url);
    faultyUrl = await faulty.listen();
    await openSqliteStore(join(folder, "operator.sqlite")).close();
  });

  beforeEach(function () {
    faulty.manner = HONEST;
    faulty.asked.clear();
  });

  after(async function () {
    rmSync(folder, { recursive: true });
    faulty.close();
    node.destroy();
    await chain.close();
  });

  /** The Operator's configuration with these nodes. */
  function configured(rpcUrl: string, otherRpcUrls: readonly string[], more: object = {}): string[] {
    const file = join(folder, "operator.json");
    const fields = {
      rpcUrl,
      otherRpcUrls,
      registry: chain.addresses.registry,
      store: join(folder, "operator.sqlite"),
      walletKey: "OPERATOR_KEY",
      funds: { minimum: 0, target: 1_000 },
      feeders: [{ ders: "all", sources: [{ kind: "wind", ratedW: 5_000, meanSpeed: 6, seed: 1 }] }],
      inspected: "all",
      evidence: [],
      ...more,
    };
    writeFileSync(file, JSON.stringify(fields));
    return ["--config", file];
  }

  /** Of a node that does not know of the newest blocks. @param timestamp of its newest one; as it is by default */
  async function behindBy(blocks: number, timestamp?: number): Promise<Manner> {
    const newest = (await node.getBlock("latest"))!;
    const head = {
      number: toQuantity(newest.number - blocks),
      timestamp: toQuantity(timestamp ?? newest.timestamp),
    };
    const asked = ({ method, params }: Question): boolean =>
      method === "eth_getBlockByNumber" && params[0] === "latest";
    return (question) => (asked(question) ? { result: head } : undefined);
  }

  const commands: [name: string, args: string[]][] = [
    ["status", ["status"]],
    ["fund", ["fund", "7"]],
    ["order", ["order", "--epochs", "2", "--wh", "1000", "--dry-run"]],
    ["withdraw", ["withdraw", "1", "--dry-run"]],
    ["disputes list", ["disputes", "list"]],
  ];
  const run = (args: string[], config: string[]): Promise<Outcome> => pof([...args, ...config], KEYS);

  for (const [name, args] of commands) {
    it(`${name} asks another one where the first is down, or of another chain`, async function () {
      const down = await run(args, configured(NOWHERE, [chain.node.url], { chainId: 31_337 }));
      expect([down.status, down.stderr]).to.deep.equal([0, ""]);
      faulty.manner = lies;
      const lying = await run(args, configured(faultyUrl, [chain.node.url], { chainId: 31_337 }));
      expect([lying.status, lying.stderr]).to.deep.equal([0, ""]);
      expect(faulty.asked.has("eth_call"), "what the contracts say is not asked of it").to.be.false;
    });

    it(`${name} asks none that lags, or is stale`, async function () {
      for (const rule of [{ maxLagBlocks: 1 }, { maxHeadAgeSeconds: 10 ** 9 }]) {
        faulty.manner = await behindBy(2, 1);
        const outcome = await run(args, configured(faultyUrl, [chain.node.url], rule));
        expect([outcome.status, outcome.stderr], JSON.stringify(rule)).to.deep.equal([0, ""]);
        expect(faulty.asked.has("eth_call"), JSON.stringify(rule)).to.be.false;
      }
    });

    it(`${name} refuses a node of another chain, in one line`, async function () {
      const config = configured(chain.node.url, [], { chainId: 1 });
      const outcome = await run(args, config);
      expect([outcome.status, outcome.stdout, outcome.stderr]).to.deep.equal([
        1,
        "",
        `the rpcUrl of ${config[1]} cannot be used: the node is of another chain: expected 1, received 31337\n`,
      ]);
    });
  }

  it("says of all of them that none can be used", async function () {
    const config = configured(NOWHERE, ["http://127.0.0.1:2"]);
    const { status, stderr } = await run(["status"], config);
    expect(status).to.equal(1);
    expect(stderr).to.equal(
      `each of rpcUrl and otherRpcUrls of ${config[1]} cannot be used: connect ECONNREFUSED 127.0.0.1:2\n`,
    );
  });

  describe("doctor", function () {
    async function examined(config: string[]): Promise<{ status: number | null; findings: Finding[] }> {
      const { status, stdout, stderr } = await run(["doctor", "--json"], config);
      const { ok, findings } = doctorSchema.parse(JSON.parse(stdout || `"${stderr}"`));
      expect(ok).to.equal(status === 0);
      return { status, findings };
    }
    const hosts = (...urls: string[]): string[] => urls.map((url) => new URL(url).host);

    it("tells of each, and warns of one that the agent would not ask", async function () {
      faulty.manner = lies;
      const urls = [NOWHERE, faultyUrl, chain.node.url];
      const { status, findings } = await examined(configured(urls[0]!, urls.slice(1), { chainId: 31_337 }));
      const [nowhere, liar, honest] = hosts(...urls);
      const of = (check: string): string[] =>
        findings.filter((found) => found.check === check).map(({ outcome, says }) => `${outcome}: ${says}`);
      expect(of("node")).to.deep.equal([
        `warning: ${nowhere}: connect ECONNREFUSED 127.0.0.1:1`,
        `ok: ${liar} answers`,
        `ok: ${honest} answers`,
      ]);
      expect(of("chain")).to.deep.equal([
        `warning: ${liar}: expected chain 31337, received 1`,
        `ok: ${honest} is of chain 31337`,
      ]);
      expect(of("role"), "the contracts are asked by the one in order").to.deep.equal([
        "ok: the wallet is the operator's",
      ]);
      expect(status).to.equal(0);
    });

    it("warns of one that lags; where there is no other one, that is a failure", async function () {
      const real = (await node.send("eth_getBlockByNumber", ["latest", false])) as { number: string };
      const result = { ...real, number: toQuantity(Number(real.number) - 3) };
      faulty.manner = ({ method }) => (method === "eth_getBlockByNumber" ? { result } : undefined);
      const [host] = hosts(faultyUrl);
      const lag = { check: "node", says: `${host}: it is 3 blocks behind` };
      const two = await examined(configured(faultyUrl, [chain.node.url], { maxLagBlocks: 2 }));
      expect(two.status).to.equal(0);
      expect(two.findings).to.deep.include({ ...lag, outcome: "warning" });
      const stale = await examined(configured(chain.node.url, [], { maxHeadAgeSeconds: 1 }));
      const [found] = stale.findings;
      expect(stale.status, "the chain of this test is not of today").to.equal(1);
      expect(found).to.include({ check: "node", outcome: "failure" });
      expect(found?.says).to.match(/its newest block is \d+ s old$/);
    });

    it("fails where none answers", async function () {
      const { status, findings } = await examined(configured(NOWHERE, ["http://127.0.0.1:2"]));
      expect(status).to.equal(1);
      const nodes = findings.filter(({ check }) => check === "node");
      expect(nodes.map(({ outcome }) => outcome)).to.deep.equal(["failure", "failure"]);
    });
  });
});
