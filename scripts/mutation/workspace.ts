import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A copy of the project in which one source at a time is woven with its mutants, and tested with each of them. */

const ROOT = process.cwd();
const WORKSPACE = join(ROOT, "cache", "mutation");
const COPIED = [
  "package.json",
  "tsconfig.json",
  "contracts",
  "agents",
  "scripts",
  "ignition",
  "test",
  "types",
  "vectors",
];

/** Long enough for the slowest test; a mutant that goes on for ever is found out. */
const RUN_TIMEOUT_MS = 240_000;

/** The project's own configuration, for code of any size, on a chain whose fee recipient picks the mutant. */
const CONFIG = `import base from "./project.config.ts";

const coinbase = process.env["MUTANT"];
export default {
  ...base,
  plugins: base.plugins.filter(({ id }) => id !== "warnings-as-errors"),
  networks: { default: { ...base.networks.default, allowUnlimitedContractSize: true, coinbase } },
  test: { mocha: { timeout: 60_000, bail: true }, solidity: { ...base.test.solidity, coinbase } },
};
`;

export type Suite = "mocha" | "solidity";

export class WorkspaceError extends Error {
  override readonly name = "WorkspaceError";
}

export function openWorkspace(): void {
  rmSync(WORKSPACE, { recursive: true, force: true });
  mkdirSync(WORKSPACE, { recursive: true });
  for (const name of COPIED) cpSync(join(ROOT, name), join(WORKSPACE, name), { recursive: true });
  cpSync(join(ROOT, "hardhat.config.ts"), join(WORKSPACE, "project.config.ts"));
  writeFileSync(join(WORKSPACE, "hardhat.config.ts"), CONFIG);
  // What mutants make of a pure function is not pure, and so is what calls it.
  for (const folder of ["contracts", "test/solidity"]) {
    for (const file of filesIn(folder, ".sol"))
      write(file, readFileSync(join(WORKSPACE, file), "utf8").replaceAll(/\bpure\b/g, "view"));
  }
}

export function closeWorkspace(): void {
  rmSync(WORKSPACE, { recursive: true, force: true });
}

/** Compiles the project with this text in place of one source. @throws {WorkspaceError} when it does not compile */
export async function build(file: string, text: string, withTests: boolean): Promise<void> {
  write(file, text);
  const { status, output } = await hardhat(["build", ...(withTests ? [] : ["--no-tests"])], "", Infinity);
  if (status !== 0) throw new WorkspaceError(`${file} with its mutants does not compile:\n${output}`);
}

/** Puts a source back as it was. */
export function restore(file: string): void {
  write(file, readFileSync(join(ROOT, file), "utf8").replaceAll(/\bpure\b/g, "view"));
}

export interface TestRun {
  readonly passed: boolean;
  /** The test file that failed, if one did and said so. */
  readonly failedIn: string | undefined;
  readonly output: string;
}

/** Runs tests with the mutant that this fee recipient brings to life, in this order, up to the first that fails. */
export async function test(suite: Suite, recipient: string, files: readonly string[]): Promise<TestRun> {
  const { status, output } = await hardhat(
    ["test", suite, "--no-compile", ...files],
    recipient,
    RUN_TIMEOUT_MS,
  );
  const failedIn = files.find((file) => output.includes(`(${file}:`) || output.includes(`/${file}:`));
  return { passed: status === 0, failedIn, output };
}

/** The files below a folder, as paths from the project's root. */
export function filesIn(folder: string, ending: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .sort();
}

function write(file: string, text: string): void {
  writeFileSync(join(WORKSPACE, file), text);
}

async function hardhat(
  args: string[],
  recipient: string,
  timeoutMs: number,
): Promise<{ status: number | null; output: string }> {
  const env = { ...process.env, ...(recipient === "" ? {} : { MUTANT: recipient }) };
  const child = spawn("hardhat", args, { cwd: WORKSPACE, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk: Buffer): void => void (output += chunk.toString());
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const timer = timeoutMs === Infinity ? undefined : setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const [status] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  return { status, output };
}
