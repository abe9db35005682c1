import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

import type { ErrorCode } from "ethers";

import { ChainMismatchError, NodeBehindError } from "../chain/endpoints.ts";
import { NotSentError, PendingError } from "../chain/not-sent.ts";
import { ReplayError } from "../metering/sources/csv.ts";
import { StoreError } from "../store/store.ts";
import { ConfigError, type KeySource } from "./config.ts";
import type { KeyName } from "./keys.ts";
import type { Log } from "./log.ts";
import type { Figures } from "./figures.ts";
import type { Metrics } from "./metrics.ts";

/** A party's program: it acts each time the chain has moved on. */
export interface Agent {
  /** Catches up with the chain and does what is to be done now. */
  advance(): Promise<void>;
  /** What there is to watch, as of the last look. */
  readonly figures: Figures;
  close(): Promise<void>;
}

/** What an agent is started with besides its configuration. */
export interface Surroundings {
  readonly keyOf: (name: KeyName, source: KeySource) => Promise<string>;
  readonly log: Log;
}

/** Starts a party's agent from its configuration. */
export type Start<Config> = (config: Config, surroundings: Surroundings) => Promise<Agent>;

/** How long a stop signal waits for the work in hand, and for what was opened to be closed. */
const STOP_MS = 9_000;

/**
 * Runs an agent until a signal ends it: after the work in hand, or in the midst of it when that takes too long. Whatever
 * was done is on disk or on the chain by then, and the next start goes on from there. A second signal ends it at once.
 */
export async function runUntilStopped(
  agent: Agent,
  pollSeconds: number,
  log: Log,
  metrics: Metrics,
): Promise<void> {
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted) process.exit(128 + constants.signals[signal]);
    log("stopping", { signal });
    stop.abort();
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    log("started");
    const work = advancing(agent, pollSeconds, stop.signal, log, metrics);
    await Promise.race([work, aborted(stop.signal).then(() => patience("work"))]);
    await Promise.race([agent.close(), patience("close")]);
    log("stopped");
  } catch (error) {
    await Promise.race([agent.close(), sleep(1_000, undefined, { ref: false })]);
    throw error;
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }

  /** Time's up. What still waits for the network is left: nothing can make it end. */
  async function patience(phase: "work" | "close"): Promise<void> {
    await sleep(phase === "work" ? STOP_MS - 1_000 : 1_000, undefined, { ref: false });
    log("stopped in the midst of work", { phase });
    if (phase === "work") await Promise.race([agent.close(), sleep(1_000)]);
    process.exit(0);
  }
}

async function advancing(
  agent: Agent,
  pollSeconds: number,
  signal: AbortSignal,
  log: Log,
  metrics: Metrics,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await advanced(agent);
      metrics.looked();
      log("looked");
    } catch (error) {
      if (!isTransient(error)) throw error;
      metrics.failed();
      log("try again at the next poll", { reason: error.message });
    }
    await sleep(pollSeconds * 1000, undefined, { signal }).catch(ignoreAbort);
  }
}

/** A transaction that is on its way is looked after at the next poll. */
async function advanced(agent: Agent): Promise<void> {
  try {
    await agent.advance();
  } catch (error) {
    if (!(error instanceof PendingError)) throw error;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener(
      "abort",
      () => {
        resolve();
      },
      { once: true },
    );
  });
}

/** What the library calls failures of a node, and transactions that cannot be sent as things are. */
const TRANSIENT: ReadonlySet<string> = new Set<ErrorCode>([
  "NETWORK_ERROR",
  "TIMEOUT",
  "SERVER_ERROR",
  "UNKNOWN_ERROR",
  "BAD_DATA",
  "CALL_EXCEPTION",
  "INSUFFICIENT_FUNDS",
  "NONCE_EXPIRED",
  "REPLACEMENT_UNDERPRICED",
]);
/** What the platform calls a node that cannot be reached. */
const UNREACHABLE = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/**
 * Worth another try at the next poll, while the meters go on: the node did not answer, not in time, nonsense, or is
 * behind; or a transaction could not be sent as things are (no coins for gas, a nonce used meanwhile, the limit for gas
 * reached).
 */
function isTransient(error: unknown): error is Error {
  if (error instanceof NodeBehindError || error instanceof NotSentError) return true;
  if (error instanceof ChainMismatchError) return true;
  if (!(error instanceof Error && "code" in error && typeof error.code === "string")) return false;
  return TRANSIENT.has(error.code) || UNREACHABLE.has(error.code);
}

/** Something outside the program is at fault: a line says it all. */
export function isOperational(error: unknown): error is Error {
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
