// node scripts/toolchain.mjs [--build] [COMMAND [ARGS...]]
//
// Makes sure that COMMAND has all it needs, then runs it and passes its exit status on:
//   1. a Node.js new enough for Hardhat 3: the running one, or else the one locked in scripts/runtime;
//   2. the dependencies, exactly as locked in package-lock.json;
//   3. with --build, the compiled contracts and the TypeScript bindings generated from them.
// What is in place already is left alone. Everything comes from the npm registry and is checked against the
// locked hashes. Nothing is written to standard output here: that belongs to COMMAND.
// This file runs on Node.js 18, before anything is installed, so it uses nothing but Node.js itself.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { constants, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const runtime = join(root, "scripts", "runtime");
const modules = join(root, "node_modules");
const windows = process.platform === "win32";
const platform = `${process.platform}-${process.arch}`;

const say = (text) => process.stderr.write(`[toolchain] ${text}\n`);
const fail = (text, status) => {
  say(text);
  process.exit(status || 1);
};
const read = (file) => (fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "");
const hash = (...texts) => createHash("sha256").update(JSON.stringify(texts)).digest("hex");
const lockHash = (folder) => hash(read(join(folder, "package-lock.json")), platform);

// Which Node.js: Hardhat 3 needs 22.13. The short-lived 23 is left out, as ESLint refuses it.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 18) fail(`Node.js ${process.versions.node} is too old: please install 18 or newer.`);
const newEnough = major >= 24 || (major === 22 && minor >= 13);
const nodePackages = Object.keys(JSON.parse(read(join(runtime, "package.json"))).optionalDependencies);
const nodePackage = nodePackages.find((name) => name.endsWith(platform.replace("win32", "win")));
if (!newEnough && !nodePackage) fail(`No Node.js package for ${platform}: please install 22.13 or newer.`);
const lockedNode = () => join(runtime, "node_modules", nodePackage, "bin", windows ? "node.exe" : "node");
const node = newEnough ? process.execPath : lockedNode();

// The chosen Node.js comes first on the PATH of all that is started here, npm not least: under an older one it
// silently leaves out Hardhat's native part. (Changed in place, because Windows may call it Path.)
const { env } = process;
const first = [dirname(node), join(modules, ".bin")];
const others = (env.PATH ?? "").split(delimiter).filter((folder) => !first.includes(folder));
env.PATH = [...first, ...others].join(delimiter);
const npmCli = /npm-cli\.js$/.test(env.npm_execpath ?? "") ? env.npm_execpath : undefined;

/** npm ci, then `check`, as npm counts an optional package that it could not fetch (any native part) as no failure. */
function install(folder, withNode, check, otherwise) {
  // No install script is needed, and only the registry is to be asked.
  const flags = ["--include=dev", "--include=optional", "--ignore-scripts", "--no-audit", "--no-fund"];
  const [program, ...args] = [...(npmCli ? [withNode, npmCli] : ["npm"]), "ci", ...flags, "--loglevel=error"];
  const options = { cwd: folder, stdio: ["ignore", 2, 2], shell: windows && !npmCli }; // or else npm.cmd
  const { status, error } = spawnSync(program, args, options);
  if (error) fail(`npm could not be started: ${error.message}`);
  if (status !== 0) fail(`npm ci failed in ${folder}.`, status);
  if (spawnSync(node, check, { cwd: root }).status !== 0) fail(otherwise);
}

const solidityFiles = (folder) =>
  fs.readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = `${folder}/${entry.name}`;
    return entry.isDirectory() ? solidityFiles(file) : file.endsWith(".sol") ? [file] : [];
  });

// A step is skipped when its stamp, kept among what it made, still has the hash of what it was made from.
const installNode = {
  stamp: join(runtime, "node_modules", ".proof-of-flow-stamp"),
  wanted: () => lockHash(runtime),
  run() {
    say(
      `Hardhat 3 needs Node.js 22.13, this is ${process.versions.node}: installing ${nodePackage} from npm.`,
    );
    const otherwise = `${nodePackage} is missing or does not run here: please install Node.js 22.13 or newer.`;
    install(runtime, process.execPath, ["--version"], otherwise);
  },
};
const installDependencies = {
  stamp: join(modules, ".proof-of-flow-stamp"),
  wanted: () => lockHash(root),
  run() {
    say("Installing the locked dependencies (npm ci); again only when package-lock.json changes.");
    const check = ["-e", 'require("@nomicfoundation/edr")'];
    install(root, node, check, "Hardhat's native part was not installed: please try again.");
  },
};
const build = {
  needs: join(root, "types"),
  stamp: join(root, "artifacts", ".proof-of-flow-stamp"),
  wanted() {
    const files = [...solidityFiles("contracts"), "hardhat.config.ts"].sort();
    return hash(lockHash(root), ...files.map((file) => [file, read(join(root, file))]));
  },
  run() {
    say("Compiling the contracts and generating their TypeScript bindings.");
    const [program, ...args] = [...resolve("hardhat"), "build", "--no-tests"];
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: root, encoding: "utf8" });
    process.stderr.write(`${(stdout + stderr).trim()}\n`);
    if (status !== 0) fail("The contracts did not compile.", status);
  },
};

/** Does what is due. Of two commands at once, the second waits until the first is done. */
function prepare(steps) {
  const due = ({ stamp, wanted, needs = stamp }) => !fs.existsSync(needs) || read(stamp) !== wanted();
  if (!steps.some(due)) return;
  const lock = join(tmpdir(), `proof-of-flow-${hash(root).slice(0, 12)}.lock`);
  for (let waiting = false; !acquire(lock); waiting = true) {
    if (!waiting) say(`Waiting for the set-up that another command is busy with (${lock}).`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
  process.once("exit", () => fs.rmSync(lock, { force: true }));
  for (const step of steps) {
    if (!due(step)) continue;
    const wanted = step.wanted(); // not afterwards: a contract may be edited while the build runs
    step.run();
    fs.writeFileSync(step.stamp, wanted);
  }
  fs.rmSync(lock);
}

/** Whether the lock could be had; one whose owner has died is taken away. */
function acquire(lock) {
  try {
    fs.writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  try {
    process.kill(Number(read(lock)), 0);
  } catch (error) {
    if (error.code === "ESRCH") fs.rmSync(lock, { force: true });
  }
  return false;
}

/** How to start a command: npm and the dependencies' programs with the chosen Node.js, without a shell between. */
function resolve(command) {
  if (command === "npm" && npmCli) return [node, npmCli];
  const folder = join(modules, command === "tsc" ? "typescript" : command);
  const { bin } = JSON.parse((/^[\w-]+$/.test(command) && read(join(folder, "package.json"))) || "{}");
  const script = typeof bin === "string" ? bin : bin?.[command];
  return script ? [node, join(folder, script)] : [command];
}

const args = process.argv.slice(2);
const withBuild = args[0] === "--build";
if (withBuild) args.shift();
const installs = env.PROOF_OF_FLOW_READY
  ? []
  : newEnough
    ? [installDependencies]
    : [installNode, installDependencies];
prepare([...installs, ...(withBuild ? [build] : [])]);
env.PROOF_OF_FLOW_READY = "true"; // for commands that come back here, as `npm test` does for each of its parts
if (args.length === 0) process.exit();

const noWarning = "--disable-warning=ExperimentalWarning"; // node:sqlite is experimental in Node.js 22
if (!env.NODE_OPTIONS?.includes(noWarning))
  env.NODE_OPTIONS = `${env.NODE_OPTIONS ?? ""} ${noWarning}`.trim();
// On a terminal Hardhat would send usage reports and fetch a banner; the banner it spares CI systems only.
env.HARDHAT_DISABLE_TELEMETRY = "true";
env.CONTINUOUS_INTEGRATION ??= "true";
// Every program here starts with the same few megabytes of dependencies to compile.
env.NODE_COMPILE_CACHE ??= join(modules, ".cache", "node");

const [program, ...given] = [...resolve(args[0]), ...args.slice(1)];
const child = spawn(program, given, { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
// Told to stop, npm ends the shell between it and this process and nothing else: without this COMMAND would go on.
const parent = process.ppid;
const orphaned = () => process.ppid !== parent && child.kill() && clearInterval(watch);
const watch = env.npm_lifecycle_event ? setInterval(orphaned, 200).unref() : undefined;
child.on("error", (error) => fail(`${args[0]} could not be started: ${error.message}`, 127));
child.on("exit", (status, signal) => process.exit(status ?? 128 + constants.signals[signal]));
