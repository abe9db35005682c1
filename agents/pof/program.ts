import { Command, CommanderError } from "commander";

import { ConfigError } from "../runtime/config.ts";
import { StoreError } from "../store/store.ts";
import { addActs } from "./acts.ts";
import { addAdjudicate } from "./adjudicate.ts";
import { addBackup } from "./backup.ts";
import { addDisputes } from "./disputes.ts";
import { addEvidence } from "./evidence.ts";
import { addExplain } from "./explain.ts";
import { Failure } from "./failure.ts";
import { addDoctor } from "./doctor.ts";
import { addInit } from "./init.ts";
import { addKey } from "./key.ts";
import type { Terminal } from "../runtime/terminal.ts";
import { addAgents } from "./run.ts";
import { addStatus } from "./status.ts";
import { addVerify } from "./verify.ts";

/** In the order of the help. */
const COMMANDS = [
  addInit,
  addKey,
  addDoctor,
  addAgents,
  addStatus,
  addBackup,
  addActs,
  addVerify,
  addExplain,
  addAdjudicate,
  addEvidence,
  addDisputes,
];

/**
 * The command line `pof`.
 * @returns the exit status: 0 if all is well, 1 if a check fails or what is needed cannot be had, 2 for wrong usage or
 * file
 */
export async function pof(args: readonly string[], terminal: Terminal): Promise<number> {
  const { stdin, stdout, stderr, env } = terminal;
  let status = 0;
  const program = new Command("pof")
    .description("Proof of Flow: runs the agents, and looks into the evidence of disputes.")
    .addHelpText(
      "after",
      "\nExamples:\n  npm run pof -- der --config der.yaml\n  npm run pof -- verify der.json\n  npm run pof -- adjudicate der.json aggregator.json feeder.json\n\nWhat the files hold: docs/evidence.md. How disputes are decided: docs/adjudication.md.\nRunning agents: docs/operations.md.",
    )
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: () => undefined });
  const done = (result: number): void => {
    status = result;
  };
  const shell = { stdin, stdout, stderr, env, done };
  for (const add of COMMANDS) add(program, shell);
  try {
    await program.parseAsync([...args], { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const [failed, message] = complaintIn(error, args);
    stderr.write(`${message}\n`);
    return failed;
  }
}

/** @throws what is no complaint but a fault of the program */
function complaintIn(error: unknown, args: readonly string[]): [status: number, message: string] {
  if (error instanceof CommanderError) return [2, usageError(error, args)];
  if (error instanceof Failure) return [error.status, error.message];
  if (error instanceof ConfigError) return [2, error.message];
  if (error instanceof StoreError) return [1, error.message];
  throw error;
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
