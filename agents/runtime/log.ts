import type { Writable } from "node:stream";

import pino from "pino";
import pretty from "pino-pretty";

import { toJson } from "../evidence/json.ts";

/** Where an agent tells what it does: an event in a few words, and figures by name. */
export type Log = (event: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Tells nobody. */
export const silent: Log = () => undefined;

export const LOG_LEVELS = ["debug", "info", "warn", "silent"] as const;

/** Events that somebody should look at when they come more than now and then; docs/operations.md has what to do. */
const WARNINGS = new Set([
  "refused",
  "try again at the next poll",
  "left to a person",
  "not audited",
  "stopped in the midst of work",
  "not taken",
  "bumped",
  "not bumped",
  "displaced",
  "forgotten",
  "reorganised",
  "node rests",
]);

/** What is told of every round of work, and so only when it is asked for. */
const DETAILS = new Set(["looked", "sent", "mined"]);

export interface LogOptions {
  /** Who speaks. */
  readonly agent: string;
  readonly level: (typeof LOG_LEVELS)[number];
  /** A terminal gets lines for people, anything else a line of JSON for each event. */
  readonly to: Writable & { readonly isTTY?: boolean };
}

/** A log of events. */
export function openLog({ agent, level, to }: LogOptions): Log {
  const form = { messageKey: "event", timestampKey: "time" };
  const logger = pino(
    {
      level,
      messageKey: form.messageKey,
      base: { agent },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    to.isTTY === true ? pretty({ ...form, destination: to, sync: true }) : to,
  );
  return (event, fields = {}) => {
    const kind = WARNINGS.has(event) ? "warn" : DETAILS.has(event) ? "debug" : "info";
    logger[kind](JSON.parse(toJson(fields)) as object, event); // integers of any size as decimal strings
  };
}
