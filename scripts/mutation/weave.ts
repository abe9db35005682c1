import type { Span } from "./ast.ts";
import type { Checks, Mutant } from "./mutants.ts";

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

/** How the woven code asks whether a mutant lives, outside assembly and within it. */
export interface Condition {
  readonly lives: (index: number) => string;
  readonly livesInAssembly: (index: number) => string;
}

/** One of them may live. */
const BY_RECIPIENT: Condition = {
  lives: (index) => `block.coinbase == address(uint160(${0x10000 + index}))`,
  livesInAssembly: (index) => `eq(coinbase(), ${0x10000 + index})`,
};

/** None lives, but Hardhat is told of each that could have made a difference: see `TRACER`. Assembly calls nobody. */
export const TRACED: Condition = {
  lives: (index) => `Tracer.reached(${index})`,
  livesInAssembly: () => "0",
};

/** Tells Hardhat as a contract does that is instrumented for coverage: by a call to this address. */
export const TRACER = `// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;
library Tracer {
    function reached(uint256 index) internal view returns (bool) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, index)
            pop(staticcall(gas(), 0xc0bEc0BEc0BeC0bEC0beC0bEC0bEC0beC0beC0BE, free, 32, 0, 0))
            mstore(free, 0)
        }
        return false;
    }
}
`;

/** @param first the number of the first mutant, where others come before it in other sources */
export function weave(
  source: Buffer,
  mutants: readonly Mutant[],
  first = 0,
  condition: Condition = BY_RECIPIENT,
): string {
  const top: Knot = { start: 0, end: source.length, mutants: [], within: [] };
  const inOrder = mutants.map((mutant, index) => ({ mutant, index: first + index }));
  inOrder.sort((a, b) => a.mutant.start - b.mutant.start || b.mutant.end - a.mutant.end);
  for (const each of inOrder) place(top, each);
  const insertions = new Map<number, string>();
  for (const { mutant, index } of inOrder) {
    if (mutant.checks === undefined) continue;
    const { at } = mutant.checks;
    insertions.set(
      at,
      `${insertions.get(at) ?? ""} if (!(${condition.lives(index)})) { ${checksOf(mutant.checks)} }`,
    );
  }
  // What reads the fee recipient is not pure. Nor is whatever calls it.
  return textOf(top).replaceAll(/\bpure\b/g, "view");

  /** What a modifier checks, with the mutants in it if it is of this source. */
  function checksOf({ text, span, values }: Checks): string {
    const woven = span === undefined ? text : joined(span, knotsIn(span));
    return Object.entries(values).reduce(
      (code, [name, value]) => code.replaceAll(new RegExp(`\\b${name}\\b`, "g"), value),
      woven.trim(),
    );
  }

  function knotsIn({ start, end }: Span): Knot[] {
    return top.within.filter((knot) => start <= knot.start && knot.end <= end);
  }

  function joined({ start, end }: Span, within: readonly Knot[]): string {
    let text = "";
    let at = start;
    for (const inner of within) {
      text += plain(at, inner.start) + textOf(inner);
      at = inner.end;
    }
    return text + plain(at, end);
  }

  function textOf(knot: Knot): string {
    const text = joined(knot, knot.within);
    return knot.mutants.reduce((woven, { mutant, index }) => wrapped(woven, mutant, index, condition), text);
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

function wrapped(
  text: string,
  { place, before, after }: Mutant,
  index: number,
  { lives, livesInAssembly }: Condition,
): string {
  const [on, onInAssembly] = [lives(index), livesInAssembly(index)];
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
