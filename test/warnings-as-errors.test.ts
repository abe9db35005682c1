import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { expect } from "chai";
import { createHardhatRuntimeEnvironment } from "hardhat/hre";
import { FileBuildResultType } from "hardhat/types/solidity";

import { warningsAsErrors } from "../scripts/warnings-as-errors.ts";

const solc = { version: "0.8.34", path: fileURLToPath(import.meta.resolve("solc/soljson.js")) };
const HEAD = "// SPDX-License-Identifier: MIT\npragma solidity 0.8.34;\n";
const CLEAN = `${HEAD}contract Clean {}\n`;
const WARNS = `${HEAD}contract Warns { function f() external pure { uint256 unused; } }\n`;
const TOO_LARGE = `${HEAD}contract Large { string public constant TEXT = "${"x".repeat(25_000)}"; }\n`;

describe("Compiler warnings", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "warnings-"));
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** Whether a project of one Solidity file builds. */
  async function builds(file: string, source: string): Promise<boolean> {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), source);
    const paths = { tests: { solidity: "test/solidity" } };
    const config = { plugins: [warningsAsErrors], solidity: { compilers: [solc] }, paths };
    const hre = await createHardhatRuntimeEnvironment(config, {}, folder);
    const files = await hre.solidity.getRootFilePaths({ scope: "contracts" });
    expect(files.map((path) => path.endsWith(file))).to.deep.equal([true]);
    const results = await hre.solidity.build(files, { quiet: true });
    if (!hre.solidity.isSuccessfulBuildResult(results)) return false;
    return [...results.values()].every(({ type }) => type === FileBuildResultType.BUILD_SUCCESS);
  }

  it("are none in a clean contract, which builds", async () => {
    expect(await builds("contracts/Clean.sol", CLEAN)).to.equal(true);
  });

  it("stop the build, and stop it again: nothing of it is kept", async () => {
    expect(await builds("contracts/Warns.sol", WARNS)).to.equal(false);
    expect(await builds("contracts/Warns.sol", WARNS)).to.equal(false);
  });

  it("stop the build of Solidity tests as well", async () => {
    expect(await builds("test/solidity/Warns.sol", WARNS)).to.equal(false);
  });

  it("of a contract's size stop the build of a contract, not of a test", async () => {
    expect(await builds("contracts/Large.sol", TOO_LARGE)).to.equal(false);
    rmSync(join(folder, "contracts"), { recursive: true });
    expect(await builds("test/solidity/Large.sol", TOO_LARGE)).to.equal(true);
  });
});
