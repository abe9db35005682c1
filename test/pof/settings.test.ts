import { readFileSync } from "node:fs";

import { expect } from "chai";

import { SCHEMAS } from "../../agents/pof/party.ts";
import { settingsOf } from "../../agents/runtime/settings.ts";
import { OPERATIONS_FILE, withTables } from "../../scripts/settings.ts";

describe("docs/operations.md", function () {
  const page = readFileSync(OPERATIONS_FILE, "utf8");

  it("has the tables of settings that the code gives (else: npm run settings)", async function () {
    expect(page).to.equal(await withTables(page));
  });

  it("tells of every value of every agent, with its environment variable", function () {
    for (const schema of Object.values(SCHEMAS)) {
      for (const { path, variable, description } of settingsOf(schema)) {
        expect(description, variable).to.not.equal("");
        expect(page).to.match(new RegExp(`\\| \`${path.join("\\.")}\` +\\| \`${variable}\` +\\|`));
      }
    }
  });
});
