import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";
import { z } from "zod/v4";

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the demo with these arguments, as a process. */
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

const figure = z.number().int();
const energySchema = z.object({ fed: figure, requested: figure, credited: figure, awarded: figure });

/** What whoever reads the demo's document may rely on. */
const reportSchema = z.object({
  ok: z.boolean(),
  ders: figure,
  epochs: figure,
  seed: figure,
  sweepEvery: figure,
  energyWh: energySchema,
  parties: z.array(
    z.object({
      name: z.string(),
      role: z.enum(["der", "aggregator", "operator"]),
      part: z.string().nullable(),
      kind: z.string(),
      status: z.string(),
      account: figure.nullable(),
      powerW: figure,
      price: figure,
      energy: energySchema,
      penalties: figure,
      deposited: figure,
      withdrawn: figure,
      balance: figure,
    }),
  ),
  disputes: z.array(
    z.object({
      der: z.string(),
      part: z.string(),
      epoch: figure,
      claimWh: figure,
      awardedWh: figure.nullable(),
      expected: z.enum(["none", "aggregator", "der"]),
      actual: z.enum(["none", "aggregator", "der", "open"]),
      paid: figure.nullable(),
      fine: figure.nullable(),
      reasons: z.array(z.string()).min(1),
    }),
  ),
  conservation: z.object({
    assetsHeld: figure,
    sumOfAccounts: figure,
    sumOfEvents: figure,
    accounts: figure,
    differing: figure,
    balanced: z.boolean(),
  }),
  gas: z.record(z.string(), z.object({ count: figure, least: figure, most: figure, mean: figure })),
  expectations: z.array(z.object({ what: z.string(), met: z.boolean(), seen: z.string() })).min(1),
  seconds: z.number().positive(),
  replay: z.record(z.string(), z.unknown()).nullable(),
});
type Report = z.output<typeof reportSchema>;

const SMALL = ["--ders", "6", "--epochs", "8", "--json"];

/**
 * A day of measured power in kW, in quarter-hours, as such files come: negative at night, one cell empty, two rows
 * missing. The sun is up from 6 to 18 o'clock.
 */
function dirtyDay(): string {
  const midnight = Date.UTC(2025, 6, 1);
  const rows = Array.from({ length: 96 }, (_, step) => {
    const height = Math.sin((Math.PI * (step - 24)) / 48);
    const power = step < 24 || step >= 72 ? "-0.01" : (4.5 * height).toFixed(3);
    return `${new Date(midnight + step * 900_000).toISOString()},${step === 40 ? "" : power}`;
  });
  return ["measured_on,ac_power", ...rows.filter((_, step) => step !== 33 && step !== 34), ""].join("\n");
}

/** Whether the process that a record of deployments is named after is there. */
function isRunning(record: string): boolean {
  try {
    return process.kill(Number(record.replace("demo-", "")), 0);
  } catch {
    return false; // no such process
  }
}

function sum(figures: readonly number[]): number {
  return figures.reduce((total, each) => total + each, 0);
}

/** Holds for every run: the books agree with each other, and every dispute ended as it should. */
function expectSound(outcome: Outcome): Report {
  expect(outcome.status, outcome.stderr).to.equal(0);
  const report = reportSchema.parse(JSON.parse(outcome.stdout));
  const { energyWh, parties, disputes, conservation, expectations } = report;
  expect(expectations.filter(({ met }) => !met)).to.deep.equal([]);
  expect(report.ok).to.be.true;

  const ders = parties.filter(({ role }) => role === "der");
  expect(ders).to.have.length(report.ders);
  for (const kind of ["fed", "requested", "credited", "awarded"] as const) {
    // What was fed is in whole Wh for each DER, too, so that the sums agree.
    expect(sum(ders.map(({ energy }) => energy[kind])), kind).to.equal(energyWh[kind]);
  }
  for (const { name, energy } of ders) {
    expect(energy.credited + energy.awarded, name).to.be.at.most(energy.requested);
  }
  for (const { actual, expected, der, awardedWh, claimWh, part, fine } of disputes) {
    expect(actual, der).to.equal(expected);
    expect(awardedWh).to.be.within(0, claimWh);
    if (part === "short-changed") expect(fine).to.be.above(0);
  }
  expect(conservation).to.include({ balanced: true, differing: 0 });
  expect(conservation.assetsHeld).to.equal(conservation.sumOfAccounts);
  expect(conservation.assetsHeld).to.equal(sum(parties.map(({ balance }) => balance)));
  return report;
}

describe("npm run demo", function () {
  this.timeout(180_000);

  const folder = mkdtempSync(join(tmpdir(), "demo-test-"));
  const csv = join(folder, "plant.csv");
  const records = (): string[] =>
    existsSync("ignition/deployments") ? readdirSync("ignition/deployments") : [];
  let present: string[];

  before(function () {
    writeFileSync(csv, dirtyDay());
    present = records();
  });

  after(function () {
    rmSync(folder, { recursive: true });
  });

  describe("with --json", function () {
    let first: Outcome;

    it("prints one JSON document of a day as expected, and nothing else", async function () {
      first = await demo(...SMALL);
      const report = expectSound(first);
      expect(report).to.include({ ders: 6, epochs: 8, seed: 1, sweepEvery: 1, replay: null });
      expect(report.parties.map(({ role }) => role)).to.deep.equal([
        ...Array<string>(6).fill("der"),
        "aggregator",
        "operator",
      ]);
      expect(report.energyWh.credited).to.be.above(0);
      const parts = new Set(report.disputes.map(({ part }) => part));
      expect([...parts].sort()).to.deep.equal(["boaster", "short-changed"]);
      const kinds = ["join", "requestFlow", "sweepEpoch", "raiseDisputeEvent", "resolveDispute", "withdraw"];
      expect(report.gas).to.include.keys(kinds);
      for (const { count, least, mean, most } of Object.values(report.gas)) {
        expect(count).to.be.above(0);
        expect(least <= mean && mean <= most).to.be.true;
      }
    });

    it("tells of its progress on standard error, line by line", function () {
      expect(first.stderr).to.match(/^\d\d:\d\d {2}8 of 8 epochs$/m);
      expect(first.stderr).to.contain("join refused: PriceTooHigh");
    });

    it("comes to the same energy and the same money with the same seed", async function () {
      const again = expectSound(await demo(...SMALL));
      const report = expectSound(first);
      expect(again.energyWh).to.deep.equal(report.energyWh);
      expect(again.parties).to.deep.equal(report.parties);
      expect(again.disputes.map(({ der, epoch, awardedWh }) => [der, epoch, awardedWh])).to.deep.equal(
        report.disputes.map(({ der, epoch, awardedWh }) => [der, epoch, awardedWh]),
      );
    });

    it("replays measured power, and reports what was wrong with the file", async function () {
      const args = ["--replay", csv, "--column", "ac_power", "--unit", "kW"];
      const report = expectSound(await demo(...SMALL, "--seed", "2", ...args));
      expect(report.seed).to.equal(2);
      expect(report.replay).to.include({
        rows: 94,
        negative: 48,
        empty: 1,
        outOfOrder: 0,
        duplicates: 0,
        unparseable: 0,
        stepSeconds: 900,
        peakW: 4_500,
      });
      expect(report.replay?.["gaps"]).to.not.be.empty;
      const ders = report.parties.filter(({ role }) => role === "der");
      expect(new Set(ders.map(({ kind }) => kind))).to.deep.equal(new Set(["replay"]));
    });

    it("leaves no record of its deployments behind", function () {
      // Another test may be running a demo at this moment, and has its record for as long as that.
      expect(records().filter((record) => !present.includes(record) && !isRunning(record))).to.deep.equal([]);
    });
  });

  describe("with wrong options says why in one line, with exit status 2:", function () {
    const replay = (...args: string[]): string[] => ["--replay", csv, ...args];
    const cases: [what: string, args: string[], says: RegExp][] = [
      ["an unknown option", ["--sunshine", "8"], /unknown option '--sunshine'/],
      ["too few DERs", ["--ders", "2"], /--ders .*whole number from 6/],
      ["a unit that is none", replay("--column", "ac_power", "--unit", "MW"), /--unit .*W, kW/],
      [
        "a file that is not there",
        ["--replay", join(folder, "no.csv"), "--column", "ac_power", "--unit", "kW"],
        /no\.csv/,
      ],
      ["a column that is not there", replay("--column", "dc_power", "--unit", "kW"), /dc_power/],
      ["--replay without a column", replay(), /--replay FILE needs --column NAME and --unit W\|kW/],
      ["--column without --replay", ["--column", "ac_power"], /--column and --unit go with --replay FILE/],
    ];

    /** Two at a time, as there may be no more processors. */
    const outcomes = new Map<string, Outcome>();

    before(async function () {
      for (let i = 0; i < cases.length; i += 2) {
        const pair = cases.slice(i, i + 2);
        await Promise.all(pair.map(async ([what, args]) => outcomes.set(what, await demo(...args))));
      }
    });

    for (const [what, , says] of cases) {
      it(what, function () {
        const { status, stdout, stderr } = outcomes.get(what)!;
        expect(status, stderr).to.equal(2);
        expect(stderr)
          .to.match(/^[^\n]+\n$/)
          .and.to.match(says);
        expect(stdout).to.equal("");
      });
    }
  });

  it("explains itself with --help", async function () {
    const { status, stdout, stderr } = await demo("--help");
    expect(status).to.equal(0);
    expect(stdout).to.contain("--ders").and.to.contain("--replay").and.to.contain("Examples:");
    expect(stderr).to.equal("");
  });
});
