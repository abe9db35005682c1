import { toJson } from "../evidence/json.ts";

/** Where an agent tells what it does: an event in a few words, and figures by name. */
export type Log = (event: string, fields?: Readonly<Record<string, unknown>>) => void;

/** Tells nobody. */
export const silent: Log = () => undefined;

/** One line of JSON an event on standard error. @param agent who speaks */
export function jsonLog(agent: string): Log {
  return (event, fields = {}) => {
    process.stderr.write(`${toJson({ time: new Date().toISOString(), agent, event, ...fields })}\n`);
  };
}
