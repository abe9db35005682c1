import Table from "cli-table3";
import type { Command } from "commander";

import { faultsIn } from "../evidence/checks.ts";
import { type Bundle, BundleFormatError, type Role } from "../evidence/format.ts";
import { verifyBundle } from "../evidence/verify.ts";
import { type CaseView, type Interval, partsAt, viewOf } from "./case.ts";
import { chartOf } from "./chart.ts";
import { Failure } from "./failure.ts";
import { bundleIn, readText, writeText } from "./files.ts";
import type { Shell } from "./shell.ts";
import { epochTime, grouped, holderOf, jsonText } from "./words.ts";

interface ExplainOptions {
  readonly out?: string;
  readonly json?: boolean;
}

/** `pof explain`: a case for a person to look at. */
export function addExplain(program: Command, shell: Shell): void {
  program
    .command("explain")
    .description("Puts the meters of a case side by side: a table, and a picture with --out.")
    .argument("<files...>", "bundles of one case, up to one of each role, in any order")
    .option("--out <file>", "draw a picture of the case, SVG")
    .option("--json", "print one JSON document on standard output, and nothing else")
    .addHelpText(
      "after",
      "\nIt tells what the files say; whether that holds is for `verify`.\n\nExamples:\n  npm run pof -- explain der.json aggregator.json feeder.json --out case.svg\n  npm run --silent pof -- explain der.json --json",
    )
    .action((files: string[], options: ExplainOptions) => {
      shell.done(explain(files, options, shell));
    });
}

function explain(files: readonly string[], { out, json }: ExplainOptions, shell: Shell): number {
  const read = files.map((file) => ({ file, bundle: readable(file) }));
  const view = viewOf(read.map(({ bundle }) => bundle));
  if (out !== undefined) writeText(out, chartOf(view));
  const doubts = read.flatMap(({ file, bundle }) => {
    const failed = faultsIn(verifyBundle(bundle)).map(({ check }) => check);
    return failed.length === 0 ? [] : [{ file, failed }];
  });
  shell.stdout.write(`${json ? documentOf(view, doubts, out) : report(view, doubts, out)}\n`);
  return 0;
}

function readable(file: string): Bundle {
  const bundle = bundleIn(readText(file));
  if (bundle instanceof BundleFormatError) throw new Failure(2, `${file} is no bundle: ${bundle.message}`);
  return bundle;
}

type Doubts = readonly { readonly file: string; readonly failed: readonly string[] }[];

const ROLES: readonly Role[] = ["der", "aggregator", "feeder"];
const HEADINGS: Record<Role, string> = { der: "DER Wh", aggregator: "Aggregator Wh", feeder: "feeder Wh" };

// -------------------------------------------------------------------------------------------------------------- Output

function documentOf(view: CaseView, doubts: Doubts, out: string | undefined): string {
  const { epoch, epochSeconds, der, bundles, intervals, parting, feeder } = view;
  return jsonText({
    epoch,
    from: epoch * epochSeconds,
    to: (epoch + 1) * epochSeconds,
    der: der ?? null,
    energyWh: Object.fromEntries(ROLES.map((role) => [role, bundles[role]?.statement.energyWh ?? null])),
    claim: claimOf(view) ?? null,
    intervals: intervals.map((interval) => ({
      from: interval.from,
      to: interval.to,
      wh: Object.fromEntries(ROLES.map((role) => [role, interval.wh[role] ?? null])),
      differenceWh: interval.differenceWh ?? null,
      apartWh: interval.apartWh ?? null,
      toleratedWh: interval.toleratedWh ?? null,
      parts: partsAt(interval),
    })),
    partedAt: parting?.to ?? null,
    feeder: feeder ?? null,
    doubts,
    picture: out ?? null,
  });
}

function report(view: CaseView, doubts: Doubts, out: string | undefined): string {
  return [
    `Epoch ${view.epoch} (${epochTime(view.epoch, view.epochSeconds)})${view.der === undefined ? "" : ` of the DER ${view.der}`}`,
    `  ${ROLES.flatMap((role) => view.bundles[role] ?? [])
      .map(measured)
      .join(", ")}`,
    ...claimLine(view),
    tableOf(view),
    ...partingLine(view),
    ...feederLine(view),
    ...doubts.map(
      ({ file, failed }) => `${file}: ${failed.join(", ")} fails; see: npm run pof -- verify ${file}`,
    ),
    ...(out === undefined ? [] : [`Picture: ${out}`]),
  ].join("\n");
}

function measured({ role, statement }: Bundle): string {
  return `${holderOf(role)} measured ${grouped(statement.energyWh)} Wh`;
}

function tableOf({ bundles, intervals }: CaseView): string {
  const roles = ROLES.filter((role) => bundles[role] !== undefined);
  const both = bundles.der !== undefined && bundles.aggregator !== undefined;
  const comparison = both ? ["difference", "apart so far", "tolerance", ""] : [];
  const table = new Table({
    head: ["block's time (UTC)", ...roles.map((role) => HEADINGS[role]), ...comparison],
    colAligns: ["left", ...roles.map(() => "right" as const), "right", "right", "right", "left"],
    style: { head: [], border: [] },
  });
  for (const interval of intervals) {
    const { from, to, wh } = interval;
    table.push([
      `${clock(from)} to ${clock(to)}`,
      ...roles.map((role) => figure(wh[role])),
      ...(both ? compared(interval) : []),
    ]);
  }
  return table.toString();
}

function compared(interval: Interval): string[] {
  const { differenceWh, apartWh, toleratedWh } = interval;
  return [figure(differenceWh), figure(apartWh), figure(toleratedWh), partsAt(interval) ? "◄ apart" : ""];
}

/** A meter that was not read at this block has no figure of its own. */
function figure(wh: bigint | undefined): string {
  return wh === undefined ? "–" : grouped(wh);
}

function clock(unixSeconds: number): string {
  return new Date(unixSeconds * 1000).toISOString().slice(11, 19);
}

function claimOf({ bundles }: CaseView): Extract<Bundle, { role: "der" }>["claim"] | undefined {
  return bundles.der?.role === "der" ? bundles.der.claim : undefined;
}

function claimLine(view: CaseView): string[] {
  const claim = claimOf(view);
  if (!claim) return [];
  const { requestedWh, creditedWh, claimWh } = claim;
  return [
    `  requested ${grouped(requestedWh)} Wh, credited ${grouped(creditedWh)} Wh, claimed ${grouped(claimWh)} Wh`,
  ];
}

function partingLine({ bundles, intervals, parting }: CaseView): string[] {
  if (bundles.der === undefined || bundles.aggregator === undefined) return [];
  if (parting !== undefined) return [`The meters part beyond the tolerance by ${clock(parting.to)}.`];
  const known = intervals.some(({ toleratedWh }) => toleratedWh !== undefined);
  return [
    known
      ? "The meters never part beyond the tolerance."
      : "The tolerance is not known: the DER's bundle makes no claim.",
  ];
}

function feederLine({ feeder }: CaseView): string[] {
  if (feeder === undefined) return [];
  const { sawWh, neighbours, neighboursWh, leftWh } = feeder;
  return [
    `The feeder meter saw ${grouped(sawWh)} Wh; for its ${neighbours} other DERs the Aggregator committed to ${grouped(neighboursWh)} Wh: ${grouped(leftWh)} Wh are left for this one.`,
  ];
}
