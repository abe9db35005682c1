import { readFileSync } from "node:fs";

import { Presets, SingleBar } from "cli-progress";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";

import { filesIn } from "../workspace.ts";
import { readExplained, unclear, whyUnnoticed } from "./explained.ts";
import { Fates, hashOf, type Source } from "./fates.ts";
import { allSources } from "./sources.ts";
import { type Durations, Tester } from "./tester.ts";
import { TRACED, TRACER, weave } from "./weave.ts";
import type { Order, Verdict } from "./worker.ts";
import { build, openWorkspace, TRACING, WorkspaceError, WOVEN } from "./workspace.ts";

/** Changes the contracts one operator, bound, modifier or statement at a time: the tests must notice; `npm run test:mutation`. */

const LEAST_NOTICED = 0.95;
/** So many of the tests that noticed neighbours, and of the simplest, are tried before all the others. */
const LIKELY = 16;

interface Options {
  readonly file?: string[];
  readonly suite: string[];
  readonly every: number;
  readonly jobs: number;
  readonly fresh?: boolean;
  readonly json?: boolean;
}

const whole = (text: string): number => {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("expected a whole number from 1 on.");
  return Number(text);
};

const options = new Command("test:mutation")
  .description("Changes the contracts one piece at a time, and counts the changes that the tests notice.")
  .option("--file <path...>", "only these sources, such as contracts/Vault.sol")
  .option("--suite <name...>", "only these suites, of mocha and solidity", ["mocha", "solidity"])
  .option("--every <n>", "only every n-th mutant", whole, 1)
  .option("--jobs <n>", "test runs at a time", whole, 2)
  .option("--fresh", "forget what earlier runs found")
  .option("--json", "print one JSON object on standard output, and nothing else")
  .addHelpText(
    "after",
    "\nA run that was stopped goes on where it was. Survivors are tried again when a test has changed." +
      "\n\nExamples:\n  npm run test:mutation\n  npm run test:mutation -- --file contracts/Vault.sol\n  npm run test:mutation -- --every 20",
  )
  .allowExcessArguments(false)
  .parse()
  .opts<Options>();

process.on("uncaughtException", (error) => {
  console.error(error instanceof WorkspaceError ? `error: ${error.message}` : error);
  process.exit(1);
});

interface Case {
  readonly source: Source;
  readonly index: number;
  /** Among the mutants of all sources. */
  readonly number: number;
}

const all = await allSources();
const sources = (options.file ?? all.map(({ file }) => file)).map((wanted) => {
  const source = all.find(({ file }) => file === wanted);
  if (source === undefined)
    throw new WorkspaceError(`expected a source such as ${all[0]?.file ?? ""}, received ${wanted}`);
  return source;
});
const explained = readExplained();
const [first] = unclear(explained, sources);
if (first !== undefined)
  throw new WorkspaceError(`explained, but no mutant, or one of several: ${JSON.stringify(first)}`);
const fates = new Fates(options.fresh ?? false);
const woven = new Map<string, string>();
const tracing = new Map([["contracts/Tracer.sol", TRACER]]);
const known: Case[] = [];
for (const source of all) {
  const up = "../".repeat(source.file.split("/").length - 2) || "./";
  woven.set(source.file, weave(source.text, source.mutants, known.length));
  tracing.set(
    source.file,
    `${weave(source.text, source.mutants, known.length, TRACED)}import {Tracer} from "${up}Tracer.sol";\n`,
  );
  for (const index of source.mutants.keys()) known.push({ source, index, number: known.length });
}
const cases = known.filter(({ source, number }) => sources.includes(source) && number % options.every === 0);

for (const suite of ["mocha", "solidity"] as const) {
  if (options.suite.includes(suite)) await run(suite);
}
report();

/** Tries the tests of a suite on the mutants that nothing has noticed yet. */
async function run(suite: Order["suite"]): Promise<void> {
  const files = suite === "mocha" ? filesIn("test/contracts", ".ts") : filesIn("test/solidity", ".sol");
  const state = `${suite} ${hashOf(...[...files, ...filesIn("contracts", ".sol")].map((file) => readFileSync(file)))}`;
  if (waitingFor(state).length === 0) return;
  const reached = suite === "mocha" ? await fates.reached(state, trace) : undefined;
  openWorkspace(WOVEN, woven);
  build(WOVEN, suite === "solidity");
  const durations = await fates.durations(state, () => Tester.measure(suite));
  await tryTests(suite, state, durations, reached);
}

function trace(): ReturnType<typeof Tester.trace> {
  openWorkspace(TRACING, tracing);
  build(TRACING, false);
  return Tester.trace();
}

/**
 * The tests that come by a mutant. One in assembly is not traced: those count that come by anything in its function, and all if
 * there is nothing else.
 */
function testsFor(
  { source, index, number }: Case,
  tests: readonly string[],
  reached: Verdict["reached"],
): string[] {
  const { place, within } = source.mutants[index] ?? {};
  let numbers = [number];
  if (place?.startsWith("assembly") === true) {
    numbers = known
      .filter((other) => other.source === source && other.source.mutants[other.index]?.within === within)
      .map((other) => other.number);
    if (numbers.every((other) => !Object.values(reached).some((some) => some.includes(other))))
      return [...tests];
  }
  return tests.filter((test) => numbers.some((other) => reached[test]?.includes(other)));
}

/** Tests that come by few mutants come first: they are quick, and about little else. */
function simplest(tests: readonly string[], reached: Verdict["reached"]): string[] {
  return tests.toSorted((a, b) => (reached[a]?.length ?? 0) - (reached[b]?.length ?? 0));
}

/** The mutants that nothing has noticed yet, and that have not passed a suite as it is now. */
function waitingFor(state: string): Case[] {
  return cases.filter(({ source, index }) => {
    const { noticedBy, passed } = fates.of(source, index);
    return noticedBy === undefined && !passed.includes(state) && whyOf({ source, index }) === undefined;
  });
}

async function tryTests(
  suite: Order["suite"],
  state: string,
  durations: Durations,
  reached: Verdict["reached"] | undefined,
): Promise<void> {
  const waiting = waitingFor(state);
  const bar = new SingleBar(
    {
      format: `{bar} {value}/{total} mutants, ${suite} tests  {file}`,
      stream: process.stderr,
      noTTYOutput: true,
      notTTYSchedule: 60_000,
    },
    Presets.shades_classic,
  );
  bar.start(waiting.length, 0, { file: "" });
  // Solidity tests use all processors by themselves.
  const jobs = suite === "mocha" ? options.jobs : 1;
  const testers = Array.from({ length: jobs }, () => new Tester(suite, durations));
  const work = async (tester: Tester): Promise<void> => {
    for (let each = waiting.shift(); each !== undefined; each = waiting.shift()) {
      const { source, index } = each;
      const titles = Object.keys(durations);
      const tests = reached === undefined ? titles : testsFor(each, titles, reached);
      const near = fates.likely(source, index, suite, LIKELY).filter((test) => tests.includes(test));
      const simple = reached === undefined ? [] : simplest(tests, reached).slice(0, LIKELY);
      const likely = [...new Set([...near, ...simple])];
      const test = await tester.whatNotices(each.number, likely, tests);
      const { passed } = fates.of(source, index);
      fates.set(
        source,
        index,
        test === undefined ? { passed: [...passed, state] } : { noticedBy: { suite, test }, passed },
      );
      bar.increment(1, { file: source.file });
    }
  };
  try {
    await Promise.all(testers.map(work));
  } finally {
    bar.stop();
    for (const tester of testers) tester.stop();
  }
}

function whyOf({ source, index }: Pick<Case, "source" | "index">): string | undefined {
  const mutant = source.mutants[index];
  return mutant && whyUnnoticed(explained, source, mutant);
}

/** The figures of each source, and the survivors that nothing explains. */
function report(): void {
  const survivors = cases.filter(
    (each) => fates.of(each.source, each.index).noticedBy === undefined && whyOf(each) === undefined,
  );
  const figures = sources.map(({ file }) => {
    const own = cases.filter(({ source }) => source.file === file);
    const noticed = own.filter(({ source, index }) => fates.of(source, index).noticedBy !== undefined).length;
    const unexplained = survivors.filter(({ source }) => source.file === file).length;
    return { file, mutants: own.length, noticed, explained: own.length - noticed - unexplained, unexplained };
  });
  const sum = (of: "noticed" | "explained"): number => figures.reduce((total, each) => total + each[of], 0);
  const share = cases.length === 0 ? 1 : sum("noticed") / cases.length;
  const left = survivors.flatMap(({ source: { file, mutants }, index }) =>
    mutants
      .slice(index, index + 1)
      .map(({ line, within, before, after }) => ({ file, line, in: within, before, after })),
  );
  if (options.json) {
    console.log(JSON.stringify({ mutants: cases.length, noticed: sum("noticed"), figures, survivors: left }));
  } else {
    const table = new Table({
      head: ["source", "mutants", "noticed", "explained", "left"],
      style: { head: [], border: [], compact: true },
    });
    for (const each of figures) table.push(Object.values(each).map(String));
    console.log(table.toString());
    for (const { file, line, before, after } of left)
      console.log(`${file}:${line.toString()}\n  - ${before}\n  + ${after === "" ? "(left out)" : after}`);
    console.log(
      `${sum("noticed").toString()} of ${cases.length.toString()} mutants noticed ` +
        `(${(100 * share).toFixed(1)} %), ${sum("explained").toString()} more explained`,
    );
  }
  if (share < LEAST_NOTICED || survivors.length > 0) process.exitCode = 1;
}
