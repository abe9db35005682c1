import { loadReplay, type Replay, ReplayError } from "../../agents/metering/sources/replay.ts";
import { audit } from "./audit.ts";
import { Failure } from "../../agents/pof/failure.ts";
import { emptyFolder } from "../../agents/pof/files.ts";
import { castMembers } from "./cast.ts";
import { playDay } from "./day.ts";
import { writeEvidence } from "./evidence.ts";
import { expectations } from "./expectations.ts";
import { GasLog } from "./gas-log.ts";
import { type DemoOptions, OptionError, readOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { type DemoResult, jsonOf, tablesOf } from "./report.ts";
import { setStage } from "./stage.ts";
import { CRITERIA } from "./terms.ts";
import { timetable } from "./timetable.ts";

/** A day of a small energy community on a local chain. Exit status: 0 as expected, 1 not, 2 wrong options or file. */
async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) return 0;
  const replay = options.replay && loadReplay(options.replay);
  if (options.evidence !== undefined) emptyFolder(options.evidence);
  const result = await perform(options, replay);
  process.stdout.write(`${options.json ? jsonOf(result) : tablesOf(result)}\n`);
  return result.expectations.every(({ met }) => met) ? 0 : 1;
}

async function perform(options: DemoOptions, replay: Replay | undefined): Promise<DemoResult> {
  const started = performance.now();
  const { ders, epochs, seed, sweepEvery } = options;
  const times = timetable(epochs, ders);
  const members = castMembers({ ders, seed, timetable: times, maxPrice: CRITERIA.maxPrice, replay });
  const gas = new GasLog();
  const progress = new Progress(epochs);
  const stage = await setStage({ members, timetable: times, sweepEvery, gas });
  try {
    const outcome = await playDay(stage, times, progress);
    const books = await audit(stage, members, times);
    if (options.evidence !== undefined) writeEvidence(options.evidence, stage.operator);
    return {
      options,
      audit: books,
      expectations: expectations(books, outcome),
      gas: gas.kinds,
      replay: replay?.report,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    progress.close();
    await stage.close();
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof OptionError || error instanceof ReplayError || error instanceof Failure))
    throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
