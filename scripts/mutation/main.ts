import { readFileSync } from "node:fs";

import { Presets, SingleBar } from "cli-progress";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import hre from "hardhat";
import { z } from "zod/v4";

import { isNode, type Node } from "./ast.ts";
import { modifiersOf, type Modifiers, type Mutant, mutantsOf } from "./mutants.ts";
import { recipientOf, weave } from "./weave.ts";
import {
  build,
  closeWorkspace,
  filesIn,
  openWorkspace,
  restore,
  type Suite,
  test,
  WorkspaceError,
} from "./workspace.ts";

/** Changes the contracts one operator, bound, modifier or statement at a time: the tests must notice; `npm run test:mutation`. */

const LEAST_KILLED = 0.95;
/** The fee recipient of a run in which no mutant lives. */
const NOBODY = "0x00000000000000000000000000000000c014ba5e";

interface Options {
  readonly file?: string[];
  readonly every: number;
  readonly jobs: number;
  readonly json?: boolean;
}

const whole = (text: string): number => {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("expected a whole number from 1 on.");
  return Number(text);
};

const options = new Command("test:mutation")
  .description("Changes the contracts one piece at a time, and counts the changes that the tests notice.")
  .option("--file <path...>", "only these sources, such as contracts/Vault.sol")
  .option("--every <n>", "only every n-th mutant", whole, 1)
  .option("--jobs <n>", "test runs at a time", whole, 2)
  .option("--json", "print one JSON object on standard output, and nothing else")
  .addHelpText(
    "after",
    "\nExamples:\n  npm run test:mutation\n  npm run test:mutation -- --file contracts/Vault.sol\n  npm run test:mutation -- --every 20",
  )
  .allowExcessArguments(false)
  .parse()
  .opts<Options>();

interface Source {
  readonly file: string;
  readonly text: Buffer;
  readonly mutants: readonly Mutant[];
}

interface Survivor {
  readonly file: string;
  readonly line: number;
  readonly before: string;
  readonly after: string;
}

const outputSchema = z.object({
  output: z.object({ sources: z.record(z.string(), z.object({ ast: z.custom<Node>(isNode) })) }),
});
const inputSchema = z.object({
  input: z.object({ sources: z.record(z.string(), z.object({ content: z.string() })) }),
});

const sources = await sourcesOf(options.file);
const total = sources.reduce((sum, { mutants }) => sum + chosen(mutants).length, 0);
const bar = new SingleBar(
  {
    format: "{bar} {value}/{total} mutants  {file}",
    stream: process.stderr,
    noTTYOutput: true,
    notTTYSchedule: 60_000,
  },
  Presets.shades_classic,
);
const survivors: Survivor[] = [];

openWorkspace();
bar.start(total, 0, { file: "" });
try {
  for (const source of sources) survivors.push(...(await survivorsOf(source)));
} finally {
  bar.stop();
  closeWorkspace();
}
const killed = total - survivors.length;
console.log(options.json ? JSON.stringify({ mutants: total, killed, survivors }) : tableOf());
if (killed < LEAST_KILLED * total) process.exitCode = 1;

/** The contracts' sources, with what can be changed in them. */
async function sourcesOf(only: readonly string[] | undefined): Promise<Source[]> {
  const ids = new Set<string>();
  for (const name of await hre.artifacts.getAllFullyQualifiedNames()) {
    if (name.startsWith("contracts/")) ids.add((await hre.artifacts.getBuildInfoId(name)) ?? "");
  }
  const trees = new Map<string, { ast: Node; text: Buffer }>();
  for (const id of ids) {
    const { output } = outputSchema.parse(json(await hre.artifacts.getBuildInfoOutputPath(id)));
    const { input } = inputSchema.parse(json(await hre.artifacts.getBuildInfoPath(id)));
    for (const [name, { ast }] of Object.entries(output.sources)) {
      trees.set(name, { ast, text: Buffer.from(input.sources[name]?.content ?? "") });
    }
  }
  const modifiers: Modifiers = new Map(
    [...trees.values()].flatMap(({ ast, text }) => [...modifiersOf(text, ast)]),
  );
  const files =
    only ?? filesIn("contracts", ".sol").filter((file) => !/^contracts\/(interfaces|test)\//.test(file));
  return files.map((file) => {
    const tree = trees.get(`project/${file}`);
    if (tree === undefined) throw new WorkspaceError(`${file} is not a source of the contracts`);
    return { file, text: tree.text, mutants: mutantsOf(tree.text, tree.ast, modifiers) };
  });
}

function json(path: string | undefined): unknown {
  if (path === undefined) throw new WorkspaceError("the contracts are not built: run npm run build");
  return JSON.parse(readFileSync(path, "utf8"));
}

function chosen(mutants: readonly Mutant[]): number[] {
  return [...mutants.keys()].filter((index) => index % options.every === 0);
}

/** The mutants of one source that neither suite notices. */
async function survivorsOf({ file, text, mutants }: Source): Promise<Survivor[]> {
  let left = chosen(mutants);
  if (left.length === 0) return [];
  const woven = weave(text, mutants);
  for (const suite of ["mocha", "solidity"] as const) {
    if (left.length === 0) break;
    await build(file, woven, suite === "solidity");
    left = await unnoticed(suite, left, file);
  }
  restore(file);
  return mutants
    .filter((_, index) => left.includes(index))
    .map(({ line, before, after }) => ({ file, line, before, after }));
}

/** Those of the mutants with which a suite passes. The bar counts a mutant when its fate is known. */
async function unnoticed(suite: Suite, indices: readonly number[], file: string): Promise<number[]> {
  const files =
    suite === "mocha" ? filesIn("test/contracts", ".test.ts") : filesIn("test/solidity", "Test.sol");
  const alive = await test(suite, NOBODY, files);
  if (!alive.passed)
    throw new WorkspaceError(`${file}: the ${suite} tests fail without a mutant:\n${alive.output}`);
  const waiting = [...indices];
  const passed: number[] = [];
  const work = async (): Promise<void> => {
    for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) {
      const run = await test(suite, recipientOf(index), files);
      if (run.passed) passed.push(index);
      else if (run.failedIn !== undefined) files.unshift(...files.splice(files.indexOf(run.failedIn), 1));
      if (!run.passed || suite === "solidity") bar.increment(1, { file });
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  return passed.sort((a, b) => a - b);
}

function tableOf(): string {
  const table = new Table({
    head: ["source", "line", "changed", "to"],
    style: { head: [], compact: true },
    wordWrap: true,
    colWidths: [28, 6, 44, 44],
  });
  for (const { file, line, before, after } of survivors)
    table.push([file, line, before, after === "" ? "(left out)" : after]);
  const share = total === 0 ? "100" : ((100 * killed) / total).toFixed(1);
  return `${survivors.length > 0 ? `${table.toString()}\n` : ""}${killed} of ${total} mutants noticed (${share} %)`;
}
