import { Command, CommanderError } from "commander";

import { addAdjudicate } from "./adjudicate.ts";
import { addDisputes } from "./disputes.ts";
import { addEvidence } from "./evidence.ts";
import { addExplain } from "./explain.ts";
import { Failure } from "./failure.ts";
import { ConfigError } from "../runtime/config.ts";
import { StoreError } from "../store/store.ts";
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
  addEvidence(program, done);
  addDisputes(program, done);
  try {
    await program.parseAsync([...args], { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    if (error instanceof CommanderError) return complain(2, usageError(error, args));
    if (error instanceof Failure) return complain(error.status, error.message);
    if (error instanceof ConfigError) return complain(2, error.message);
    if (error instanceof StoreError) return complain(1, error.message);
    throw error;
  }
}

function usageError({ code, message }: CommanderError, args: readonly string[]): string {
  const said = code === "commander.help" ? "a command is needed" : message.replace(/^error: /, "");
  const command = code === "commander.unknownCommand" ? "" : commandIn(args);
  return `${said.replace(/\s+/g, " ")} (see: npm run pof -- ${command}--help)`;
}

/** The command that help is to be asked of. */
function commandIn(args: readonly string[]): string {
  const words = args.slice(0, args[0] === "disputes" ? 2 : 1).filter((word) => /^[a-z]+$/.test(word));
  return words.map((word) => `${word} `).join("");
}

function complain(status: number, message: string): number {
  process.stderr.write(`${message}\n`);
  return status;
}

process.exitCode = await main(process.argv.slice(2));
