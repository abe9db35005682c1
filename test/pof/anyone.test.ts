import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";
import { z } from "zod/v4";

import { CHECKS } from "../../agents/evidence/checks.ts";
import { disputedEpoch, type DisputedEpoch, expectLines, pof, pofProcess, pofs } from "./stage.ts";

const verifySchema = z.object({
  ok: z.boolean(),
  subject: z.object({ role: z.string(), energyWh: z.string() }).nullable(),
  checks: z.array(
    z.object({
      check: z.string(),
      outcome: z.enum(["holds", "fails", "unchecked"]),
      detail: z.string(),
      says: z.string(),
    }),
  ),
});

const adjudicateSchema = z.object({
  verdict: z.object({
    by: z.string(),
    fault: z.string(),
    awardedWh: z.string(),
    rule: z.string(),
    reasons: z.array(z.string()),
  }),
  evidenceHash: z.string(),
  evidence: z.record(z.string(), z.object({ file: z.string() }).nullable()),
  chain: z.object({ disputeId: z.string(), status: z.string(), agrees: z.boolean().nullable() }).nullable(),
});

const NAMES = Object.keys(CHECKS);
const ON_CHAIN = ["chain", "contract", "blocks", "authority", "transaction", "terms"];
const FILES = ["der.json", "aggregator.json", "feeder.json"];

/** A node that answers everything with the same. */
async function lyingNode(status: number, body: string): Promise<{ url: string; server: Server }> {
  const server = createServer((_, response) => response.writeHead(status).end(body)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

describe("pof, for anyone who has the files:", function () {
  this.timeout(180_000);

  const folder = mkdtempSync(join(tmpdir(), "pof-test-"));
  let stage: DisputedEpoch;
  let files: [der: string, aggregator: string, feeder: string];
  let rpc: string[];

  before(async function () {
    stage = await disputedEpoch();
    const own = join(stage.folder, stage.ruled.dispute.id.toString());
    files = FILES.map((name) => join(own, name)) as typeof files;
    rpc = ["--rpc", stage.chain.node.url];
  });

  after(async function () {
    rmSync(folder, { recursive: true });
    await stage.close();
  });

  /** A copy of the DER's bundle with this done to its text. */
  function altered(name: string, change: (text: string) => string): string {
    const file = join(folder, name);
    writeFileSync(file, change(readFileSync(files[0], "utf8")));
    return file;
  }

  describe("verify", function () {
    it("finds that all holds which can be checked without a chain, and says what cannot", async function () {
      for (const { status, stdout, stderr } of await pofs(files.map((file) => ["verify", file, "--json"]))) {
        expect([status, stderr]).to.deep.equal([0, ""]);
        const { ok, checks } = verifySchema.parse(JSON.parse(stdout));
        expect(ok).to.be.true;
        expect(checks.map(({ check }) => check)).to.deep.equal(NAMES);
        const open = checks.filter(({ outcome }) => outcome !== "holds");
        expect(open.map(({ check, outcome }) => [check, outcome])).to.deep.equal(
          ON_CHAIN.map((check) => [check, "unchecked"]),
        );
      }
    });

    it("leaves nothing unchecked with a chain to ask", async function () {
      const runs = files.map((file) => ["verify", file, ...rpc, "--json"]);
      for (const { status, stdout } of await pofs(runs)) {
        expect(status, stdout).to.equal(0);
        const { checks } = verifySchema.parse(JSON.parse(stdout));
        expect(new Set(checks.map(({ outcome }) => outcome))).to.deep.equal(new Set(["holds"]));
      }
    });

    it("tells each check in words, with a mark", async function () {
      const { status, stdout } = await pofProcess(["verify", files[0]]);
      expect(status).to.equal(0);
      const lines = stdout.split("\n");
      for (const [check, sentence] of Object.entries(CHECKS)) {
        const line = lines.find((candidate) => candidate.endsWith(` ${sentence}`));
        expect(line, check).to.match(ON_CHAIN.includes(check) ? /^ {2}\? / : /^ {2}✓ /);
      }
      expect(stdout).to.contain(
        "15 checks hold, 6 could not be made (needs a chain to ask: name a node with --rpc)",
      );
    });

    it("finds a figure that was changed, with what was expected and received", async function () {
      const file = altered("more.json", (text) => text.replace('"energyWh":"1800"', '"energyWh":"1900"'));
      const { status, stdout, stderr } = await pof(["verify", file]);
      expect([status, stderr]).to.deep.equal([1, ""]);
      expect(stdout).to.match(/✗ energy .*\n +expected 1900 Wh, received 1800 Wh\n/);
      expect(stdout).to.match(/✗ signature /);
    });

    it("takes a file of another form for no bundle", async function () {
      const changes: ((text: string) => string)[] = [
        (text) => `${text}\n`,
        (text) => text.replace("{", '{"x":1,'),
        () => "hello",
      ];
      const runs = changes.map((change, i) => ["verify", altered(`form-${i}.json`, change), "--json"]);
      for (const { status, stdout } of await pofs(runs)) {
        expect(status).to.equal(1);
        const { subject, checks } = verifySchema.parse(JSON.parse(stdout));
        expect(subject).to.be.null;
        expect(checks.find(({ outcome }) => outcome === "fails")?.check).to.equal("format");
        expect(checks.map(({ check }) => check)).to.deep.equal(NAMES);
      }
    });

    it("finds evidence of a chain that was left behind", async function () {
      const file = altered("fork.json", (text) =>
        text.replaceAll(/"transaction":"0x../g, '"transaction":"0xaa'),
      );
      const { status, stdout } = await pof(["verify", file, ...rpc, "--json"]);
      expect(status).to.equal(1);
      const failed = verifySchema
        .parse(JSON.parse(stdout))
        .checks.filter(({ outcome }) => outcome === "fails");
      expect(failed.map(({ check }) => check)).to.deep.equal(["seal", "transaction"]);
    });

    it("finds, without a chain, what only a chain could vouch for, if it is not as its holder sealed it", async function () {
      const changes: ((text: string) => string)[] = [
        (text) => text.replace(/"registry":"0x\w{40}"/, `"registry":"${stage.chain.addresses.vault}"`),
        (text) => text.replace(/"transaction":"0x../, '"transaction":"0xaa'),
        (text) => text.replace(/"header":"0x\w+"/, '"header":null'),
      ];
      const runs = changes.map((change, i) => ["verify", altered(`unsealed-${i}.json`, change)]);
      for (const { status, stdout } of await pofs(runs)) {
        expect(status).to.equal(1);
        expect(stdout).to.match(/✗ seal .*\n +expected 0x\w{40}, received 0x\w{40}\n/);
      }
    });
  });

  describe("adjudicate", function () {
    it("comes to the verdict and the evidence hash that the chain carries", async function () {
      const { status, stdout } = await pof(["adjudicate", ...files, "--json", ...rpc]);
      expect(status, stdout).to.equal(0);
      const { verdict, evidenceHash, chain } = adjudicateSchema.parse(JSON.parse(stdout));
      const { dispute } = stage.ruled;
      expect(verdict).to.deep.equal({
        ...stage.ruled.verdict,
        awardedWh: `${stage.ruled.verdict.awardedWh}`,
      });
      expect(evidenceHash).to.equal(stage.ruled.evidenceHash);
      expect(chain).to.deep.equal({ disputeId: `${dispute.id}`, status: "ruled", agrees: true });
    });

    it("comes to the same without a chain", async function () {
      const { status, stdout } = await pof(["adjudicate", ...files]);
      expect(status).to.equal(0);
      expect(stdout).to.contain(`rule        ${stage.ruled.verdict.rule}\n`);
      expect(stdout).to.contain("the Aggregator at fault; ").and.to.contain(stage.ruled.evidenceHash);
      for (const reason of stage.ruled.verdict.reasons) expect(stdout).to.contain(reason);
    });

    it("says so where the chain's ruling rests on other evidence", async function () {
      const { status, stdout } = await pof(["adjudicate", files[0], "none", ...rpc, "--json"]);
      expect(status).to.equal(1);
      const { verdict, evidence, chain } = adjudicateSchema.parse(JSON.parse(stdout));
      expect(verdict).to.include({ by: "rules", rule: "respondent-silent", fault: "aggregator" });
      expect(evidence).to.include({ aggregator: null, feeder: null });
      expect(chain?.agrees).to.be.false;
    });

    it("leaves open what the rules leave open", async function () {
      const own = join(stage.folder, stage.open.dispute.id.toString());
      const id = stage.open.dispute.id.toString();
      const args = [join(own, "der.json"), join(own, "aggregator.json"), "--dispute", id, ...rpc, "--json"];
      const { status, stdout } = await pof(["adjudicate", ...args]);
      expect(status, stdout).to.equal(0);
      const { verdict, evidenceHash, chain } = adjudicateSchema.parse(JSON.parse(stdout));
      expect(verdict).to.include({ by: "person", rule: "no-third-meter" });
      expect(evidenceHash).to.equal(stage.open.evidenceHash);
      expect(chain).to.deep.equal({ disputeId: id, status: "open", agrees: null });
    });

    it("takes evidence of another dispute for none", async function () {
      const id = stage.open.dispute.id.toString();
      const { stdout } = await pof(["adjudicate", ...files, "--dispute", id, ...rpc, "--json"]);
      expect(adjudicateSchema.parse(JSON.parse(stdout)).verdict.rule).to.equal("claimant-evidence-fails");
    });

    it("judges a party that gave what cannot be read", async function () {
      const { status, stdout } = await pof(["adjudicate", altered("no.json", () => "{}"), "none", "--json"]);
      expect(status).to.equal(0);
      expect(adjudicateSchema.parse(JSON.parse(stdout)).verdict.rule).to.equal("claimant-evidence-fails");
    });
  });

  describe("explain", function () {
    const wh = z.string().nullable();
    const explainSchema = z.object({
      der: z.string(),
      energyWh: z.object({ der: wh, aggregator: wh, feeder: wh }),
      intervals: z.array(z.object({ from: z.number(), to: z.number(), apartWh: wh, parts: z.boolean() })),
      partedAt: z.number().nullable(),
      feeder: z
        .object({ neighbours: z.number(), sawWh: z.string(), neighboursWh: z.string(), leftWh: z.string() })
        .nullable(),
      doubts: z.array(z.object({ file: z.string(), failed: z.array(z.string()) })),
    });

    it("puts the meters side by side, and says where they part", async function () {
      const [der, aggregator, feeder] = files;
      const { status, stdout } = await pof(["explain", feeder, der, aggregator, "--json"]);
      expect(status).to.equal(0);
      const { energyWh, intervals, partedAt, feeder: seen, doubts } = explainSchema.parse(JSON.parse(stdout));
      expect(energyWh).to.deep.equal({ der: "1800", aggregator: "905", feeder: "3600" });
      expect(intervals.at(-1)).to.include({ apartWh: "895", parts: true });
      expect(intervals[0]?.parts).to.be.false;
      expect(partedAt).to.equal(intervals.find(({ parts }) => parts)?.to);
      expect(seen).to.deep.equal({ sawWh: "3600", neighbours: 1, neighboursWh: "1800", leftWh: "1800" });
      expect(doubts).to.be.empty;
    });

    it("draws them, with axes, units and a legend, and tells the same in a table", async function () {
      const picture = join(folder, "case.svg");
      const { status, stdout } = await pof(["explain", ...files, "--out", picture]);
      expect(status).to.equal(0);
      expect(stdout).to.contain("◄ apart").and.to.contain("1,800 Wh are left for this one");
      expect(stdout).to.contain(`Picture: ${picture}`);
      const svg = readFileSync(picture, "utf8");
      const words = [
        "DER's meter",
        "Aggregator's meter",
        "feeder meter",
        "energy (Wh)",
        "(UTC)",
        "apart by 895 Wh",
      ];
      for (const word of words) expect(svg).to.contain(word);
      expect(svg).to.match(/^<svg xmlns[^>]*>[^]*<title>[^<]+<\/title>[^]*<\/svg>\n$/);
      expect(svg)
        .to.contain("prefers-color-scheme: dark")
        .and.to.not.match(/NaN|undefined/);
    });

    it("does so with fewer files, and with doubts about those that fail a check", async function () {
      const file = altered("less.json", (text) => text.replace('"energyWh":"1800"', '"energyWh":"1900"'));
      const runs = [file, files[1], files[2]].map((each) => ["explain", each]);
      const outcomes = await pofs(runs);
      for (const { status, stderr } of outcomes) expect([status, stderr]).to.deep.equal([0, ""]);
      expect(outcomes[0]?.stdout).to.match(/less\.json: energy, .*fails; see: npm run pof -- verify/);
      expect(outcomes[1]?.stdout).to.not.contain("difference");
    });
  });

  describe("says in one line what is wrong:", function () {
    const servers: Server[] = [];

    after(function () {
      for (const server of servers) server.close();
    });

    async function liar(status: number, body: string): Promise<string> {
      const { url, server } = await lyingNode(status, body);
      servers.push(server);
      return url;
    }

    it("the command line", async function () {
      const cases: [args: string[], says: RegExp][] = [
        [[], /a command is needed \(see: npm run pof -- --help\)/],
        [["prove"], /unknown command 'prove'/],
        [["verify"], /missing required argument 'file' \(see: npm run pof -- verify --help\)/],
        [["verify", files[0], "--rcp", "x"], /unknown option '--rcp'/],
        [["verify", files[0], "--rpc", "localhost"], /It must be an address such as http/],
        [["verify", files[0], "--from-block", "x"], /whole number from 0/],
        [["explain", files[0], files[0]], /two of the files are of the DER: name one of each role/],
        [
          ["explain", files[0], join(stage.folder, `${stage.open.dispute.id}`, "aggregator.json")],
          /of two DERs/,
        ],
        [["explain", "package.json"], /package\.json is no bundle: /],
        [
          ["explain", files[0], "--out", join(folder, "no", "case.svg")],
          /case\.svg cannot be written: ENOENT/,
        ],
        [["adjudicate", files[0]], /missing required argument 'aggregator-file'/],
        [["adjudicate", files[0], "none", "--dispute", "1"], /--dispute ID goes with --rpc URL/],
        [["adjudicate", "none", "none", ...rpc], /--rpc needs a file that can be read as a bundle/],
      ];
      await expectLines(2, cases);
      const outcome = await pofProcess([]);
      expect([outcome.status, outcome.stdout]).to.deep.equal([2, ""]);
      expect(outcome.stderr).to.equal("a command is needed (see: npm run pof -- --help)\n");
    });

    it("a file that cannot be read", async function () {
      await expectLines(2, [
        [["verify", join(folder, "no-such.json")], /no-such\.json cannot be read: ENOENT/],
        [["adjudicate", folder, "none"], /cannot be read: EISDIR/],
      ]);
    });

    it("a node that cannot be used", async function () {
      const { registry, vault } = stage.chain.addresses;
      const elsewhere = await liar(200, '{"jsonrpc":"2.0","id":1,"result":"0x1"}');
      const cases: [args: string[], says: RegExp][] = [
        [["--rpc", "http://127.0.0.1:1"], /http:\/\/127\.0\.0\.1:1 cannot be used: connect ECONNREFUSED/],
        [["--rpc", await liar(200, "<html>")], /cannot be used: the node answered with no JSON/],
        [["--rpc", await liar(500, "")], /cannot be used: .*500/],
        [["--rpc", elsewhere], /the node is of another chain: expected 31337, received 1/],
        [[...rpc, "--registry", vault], /the contract at 0x\w+ is no Registry/],
        [[...rpc, "--registry", registry.toLowerCase().replace(/..$/, "00")], /it has no contract at 0x/],
        [[...rpc, "--from-block", "999999"], /registered no ARIA from block 999999 on: start at an earlier/],
      ];
      await expectLines(
        1,
        cases.map(([args, says]) => [["verify", files[0], ...args], says]),
      );
    });
  });

  it("explains itself with --help, and each command with examples", async function () {
    const commands = ["verify", "explain", "adjudicate", "evidence", "disputes"];
    const [all, ...each] = await pofs([["--help"], ...commands.map((command) => [command, "--help"])]);
    expect(all?.status).to.equal(0);
    for (const command of commands) expect(all?.stdout).to.contain(command);
    for (const help of each) {
      expect([help.status, help.stderr]).to.deep.equal([0, ""]);
      expect(help.stdout).to.contain("Example");
    }
  });
});
