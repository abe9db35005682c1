import { readFileSync } from "node:fs";

import { expect } from "chai";

import type { RuleName } from "../../agents/evidence/adjudicate.ts";
import { CHECKS } from "../../agents/evidence/checks.ts";
import { bundleSchema } from "../../agents/evidence/format.ts";
import { zeroCounters } from "../../agents/metering/devices/device.ts";

/** The compiler keeps this complete: a rule that is missing here, or is none, does not compile. */
const RULES: Record<RuleName, true> = {
  "no-claimant-evidence": true,
  "claimant-evidence-fails": true,
  "respondent-silent": true,
  "respondent-evidence-fails": true,
  "feeder-contradicts-claimant": true,
  "swept-below-own-meter": true,
  "no-third-meter": true,
  "feeder-confirms-claimant": true,
  "feeder-confirms-respondent": true,
  "neighbours-unconfirmed": true,
  drift: true,
  "feeder-confirms-both": true,
  "feeder-confirms-neither": true,
};

/** The names in the column of a table with this heading. */
function column(file: string, heading: string): string[] {
  const rows = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const start = rows.findIndex((row) => row.includes(heading));
  const at = rows[start]?.indexOf(heading) ?? -1;
  const names = rows.slice(start + 2).map((row) => /^`([\w-]+)`$/.exec(row[at] ?? "")?.[1]);
  const end = names.indexOf(undefined);
  return (end < 0 ? names : names.slice(0, end)) as string[];
}

describe("The document on meters", function () {
  it("tells of all that a meter counts", function () {
    expect(column("docs/meters.md", "event")).to.deep.equal(Object.keys(zeroCounters()));
  });
});

describe("The documents on evidence", function () {
  it("tell of each check, in the order in which they are made", function () {
    expect(column("docs/evidence.md", "check")).to.deep.equal(Object.keys(CHECKS));
  });

  it("tell of each field of a bundle", function () {
    const fields = new Set(bundleSchema.options.flatMap(({ shape }) => Object.keys(shape)));
    fields.delete("seal"); // the last of each role
    fields.add("seal");
    expect(column("docs/evidence.md", "field")).to.deep.equal([...fields]);
  });

  it("tell of each rule", function () {
    const rules = new Set(column("docs/adjudication.md", "rule"));
    expect([...rules].sort()).to.deep.equal(Object.keys(RULES).sort());
  });
});
