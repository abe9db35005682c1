import Table from "cli-table3";
import { Command, Option } from "commander";

import { evidence } from "./evidence/part.ts";
import { gas } from "./gas/part.ts";
import { ingest } from "./ingest/part.ts";
import { type Figures, meets, type Part, type Target } from "./part.ts";

/** Measures what matters and compares it with the targets; `npm run bench`. */

const PARTS: readonly Part[] = [gas, evidence, ingest];

interface Options {
  readonly json?: boolean;
  readonly part?: string[];
}

const options = new Command("bench")
  .description("Measures what happens often, and compares it with the targets.")
  .option("--json", "print one JSON object on standard output, and nothing else")
  .addOption(new Option("--part <name...>", "only these parts").choices(PARTS.map(({ name }) => name)))
  .allowExcessArguments(false)
  .parse()
  .opts<Options>();

const parts = PARTS.filter(({ name }) => options.part?.includes(name) ?? true);
const figures: Record<string, number> = {};
// One after the other: parts that run at once would measure each other.
for (const part of parts) Object.assign(figures, await part.measure());
console.log(options.json ? JSON.stringify(figures) : tableOf(figures, targetsOf(parts)));

function targetsOf(chosen: readonly Part[]): Record<string, Target> {
  return Object.assign({}, ...chosen.map(({ targets }) => targets)) as Record<string, Target>;
}

function tableOf(measured: Figures, targets: Readonly<Record<string, Target>>): string {
  const table = new Table({
    head: ["figure", "measured", "target", ""],
    colAligns: ["left", "right", "right", "left"],
    style: { head: [], compact: true },
  });
  for (const [name, figure] of Object.entries(measured)) table.push(rowOf(name, figure, targets[name]));
  return table.toString();
}

function rowOf(name: string, figure: number, target: Target | undefined): string[] {
  const shown = figure.toLocaleString("en");
  if (target === undefined) return [name, shown, "", ""];
  const wanted = "atMost" in target ? `<= ${target.atMost}` : `>= ${target.atLeast}`;
  return [name, shown, wanted, meets(figure, target) ? "met" : "missed"];
}
