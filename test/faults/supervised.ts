/** An agent's program, kept running as a service is: started again whenever it ends without being told to. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/** A configuration at fault, which a restart does not mend. */
const CONFIGURATION_STATUS = 2;
const RESTART_MS = 100;
const SAYING_MS = 120_000;
const KEPT_OUTPUT = 20_000;

export class Supervised {
  readonly name: string;
  readonly #command: readonly [program: string, ...args: string[]];
  readonly #env: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;
  #wanted = false;
  /** How often it was started. */
  starts = 0;
  /** The end of what it said. */
  output = "";

  /** @param command what starts it, if not the program as it is: to put it under limits */
  constructor(name: string, file: string, env: Readonly<Record<string, string>>, limits?: string) {
    this.name = name;
    this.#env = env;
    const run = [
      process.execPath,
      "--import",
      "tsx",
      "agents/pof/main.ts",
      name.replace(/\d+$/, ""),
      "--config",
      file,
    ];
    this.#command =
      limits === undefined
        ? (run as [string, ...string[]])
        : ["sh", "-c", `${limits}; exec "$@"`, "sh", ...run];
  }

  start(): void {
    this.#wanted = true;
    this.starts += 1;
    const [program, ...args] = this.#command;
    const env = { ...process.env, NODE_NO_WARNINGS: "1", ...this.#env };
    const child = spawn(program, args, { env, stdio: ["ignore", "ignore", "pipe"] });
    createInterface(child.stderr).on("line", (line) => {
      if (!line.includes('"event":"looked"'))
        this.output = `${this.output}${line}
`.slice(-KEPT_OUTPUT);
    });
    child.once("exit", (status) => {
      if (!this.#wanted || status === CONFIGURATION_STATUS) return;
      setTimeout(() => {
        if (this.#wanted) this.start();
      }, RESTART_MS);
    });
    this.#process = child;
  }

  /** As by a power cut. */
  kill(): void {
    this.#process?.kill("SIGKILL");
  }

  /** How often an event was told. */
  told(event: string): number {
    return this.output.split(`"event":"${event}"`).length - 1;
  }

  /** Waits until it has said this. */
  async untilSays(words: string): Promise<void> {
    for (let waited = 0; !this.output.includes(words); waited += 50) {
      if (waited > SAYING_MS) throw new Error(`${this.name} did not say "${words}": ${this.output}`);
      await sleep(50);
    }
  }

  async stop(): Promise<void> {
    this.#wanted = false;
    const child = this.#process;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  }
}
