import { expect } from "chai";
import * as fc from "fast-check";

import { Dice } from "../contracts/dice.ts";
import { loadFixture } from "../contracts/fixture.ts";
import { ACTIONS } from "./actions/index.ts";
import { harsh, Stage } from "./stage.ts";

/** How many random days; `npm run test:deep` plays more. */
const RUNS = Number(process.env["MODEL_RUNS"] ?? 8);
const MOST_ACTIONS = 300;

const name = fc.oneof(
  ...Object.entries(ACTIONS).map(([each, { weight }]) => ({ weight, arbitrary: fc.constant(each) })),
);
const day = fc.noBias(
  fc.array(fc.record({ name, seed: fc.nat() }), { minLength: 1, maxLength: MOST_ACTIONS, size: "max" }),
);

/** What the days must have seen, done or refused, or they would prove less than they say. */
const SCENES = [
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

describe("The contracts and a plain model of the protocol", function () {
  const seen = new Set<string>();

  it("come to the same, to the unit, whatever happens on a day, and refuse the same for the same reason", async function () {
    this.timeout(60_000 + RUNS * 30_000);
    const property = fc.asyncProperty(day, async (actions) => {
      const stage = await Stage.open(await loadFixture(harsh));
      for (const { name: each, seed } of actions) await ACTIONS[each]?.act(stage, new Dice(seed));
      await stage.compare();
      for (const what of stage.seen) seen.add(what);
    });
    await fc.assert(property, { numRuns: RUNS, seed: 20_260_620, includeErrorInReport: true });
  });

  it("met in all that matters", function () {
    expect([...seen]).to.include.members(SCENES);
  });
});
