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
 * The project's own configuration, but for what is woven into its contracts: code of that size needs steps of solc's optimizer
 * that keep the compiler quick, as what it does counts there and not what it costs; and it draws warnings.
 */
const QUICK = `import base from "./project.config.ts";

const [{ path, version, settings }] = base.solidity.compilers;
const optimizer = {
  enabled: true,
  runs: 200,
  details: { yul: true, yulDetails: { stackAllocation: true, optimizerSteps: "dhfoDgvulfnTUtnIf:fDnTOcmu" } },
};
export default {
  ...base,
  plugins: base.plugins.filter(({ id }) => id !== "warnings-as-errors"),
  solidity: { ...base.solidity, compilers: [{ version, path, settings: { ...settings, optimizer } }], overrides: {} },
};
`;

/**
 * Makes the copy anew, but for what was built there before.
 * @param config the text of its hardhat.config.ts; the project's own, made for woven contracts, is beside it as quick.config.ts
 */
export function openWorkspace(folder: string, config: string): void {
  mkdirSync(folder, { recursive: true });
  for (const name of COPIED) {
    rmSync(join(folder, name), { recursive: true, force: true });
    cpSync(name, join(folder, name), { recursive: true });
  }
  cpSync("hardhat.config.ts", join(folder, "project.config.ts"));
  writeFileSync(join(folder, "quick.config.ts"), QUICK);
  writeFileSync(join(folder, "hardhat.config.ts"), config);
}

/** The files below a folder, as paths from the working directory. */
export function filesIn(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .sort();
}
