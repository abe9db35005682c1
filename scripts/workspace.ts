import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A copy of the project, in which its contracts can be compiled in another way: artifacts and bindings are its own. */

const COPIED = [
  "package.json",
  "tsconfig.json",
  "contracts",
  "agents",
  "scripts",
  "ignition",
  "test",
  "vectors",
];

/**
 * Steps of solc's optimizer that keep the compiler quick, where code is larger by what is woven into it: what it does
 * counts there, not what it costs.
 */
export const QUICK_OPTIMIZER = {
  enabled: true,
  runs: 200,
  details: { yul: true, yulDetails: { stackAllocation: true, optimizerSteps: "dhfoDgvulfnTUtnIf:fDnTOcmu" } },
};

/**
 * Makes the copy anew, but for what was built there before.
 * @param config the text of its hardhat.config.ts; the project's own is beside it, as project.config.ts
 */
export function openWorkspace(folder: string, config: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of COPIED) {
    rmSync(join(folder, name), { recursive: true, force: true });
    cpSync(name, join(folder, name), { recursive: true });
  }
  cpSync("hardhat.config.ts", join(folder, "project.config.ts"));
  writeFileSync(join(folder, "hardhat.config.ts"), config);
}

/** The files below a folder, as paths from the working directory. */
export function filesIn(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .sort();
}
