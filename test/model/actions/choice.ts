import type { Dice } from "../../contracts/dice.ts";

/** One that the action fits; rarely any, to see it refused; undefined if it is not to be done. */
export function choice<T>(dice: Dice, fitting: readonly T[], all: readonly T[]): T | undefined {
  return dice.pick(dice.oneIn(fitting.length > 0 ? 16 : 6) ? all : fitting);
}
