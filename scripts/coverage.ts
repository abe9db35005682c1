import { spawnSync } from "node:child_process";
import { cpSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

import { filesIn, openWorkspace } from "./workspace.ts";

/** Which lines and statements of the contracts the tests of both suites run; `npm run coverage`. All of them must be. */

const WORKSPACE = resolve("cache", "coverage");

/** Fewer runs than usual: what one of them reaches counts as much as what all do. No test is stopped by a clock. */
const CONFIG = `import base from "./quick.config.ts";

const { solidity } = base.test;
export default {
  ...base,
  coverage: { skipFiles: ["contracts/test/**"] },
  test: {
    mocha: { timeout: 0 },
    solidity: { ...solidity, fuzz: { ...solidity.fuzz, runs: 16 }, invariant: { runs: 2, depth: 64 } },
  },
};
`;

openWorkspace(WORKSPACE, CONFIG);
const tests = [...filesIn("test/contracts", ".test.ts"), ...filesIn("test/solidity", "Test.sol")];
const { status } = spawnSync("hardhat", ["--coverage", "test", ...tests], {
  cwd: WORKSPACE,
  stdio: "inherit",
});
if (status !== 0) process.exit(status ?? 1);

rmSync("coverage", { recursive: true, force: true });
cpSync(join(WORKSPACE, "coverage"), "coverage", { recursive: true });
const missed = missedLines(readFileSync("coverage/lcov.info", "utf8"));
for (const line of missed) console.error(`no test runs ${line}`);
if (missed.length > 0) process.exitCode = 1;

/** Lines with a statement that never ran, as "file:line": DA:line,count below SF:file. */
function missedLines(lcov: string): string[] {
  return lcov.split("SF:").flatMap((section) => {
    const [file = "", ...records] = section.split("\n");
    return records.flatMap((record) => {
      const line = /^DA:(\d+),0$/.exec(record)?.[1];
      return line === undefined ? [] : [`${file}:${line}`];
    });
  });
}
