import { readFileSync } from "node:fs";

import { expect } from "chai";

const PAGE = new URL("../docs/invariants.md", import.meta.url);
const text = readFileSync(PAGE, "utf8");

/** Number, file and name of each test in the table at the end of the page. */
const rows = [...text.matchAll(/^\| (I\d+) +\| \[[^\]]+\]\(([^)]+)\) +\| (.+?) +\|$/gm)].map((match) =>
  match.slice(1),
);

describe("docs/invariants.md", function () {
  it("numbers the invariants without a gap, and names a test for each", function () {
    const told = [...text.matchAll(/^\*\*(I\d+)\. /gm)].map(([, number]) => number);
    expect(told).to.deep.equal(told.map((_, index) => `I${index + 1}`));
    expect([...new Set(rows.map(([number]) => number))]).to.deep.equal(told);
  });

  it("names tests that there are, and that name the invariant", function () {
    for (const [number = "", file = "", name = ""] of rows) {
      expect(readFileSync(new URL(file, PAGE), "utf8"), file).to.include(name);
      expect(name, name).to.match(new RegExp(`${number}(?!\\d)`));
    }
  });
});
