import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import * as workspace from "../workspace.ts";

/** A copy of the project in which the sources are woven with their mutants. */

export const WORKSPACE = resolve("cache", "mutation");

/** The project's own configuration, for code of any size, and with fewer runs: a play is slow in code so large. */
const CONFIG = `import base from "./project.config.ts";

const { path, version, settings } = base.solidity.compilers[0];
const { solidity } = base.test;
export default {
  ...base,
  plugins: base.plugins.filter(({ id }) => id !== "warnings-as-errors"),
  solidity: { version, path, settings: { ...settings, optimizer: ${JSON.stringify(workspace.QUICK_OPTIMIZER)} } },
  networks: { default: { ...base.networks.default, allowUnlimitedContractSize: true, transactionGasCap: false } },
  test: {
    mocha: {},
    solidity: { ...solidity, fuzz: { ...solidity.fuzz, runs: 64 }, invariant: { runs: 4, depth: 64 } },
  },
};
`;

export class WorkspaceError extends Error {
  override readonly name = "WorkspaceError";
}

/** @param woven the text of each source that has mutants */
export function openWorkspace(woven: ReadonlyMap<string, string>): void {
  workspace.openWorkspace(WORKSPACE, CONFIG);
  // What mutants make of a pure function is not pure, and so is what calls it.
  for (const file of [
    ...workspace.filesIn("contracts", ".sol"),
    ...workspace.filesIn("test/solidity", ".sol"),
  ]) {
    const text = woven.get(file) ?? readFileSync(file, "utf8");
    writeFileSync(join(WORKSPACE, file), text.replaceAll(/\bpure\b/g, "view"));
  }
}

/** Compiles what has changed. @throws {WorkspaceError} when it does not compile */
export function build(withTests: boolean): void {
  const { status, stdout, stderr } = spawnSync("hardhat", ["build", ...(withTests ? [] : ["--no-tests"])], {
    cwd: WORKSPACE,
    encoding: "utf8",
    maxBuffer: 1e9,
  });
  if (status !== 0)
    throw new WorkspaceError(`the sources with their mutants do not compile:\n${stdout}${stderr}`);
}
