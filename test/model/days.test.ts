import { expect } from "chai";

import { playDays, SCENES } from "./days.ts";

describe("The contracts and a plain model of the protocol", function () {
  it("come to the same, to the unit, whatever happens on a day, and refuse the same for the same reason", async function () {
    this.timeout(240_000);
    const seen = await playDays(8, 20_260_620);
    expect([...seen]).to.include.members(SCENES);
  });
});
