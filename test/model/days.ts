import * as fc from "fast-check";

import { Dice } from "../contracts/dice.ts";
import { loadFixture } from "../contracts/fixture.ts";
import { ACTIONS } from "./actions/index.ts";
import { harsh, Stage } from "./stage.ts";

/** The contracts and a plain model of the protocol, held against each other on random days. */

const MOST_ACTIONS = 300;

const name = fc.oneof(
  ...Object.entries(ACTIONS).map(([each, { weight }]) => ({ weight, arbitrary: fc.constant(each) })),
);
const day = fc.noBias(
  fc.array(fc.record({ name, seed: fc.nat() }), { minLength: 1, maxLength: MOST_ACTIONS, size: "max" }),
);

/** What the days must have seen, done or refused, or they would prove less than they say. */
export const SCENES = [
  "bond released: BondInUse",
  "close",
  "close: ClosingTooEarly",
  "contradiction",
  "contradiction: NoContradiction",
  "default",
  "dispute of a sweep",
  "dispute of what was not swept",
  "equivocation of a meter",
  "equivocation of the Aggregator",
  "further page",
  "join",
  "join: DepositTooLow",
  "leave",
  "release",
  "release: EscrowStillNeeded",
  "request",
  "request: BaselineExceeded",
  "request: DepositUnderFloor",
  "ruling, fault Aggregator",
  "ruling, fault DER",
  "ruling, fault None",
  "ruling, fault None: RulingWindowOver",
  "sweep",
  "sweep: SweepWindowOver",
  "top-up",
  "withdrawal",
  "withdrawal: InsufficientFree",
];

/** Plays so many random days on both, and returns what they saw; the same seed gives the same days. */
export async function playDays(numRuns: number, seed: number): Promise<Set<string>> {
  const seen = new Set<string>();
  const property = fc.asyncProperty(day, async (actions) => {
    const stage = await Stage.open(await loadFixture(harsh));
    for (const { name: each, seed: dice } of actions) await ACTIONS[each]?.act(stage, new Dice(dice));
    await stage.compare();
    for (const what of stage.seen) seen.add(what);
  });
  await fc.assert(property, { numRuns, seed, includeErrorInReport: true });
  return seen;
}
