import { expect } from "chai";
import * as fc from "fast-check";

import { Dice } from "../contracts/dice.ts";
import { loadFixture } from "../contracts/fixture.ts";
import { ACTIONS } from "./actions.ts";
import { harsh, Stage } from "./stage.ts";

/** Random days, and actions of each at most; `npm run test:deep` plays more. */
const RUNS = Number(process.env["MODEL_RUNS"] ?? 8);
const STEPS = 240;

const action = fc.oneof(
  ...Object.keys(ACTIONS).map((name) => ({ weight: ACTIONS[name]!.weight, arbitrary: fc.constant(name) })),
);
const day = fc.array(fc.record({ name: action, seed: fc.nat() }), {
  minLength: 1,
  maxLength: STEPS,
  size: "max",
});

describe("The contracts and a plain model of the protocol", function () {
  const seen = new Map<string, number>();

  it("come to the same, to the unit, whatever happens on a day, and refuse the same for the same reason", async function () {
    this.timeout(60_000 + RUNS * 30_000);
    const property = fc.asyncProperty(day, async (steps) => {
      const stage = await Stage.open(await loadFixture(harsh));
      for (const { name, seed } of steps) await ACTIONS[name]?.act(stage, new Dice(seed));
      await stage.compare();
      for (const [what, times] of stage.seen) seen.set(what, (seen.get(what) ?? 0) + times);
    });
    await fc.assert(property, { numRuns: RUNS, seed: 20_260_620, includeErrorInReport: true });
    console.log([...seen].sort());
  });
});
