import type { Span } from "./ast.ts";
import type { Mutant } from "./mutants.ts";

/**
 * All mutants of a source in one text: which one lives is told by the block's fee recipient, so that one compilation
 * serves them all. With any other fee recipient the code does what it did.
 */

/** The fee recipient of a run in which no mutant lives. */
export const NOBODY = "0x00000000000000000000000000000000c014ba5e";

/** The fee recipient that brings the n-th mutant to life; the first addresses are precompiled contracts. */
export function recipientOf(index: number): string {
  return `0x${(0x10000 + index).toString(16).padStart(40, "0")}`;
}

/** Mutants of the same span, and those within it. */
interface Knot extends Span {
  readonly mutants: { readonly index: number; readonly mutant: Mutant }[];
  readonly within: Knot[];
}

/** @param first the number of the first mutant, where others come before it in other sources */
export function weave(source: Buffer, mutants: readonly Mutant[], first = 0): string {
  const top: Knot = { start: 0, end: source.length, mutants: [], within: [] };
  const inOrder = mutants.map((mutant, index) => ({ mutant, index: first + index }));
  inOrder.sort((a, b) => a.mutant.start - b.mutant.start || b.mutant.end - a.mutant.end);
  for (const each of inOrder) place(top, each);
  const insertions = new Map<number, string>();
  for (const { mutant, index } of inOrder) {
    if (mutant.checks === undefined) continue;
    const { code, at } = mutant.checks;
    insertions.set(at, `${insertions.get(at) ?? ""} if (!(${lives(index)})) { ${code} }`);
  }
  // What reads the fee recipient is not pure. Nor is whatever calls it.
  return textOf(top).replaceAll(/\bpure\b/g, "view");

  function textOf(knot: Knot): string {
    let text = "";
    let at = knot.start;
    for (const inner of knot.within) {
      text += plain(at, inner.start) + textOf(inner);
      at = inner.end;
    }
    text += plain(at, knot.end);
    return knot.mutants.reduce((woven, { mutant, index }) => wrapped(woven, mutant, index), text);
  }

  function plain(start: number, end: number): string {
    let text = "";
    let from = start;
    for (const [at, insertion] of [...insertions].sort(([a], [b]) => a - b)) {
      if (at <= start || at > end) continue;
      text += source.subarray(from, at).toString() + insertion;
      from = at;
    }
    return text + source.subarray(from, end).toString();
  }
}

function place(knot: Knot, each: { readonly mutant: Mutant; readonly index: number }): void {
  const { start, end } = each.mutant;
  const outer = knot.within.find((inner) => inner.start <= start && end <= inner.end);
  if (outer === undefined) knot.within.push({ start, end, mutants: [each], within: [] });
  else if (outer.start === start && outer.end === end) outer.mutants.push(each);
  else place(outer, each);
}

function lives(index: number): string {
  return `block.coinbase == address(uint160(${0x10000 + index}))`;
}

function wrapped(text: string, { place, before, after }: Mutant, index: number): string {
  const on = lives(index);
  const onInAssembly = `eq(coinbase(), ${0x10000 + index})`;
  switch (place) {
    case "expression":
      return `(${on} ? (${after}) : (${text}))`;
    case "statement":
      return after === "" ? `{ if (!(${on})) { ${text} } }` : `{ if (${on}) { ${after} } else { ${text} } }`;
    case "assembly expression": // both are computed, one of them is kept
      return `xor(${text}, mul(${onInAssembly}, xor(${before}, ${after})))`;
    case "assembly statement":
      return `if iszero(${onInAssembly}) { ${text} }`;
    case "modifier":
      return "";
  }
}
