import { expect } from "chai";

import { playDays, SCENES } from "../test/model/days.ts";

/** How many days, and from which seed on: another seed gives other days. */
const RUNS = Number(process.env["MODEL_RUNS"] ?? 300);
const SEED = Number(process.env["MODEL_SEED"] ?? 9_010);

describe(`The contracts and a plain model of the protocol, on ${RUNS} random days`, function () {
  it("come to the same, to the unit", async function () {
    this.timeout(RUNS * 30_000);
    const seen = await playDays(RUNS, SEED);
    expect([...seen]).to.include.members(SCENES);
  });
});
