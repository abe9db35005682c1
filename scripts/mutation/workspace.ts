import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

import * as workspace from "../workspace.ts";

/** A copy of the project in which the sources are woven with their mutants. */
export const WOVEN = resolve("cache", "mutation");
/** One in which they tell which mutants a test comes by. */
export const TRACING = resolve("cache", "mutation-tracing");

/** For code of any size, with coins for many deployments, and with fewer runs: a play is slow in code so large. */
const CONFIG = `import base from "./quick.config.ts";

const { solidity } = base.test;
export default {
  ...base,
  networks: {
    default: {
      ...base.networks.default,
      allowUnlimitedContractSize: true,
      transactionGasCap: false,
      accounts: { accountsBalance: 10n ** 30n },
    },
  },
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
export function openWorkspace(folder: string, woven: ReadonlyMap<string, string>): void {
  workspace.openWorkspace(folder, CONFIG);
  // What mutants make of a pure function is not pure, and so is what calls it.
  const files = [...workspace.filesIn("contracts", ".sol"), ...workspace.filesIn("test/solidity", ".sol")];
  for (const file of new Set([...files, ...woven.keys()])) {
    const text = woven.get(file) ?? readFileSync(file, "utf8");
    writeFileSync(join(folder, file), text.replaceAll(/\bpure\b/g, "view"));
  }
}

/** Compiles what has changed. @throws {WorkspaceError} when it does not compile */
export function build(folder: string, withTests: boolean): void {
  const { status, stdout, stderr } = spawnSync("hardhat", ["build", ...(withTests ? [] : ["--no-tests"])], {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 1e9,
  });
  if (status !== 0)
    throw new WorkspaceError(`the sources with their mutants do not compile:\n${stdout}${stderr}`);
}
