import { readFileSync } from "node:fs";

import { expect } from "chai";

import { bundleJsonSchema, SCHEMA_FILE } from "../../scripts/schema.ts";

describe("schemas/bundle.schema.json", function () {
  it("is what the code gives (else: npm run schema)", function () {
    expect(readFileSync(SCHEMA_FILE, "utf8")).to.equal(bundleJsonSchema());
  });
});
