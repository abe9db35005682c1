import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";
import { z } from "zod/v4";

import { type Outcome, pofs } from "../pof/stage.ts";

const reportSchema = z.object({
  disputes: z
    .array(
      z.object({
        id: z.string(),
        awardedWh: z.number(),
        actual: z.enum(["none", "aggregator", "der"]),
        evidenceHash: z.string().nullable(),
      }),
    )
    .min(1),
});
const verdictSchema = z.object({
  by: z.string(),
  fault: z.string(),
  awardedWh: z.string(),
  rule: z.string(),
});
const rulingSchema = z.object({
  disputeId: z.string(),
  aria: z.string(),
  chainId: z.literal("31337"),
  verdict: verdictSchema,
  evidenceHash: z.string(),
  heardAt: z.number(),
  files: z.array(z.string()),
});
const FILES = ["der.json", "aggregator.json", "feeder.json"];

async function demo(...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, ["--import", "tsx", "scripts/demo/main.ts", ...args], {
    env: { ...process.env, NODE_NO_WARNINGS: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout, stderr };
}

describe("npm run demo -- --evidence DIR", function () {
  this.timeout(180_000);

  const folder = mkdtempSync(join(tmpdir(), "demo-evidence-"));
  const evidence = join(folder, "new", "evidence");
  let disputes: z.output<typeof reportSchema>["disputes"];

  before(async function () {
    const outcome = await demo("--ders", "6", "--epochs", "8", "--json", "--evidence", evidence);
    expect(outcome.stdout, outcome.stderr).to.match(/^\{/);
    ({ disputes } = reportSchema.parse(JSON.parse(outcome.stdout)));
  });

  after(function () {
    rmSync(folder, { recursive: true });
  });

  function rulingOf(id: string): z.output<typeof rulingSchema> {
    return rulingSchema.parse(JSON.parse(readFileSync(join(evidence, id, "ruling.json"), "utf8")));
  }

  it("writes all that was heard in each dispute, and what was made of it", function () {
    expect(readdirSync(evidence).sort()).to.deep.equal(disputes.map(({ id }) => id).sort());
    for (const { id } of disputes) {
      const { disputeId, files } = rulingOf(id);
      expect([disputeId, files]).to.deep.equal([id, FILES]);
      expect(readdirSync(join(evidence, id)).sort()).to.deep.equal([...FILES, "ruling.json"].sort());
    }
  });

  it("writes bundles that pof verify finds in order", async function () {
    const files = disputes.flatMap(({ id }) => FILES.map((name) => join(evidence, id, name)));
    const outcomes = await pofs(files.map((file) => ["verify", file]));
    for (const { status, stdout } of outcomes) expect(status, stdout).to.equal(0);
  });

  it("writes evidence of which pof adjudicate makes what the chain carries", async function () {
    const runs = disputes.map(({ id }) => [
      "adjudicate",
      ...FILES.map((name) => join(evidence, id, name)),
      "--json",
    ]);
    const outcomes = await pofs(runs);
    for (const [i, { id, evidenceHash, actual, awardedWh }] of disputes.entries()) {
      const ruling = rulingOf(id);
      const made = z
        .object({ verdict: verdictSchema, evidenceHash: z.string() })
        .parse(JSON.parse(outcomes[i]!.stdout));
      expect(made).to.deep.equal({ verdict: ruling.verdict, evidenceHash: ruling.evidenceHash });
      if (ruling.verdict.by === "person") continue; // nobody rules in the demo's place
      expect(evidenceHash).to.equal(made.evidenceHash);
      expect([actual, `${awardedWh}`]).to.deep.equal([made.verdict.fault, made.verdict.awardedWh]);
    }
  });

  it("refuses a folder with something in it, and what is no folder, before it plays the day", async function () {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const outcomes = [await demo("--evidence", folder), await demo("--evidence", file)];
    for (const { status, stdout, stderr } of outcomes) {
      expect([status, stdout], stderr).to.deep.equal([2, ""]);
      expect(stderr).to.match(/^[^\n]+\n$/);
    }
    expect(outcomes[0]?.stderr).to.contain(`${folder} is not empty: name a folder that is`);
    expect(outcomes[1]?.stderr).to.contain(`${file} cannot be used as a folder: ENOTDIR`);
    expect(existsSync(file)).to.be.true;
  });
});
