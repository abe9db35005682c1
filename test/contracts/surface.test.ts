import { readFileSync } from "node:fs";

import { expect } from "chai";

import { surface, SURFACE_FILE } from "../../scripts/surface.ts";

describe("The surface of the contracts", function () {
  it("is the one in contracts/surface.json; after a planned change, `npm run surface` writes it anew", function () {
    const kept: unknown = JSON.parse(readFileSync(SURFACE_FILE, "utf8"));
    expect(surface()).to.deep.equal(kept);
  });
});
