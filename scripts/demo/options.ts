import { Command, CommanderError, InvalidArgumentError, Option } from "commander";

/** What the demo is asked to do. */
export interface DemoOptions {
  readonly ders: number;
  readonly epochs: number;
  readonly seed: number;
  readonly sweepEvery: number;
  readonly replay?: { readonly file: string; readonly column: string; readonly unit: "W" | "kW" };
  readonly json: boolean;
  /** Folder for the evidence of each dispute. */
  readonly evidence?: string;
}

/** An option that cannot be used, in one line that says how to mend it. */
export class OptionError extends Error {
  override readonly name = "OptionError";
}

/** Fewer DERs have no room for the cast, fewer epochs none for the plot. */
const LEAST_DERS = 6;
const LEAST_EPOCHS = 8;

interface ParsedOptions {
  ders: number;
  epochs: number;
  seed: number;
  sweepEvery: number;
  replay?: string;
  column?: string;
  unit?: "W" | "kW";
  json?: boolean;
  evidence?: string;
}

/** Reads the command line. Undefined when help was asked for and given. @throws {OptionError} */
export function readOptions(args: readonly string[]): DemoOptions | undefined {
  const command = new Command("demo")
    .description("A day of a small energy community, settled on a local chain.")
    .option("--ders <n>", "how many DERs", whole(LEAST_DERS, 1_000), 24)
    .option("--epochs <n>", "how many epochs of 15 minutes", whole(LEAST_EPOCHS, 960), 96)
    .option("--seed <n>", "of weather, sizes, prices and meter errors", whole(0, 2 ** 31 - 1), 1)
    .option("--sweep-every <n>", "epochs a sweep", whole(1, 960), 1)
    .option("--replay <file>", "measured power to replay, CSV, scaled to each DER's size")
    .option("--column <name>", "the file's column of power")
    .addOption(new Option("--unit <unit>", "the column's unit").choices(["W", "kW"]))
    .option("--json", "print one JSON document on standard output, and nothing else")
    .option(
      "--evidence <dir>",
      "write the evidence of each dispute to DIR/<dispute>; DIR must be empty or new",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  npm run demo -- --ders 200 --sweep-every 4\n  npm run demo -- --replay pv.csv --column ac_power --unit kW\n  npm run --silent demo -- --json > day.json\n  npm run demo -- --evidence evidence",
    )
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  try {
    command.parse([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw new OptionError(`${error.message.replace(/^error: /, "")} (see: npm run demo -- --help)`);
  }
  return checked(command.opts<ParsedOptions>());
}

function checked({ replay, column, unit, json = false, ...numbers }: ParsedOptions): DemoOptions {
  if (replay === undefined) {
    if (column !== undefined || unit !== undefined)
      throw new OptionError("--column and --unit go with --replay FILE");
    return { ...numbers, json };
  }
  if (column === undefined || unit === undefined) {
    throw new OptionError("--replay FILE needs --column NAME and --unit W|kW");
  }
  return { ...numbers, json, replay: { file: replay, column, unit } };
}

function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}
