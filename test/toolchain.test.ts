import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { expect } from "chai";

const toolchain = fileURLToPath(new URL("../scripts/toolchain.mjs", import.meta.url));

// All is installed, or these tests would not run: they are not to set it up anew.
const env = { ...process.env, PROOF_OF_FLOW_READY: "true" };

/** What `node scripts/toolchain.mjs ARGS` prints, and how it ends. */
const run = (...args: string[]) =>
  spawnSync(process.execPath, [toolchain, ...args], { encoding: "utf8", env, timeout: 10_000 });

/** The same for `node -e SCRIPT ARGS` as the command. */
const runScript = (script: string, ...args: string[]) => run("node", "-e", script, "--", ...args);

describe("scripts/toolchain.mjs", () => {
  it("passes the exit status on", () => {
    expect(runScript("process.exit(0)").status).to.equal(0);
    expect(runScript("process.exit(7)").status).to.equal(7);
  });

  it("passes the arguments on untouched", () => {
    const args = ["two words", "--build", "--flag=1", "", "-", "'\"$HOME\\", "*", "ü"];
    const { stdout } = runScript("console.log(JSON.stringify(process.argv.slice(1)))", ...args);
    expect(JSON.parse(stdout)).to.deep.equal(args);
  });

  it("leaves standard output and standard error to the command", () => {
    const { stdout, stderr } = runScript('process.stdout.write("out"); process.stderr.write("err")');
    expect(stdout).to.equal("out");
    expect(stderr).to.equal("err");
  });

  it("finds the programs of the dependencies", () => {
    const { status, stdout } = run("tsc", "--version");
    expect(status).to.equal(0);
    expect(stdout).to.match(/^Version \d+\.\d+\.\d+\n$/);
  });

  it("runs the command under its own Node.js, and so does whatever the command starts", () => {
    const script = 'process.stdout.write(require("child_process").execSync("node --version"))';
    expect(runScript(script).stdout).to.equal(`${process.version}\n`);
  });

  it("keeps Hardhat from calling out and Node.js from warning of node:sqlite", () => {
    const { stdout, stderr } = runScript(
      'require("node:sqlite"); console.log(process.env.HARDHAT_DISABLE_TELEMETRY)',
    );
    expect(stdout).to.equal("true\n");
    expect(stderr).to.equal("");
  });

  it("reports a command that is not there", () => {
    const { status, stdout, stderr } = run("no-such-command");
    expect(status).to.equal(127);
    expect(stdout).to.equal("");
    expect(stderr).to.match(/^\[toolchain\] no-such-command could not be started: .*\n$/);
  });

  it("passes a signal on to the command, and dies as the command does", function () {
    if (process.platform === "win32") this.skip();
    const ended = runScript('process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 5000)');
    expect(ended.status).to.equal(128 + 15);
    // The command asks its parent, which is the toolchain, to stop: it has to hear of it.
    const asked = runScript(`
      process.on("SIGINT", () => process.exit(9));
      process.kill(process.ppid, "SIGINT");
      setTimeout(() => {}, 5000);
    `);
    expect(asked.status).to.equal(9);
  });
});
