import type { z } from "zod/v4";

import type { agentSchema } from "../runtime/config.ts";

/** What an agent that runs says of itself; what only it can know. */
export interface RunningAgent {
  readonly url: string;
  /** Whether it answered. */
  readonly runs: boolean;
  /** Until it is too late for what waits to be done; null while nothing does. */
  readonly deadlineSeconds: number | null;
  /** How often what happened to the meter's device since it started; empty without a device. */
  readonly meter: Readonly<Record<string, number>>;
}

const ANSWER_MS = 2_000;

/** Asks an agent for its metrics; undefined where its configuration has no port for them. */
export async function runningAgent({
  metrics: { host, port },
}: Pick<z.output<typeof agentSchema>, "metrics">): Promise<RunningAgent | undefined> {
  if (port === undefined) return undefined;
  const url = `http://${host}:${port}/metrics`;
  const text = await metricsAt(url);
  const [deadline] = [...valuesOf("pof_deadline_seconds", text)];
  return {
    url,
    runs: text !== "",
    deadlineSeconds: deadline === undefined ? null : deadline[1],
    meter: Object.fromEntries(valuesOf("pof_meter_events_total", text)),
  };
}

/** Empty where nobody answers. */
async function metricsAt(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    return response.ok ? await response.text() : "";
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof DOMException)) throw error; // fetch has no others
    return "";
  }
}

/** The values of a metric, by the event that they are of, in the text form of Prometheus. */
function* valuesOf(metric: string, text: string): Generator<[event: string, value: number]> {
  for (const [, labels = "", value] of text.matchAll(new RegExp(`^${metric}\\{(.*)\\} (\\S+)$`, "gm")))
    yield [/event="([^"]*)"/.exec(labels)?.[1] ?? "", Number(value)];
}

/** In words, for a table. */
export function agentWords({ url, runs, deadlineSeconds, meter }: RunningAgent): string {
  if (!runs) return `does not run: no answer from ${url}`;
  const events = Object.entries(meter).filter(([event, count]) => count > 0 || event === "readings");
  return [
    "runs",
    ...(deadlineSeconds === null ? [] : [`${deadlineSeconds} s left for what waits to be done`]),
    ...(events.length === 0 ? [] : [`meter: ${events.map((event) => event.join(" ")).join(", ")}`]),
  ].join("; ");
}
