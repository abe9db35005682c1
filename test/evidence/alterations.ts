/** Everything that can be changed in the JSON of a bundle, one thing at a time. */

import { OTHER_ARIA, OTHER_DER } from "./metered-epoch.ts";

export type Path = readonly (string | number)[];

export interface Alteration {
  /** Names of the fields that lead there, without places in lists. */
  readonly field: string;
  readonly what: string;
  readonly text: string;
}

/** The value with another one at a path in it; undefined takes a field away. */
export function changed(value: unknown, [at, ...rest]: Path, to: unknown): unknown {
  if (at === undefined) return to;
  const parts = value as Record<string | number, unknown>;
  const inner = changed(parts[at], rest, to);
  return Array.isArray(value) ? value.with(at as number, inner) : { ...parts, [at]: inner };
}

/** @param instead what may stand where there is null, by the field's name */
export function* alterationsOf(
  json: string,
  instead: Readonly<Record<string, unknown>>,
): Generator<Alteration> {
  const whole: unknown = JSON.parse(json);
  for (const { path, value } of nodesOf(whole, [])) {
    const field = path.filter((step) => typeof step === "string").join(".");
    const without: [string, unknown][] = typeof path.at(-1) === "string" ? [["left out", undefined]] : [];
    for (const [how, other] of [...without, ...othersOf(value, instead[path.at(-1) ?? ""])]) {
      const text = JSON.stringify(changed(whole, path, other));
      if (text !== json) yield { field, what: `${path.join(".")} ${how}`, text };
    }
  }
}

/** Every field and every element of every list, with what is in them. */
function* nodesOf(value: unknown, path: Path): Generator<{ path: Path; value: unknown }> {
  if (path.length > 0) yield { path, value };
  if (typeof value !== "object" || value === null) return;
  for (const [at, part] of Object.entries(value)) {
    yield* nodesOf(part, [...path, Array.isArray(value) ? Number(at) : at]);
  }
}

function othersOf(value: unknown, instead: unknown): [how: string, other: unknown][] {
  if (value === null) return instead === undefined ? [] : [["given", instead]];
  const others: [string, unknown][] = [["made null", null]];
  if (Array.isArray(value)) return [...others, ...otherLists(value as unknown[])];
  if (typeof value === "number") return [...others, ["+ 1", value + 1], ["- 1", value - 1]];
  if (typeof value === "string") return [...others, ...otherTexts(value)];
  return others;
}

function otherLists(list: readonly unknown[]): [string, unknown][] {
  const places = [...list.keys()];
  return [
    ...places.map((at): [string, unknown] => [`less element ${at}`, list.toSpliced(at, 1)]),
    ...places.map((at): [string, unknown] => [`element ${at} twice`, list.toSpliced(at, 0, list[at])]),
    ...places.slice(1).map((at): [string, unknown] => {
      return [`elements ${at - 1} and ${at} swapped`, list.with(at - 1, list[at]).with(at, list[at - 1])];
    }),
    ["with one more hash", [...list, `0x${"5a".repeat(32)}`]],
  ];
}

function otherTexts(text: string): [string, string][] {
  if (/^\d+$/.test(text)) {
    const figure = BigInt(text);
    return [`+ 1`, `- 1`].map((how, i) => [how, (i === 0 ? figure + 1n : figure - 1n).toString()]);
  }
  if (!text.startsWith("0x")) return [["and more", `${text}x`]];
  const places = [2, text.length >> 1, text.length - 1];
  const flipped = places.map((at): [string, string] => [`digit ${at}`, flippedAt(text, at)]);
  if (text.length !== 42) return [...flipped, ["cut short", text.slice(0, -2)], ["longer", `${text}00`]];
  return [...flipped, ...[OTHER_ARIA, OTHER_DER].map((other): [string, string] => [`now ${other}`, other])];
}

/** The text with another character in a place: a digit for a digit, a letter for a letter. */
export function flippedAt(text: string, at: number): string {
  return text.slice(0, at) + other(text.charAt(at)) + text.slice(at + 1);
}

function other(character: string): string {
  if (/[0-9]/.test(character)) return String((Number(character) + 1) % 10);
  if (/[a-f]/.test(character))
    return character === "f" ? "a" : String.fromCharCode(character.charCodeAt(0) + 1);
  if (/[A-Z]/.test(character)) return character.toLowerCase();
  return String.fromCharCode(character.charCodeAt(0) ^ 1);
}
