import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

import { expect } from "chai";

import { SNAPSHOT_FILE, steady } from "../../scripts/bench/gas/snapshot.ts";
import type { Figures } from "../../scripts/bench/part.ts";

const run = promisify(execFile);

describe("The gas of whole transactions", function () {
  it("is that of the snapshot, to the unit; `npm run gas:snapshot` writes it anew", async function () {
    this.timeout(300_000);
    // In a process of its own: on a chain that other tests have used, epochs have other numbers, and bytes other prices.
    const args = ["--import=tsx", "scripts/bench/main.ts", "--part", "gas", "--json"];
    const { stdout } = await run(process.execPath, args);
    const kept = JSON.parse(readFileSync(SNAPSHOT_FILE, "utf8")) as Figures;
    expect(steady(JSON.parse(stdout) as Figures)).to.deep.equal(kept);
  });
});
