import { setTimeout as sleep } from "node:timers/promises";

import { Command } from "commander";
import { isError } from "ethers";

import { NodeBehindError } from "../chain/connection.ts";
import { ReplayError } from "../metering/sources/csv.ts";
import { StoreError } from "../store/store.ts";
import { ConfigError } from "./config.ts";
import { jsonLog, type Log } from "./log.ts";

/** A party's program: it acts each time the chain has moved on. */
export interface Agent {
  /** Catches up with the chain and does what is to be done now. */
  advance(): Promise<void>;
  close(): Promise<void>;
}

export interface Program {
  readonly name: "der" | "aggregator" | "operator";
  readonly purpose: string;
  /** Starts the agent from its configuration file. */
  readonly start: (configFile: string, log: Log) => Promise<{ agent: Agent; pollSeconds: number }>;
}

/** Runs an agent from the command line until it is told to stop. Exit status 2: the configuration is at fault. */
export async function runProgram(program: Program): Promise<void> {
  const command = new Command(`agent:${program.name}`)
    .description(program.purpose)
    .requiredOption("--config <file>", "the agent's configuration, JSON")
    .addHelpText(
      "after",
      `\nExample:\n  npm run agent:${program.name} -- --config ${program.name}.json\n\nThe fields of the file: agents/${program.name}/README.md`,
    )
    .showSuggestionAfterError(false)
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? 0 : 2);
    })
    .parse();
  const { config } = command.opts<{ config: string }>();
  const log = jsonLog(program.name);
  try {
    const { agent, pollSeconds } = await program.start(config, log);
    await untilStopped(agent, pollSeconds, log);
  } catch (error) {
    if (!isOperational(error)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error instanceof ConfigError || error instanceof ReplayError ? 2 : 1;
  }
}

/** A signal ends the loop after the work in hand; readings are on disk before anything is sent. */
async function untilStopped(agent: Agent, pollSeconds: number, log: Log): Promise<void> {
  const stop = new AbortController();
  const onSignal = (): void => {
    stop.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  log("started");
  while (!stop.signal.aborted) {
    try {
      await agent.advance();
    } catch (error) {
      if (!isTransient(error)) throw error;
      log("try again at the next poll", { reason: error.message });
    }
    await sleep(pollSeconds * 1000, undefined, { signal: stop.signal }).catch(ignoreAbort);
  }
  await agent.close();
  log("stopped");
}

/**
 * Worth another try at the next poll, while the meters go on: the node did not answer, not in time, or is behind; or a
 * transaction could not be sent as things are (no coins for gas, a nonce used meanwhile).
 */
function isTransient(error: unknown): error is Error {
  return (
    error instanceof NodeBehindError ||
    isError(error, "INSUFFICIENT_FUNDS") ||
    isError(error, "NONCE_EXPIRED") ||
    isError(error, "REPLACEMENT_UNDERPRICED") ||
    isError(error, "NETWORK_ERROR") ||
    isError(error, "TIMEOUT") ||
    isError(error, "SERVER_ERROR") ||
    isRefused(error)
  );
}

function isRefused(error: unknown): error is Error {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "ECONNREFUSED" || error.code === "ECONNRESET")
  );
}

/** Something outside the program is at fault: a line says it all. */
function isOperational(error: unknown): error is Error {
  return (
    error instanceof ConfigError ||
    error instanceof StoreError ||
    error instanceof ReplayError ||
    isTransient(error)
  );
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== "AbortError") throw error;
}
