import { type Check, CHECKS } from "../evidence/checks.ts";
import type { Bundle, Role } from "../evidence/format.ts";

/** Things as they are told to a person, and to a program. */

const HOLDERS: Record<Role, string> = {
  der: "the DER",
  aggregator: "the Aggregator",
  feeder: "the feeder meter",
};
const MARKS: Record<Check["outcome"], string> = { holds: "✓", fails: "✗", unchecked: "?" };

/** One JSON document; integers of any size stand there as decimal strings. */
export function jsonText(document: object): string {
  return JSON.stringify(
    document,
    (_, part: unknown) => (typeof part === "bigint" ? part.toString() : part),
    2,
  );
}

export function holderOf(role: Role): string {
  return HOLDERS[role];
}

/** What a bundle is about. */
export function subjectLine({ role, statement, epochSeconds }: Bundle): string {
  const who = role === "der" ? `the DER ${statement.der}` : holderOf(role);
  const where = role === "aggregator" ? ` at the DER ${statement.der}` : "";
  const when = `epoch ${statement.epoch} (${epochTime(statement.epoch, epochSeconds)})`;
  return `${who} measured ${grouped(statement.energyWh)} Wh${where} in ${when}`;
}

/** When an epoch was, UTC. */
export function epochTime(epoch: number, epochSeconds: number): string {
  const [from, to] = [epoch * epochSeconds, (epoch + 1) * epochSeconds].map(timeOf);
  return `${from} to ${to?.slice(11)} UTC`;
}

/** A time as date, hour, minute and, where it has any, seconds; UTC. */
export function timeOf(unixSeconds: number): string {
  const text = new Date(unixSeconds * 1000).toISOString().replace("T", " ");
  return unixSeconds % 60 === 0 ? text.slice(0, 16) : text.slice(0, 19);
}

/** Each check on a line of its own, with what is wrong under it; why some were not made is told once for all. */
export function checkLines(checks: readonly Check[]): string[] {
  const width = Math.max(...checks.map(({ check }) => check.length));
  return checks.flatMap(({ check, outcome, detail }) => {
    const line = `  ${MARKS[outcome]} ${check.padEnd(width)}  ${CHECKS[check]}`;
    return detail === "" || outcome === "unchecked" ? [line] : [line, `    ${" ".repeat(width)}  ${detail}`];
  });
}

/** How many checks hold, fail and were not made. */
export function counted(checks: readonly Check[]): string {
  const count = (wanted: Check["outcome"]): number =>
    checks.filter(({ outcome }) => outcome === wanted).length;
  const [hold, fail, open] = [count("holds"), count("fails"), count("unchecked")];
  return [
    `${hold} checks hold`,
    ...(fail === 0 ? [] : [`${fail} fail`]),
    ...(open === 0 ? [] : [`${open} could not be made`]),
  ].join(", ");
}

export function grouped(value: bigint): string {
  return value.toLocaleString("en");
}
