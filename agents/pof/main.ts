import { Command, CommanderError } from "commander";

import { addAdjudicate } from "./adjudicate.ts";
import { addExplain } from "./explain.ts";
import { Failure } from "./failure.ts";
import { addVerify } from "./verify.ts";

/** Exit status: 0 if all is well, 1 if a check fails or what is needed cannot be had, 2 for wrong usage or file. */
async function main(args: readonly string[]): Promise<number> {
  let status = 0;
  const program = new Command("pof")
    .description("Looks into evidence of Proof of Flow: anyone can, with the files alone.")
    .addHelpText(
      "after",
      "\nExamples:\n  npm run pof -- verify der.json\n  npm run pof -- adjudicate der.json aggregator.json feeder.json\n\nWhat the files hold: docs/evidence.md. How disputes are decided: docs/adjudication.md.",
    )
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  const done = (result: number): void => {
    status = result;
  };
  addVerify(program, done);
  addExplain(program, done);
  addAdjudicate(program, done);
  try {
    await program.parseAsync([...args], { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (error instanceof CommanderError) return complain(2, usageError(error, args));
    if (error instanceof Failure) return complain(error.status, error.message);
    throw error;
  }
}

function usageError({ code, message }: CommanderError, args: readonly string[]): string {
  const said = code === "commander.help" ? "a command is needed" : message.replace(/^error: /, "");
  const command = args[0] === undefined || args[0].startsWith("-") ? "" : `${args[0]} `;
  return `${said.replace(/\s+/g, " ")} (see: npm run pof -- ${code === "commander.unknownCommand" ? "" : command}--help)`;
}

function complain(status: number, message: string): number {
  process.stderr.write(`${message}\n`);
  return status;
}

process.exitCode = await main(process.argv.slice(2));
