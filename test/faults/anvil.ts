/** A second, independent node: anvil of Foundry, as a process that can be stopped and started with all it knew. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const START_MS = 30_000;

/** The program; undefined where there is none for this platform. */
export function anvilProgram(): string | undefined {
  try {
    return fileURLToPath(import.meta.resolve("@foundry-rs/anvil-linux-amd64/bin/anvil"));
  } catch {
    return undefined;
  }
}

export class Anvil {
  readonly url: string;
  readonly #port: number;
  readonly #arguments: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(port: number, args: readonly string[]) {
    this.url = `http://127.0.0.1:${port}`;
    this.#port = port;
    this.#arguments = args;
  }

  /** One that mines when there is something to mine. @param genesis time of the first block, unix seconds */
  static async start(stateFile: string, genesis: number): Promise<Anvil> {
    const history = ["--preserve-historical-states", "--timestamp", `${genesis}`];
    return Anvil.#started("--state", stateFile, ...history);
  }

  /**
   * One that mines by the clock, as a testnet does.
   * @param blockSeconds between two blocks by the chain's clock, which is this many times as fast as the wall's: `speed`
   */
  static async testnet(chainId: number, blockSeconds: number, speed: number): Promise<Anvil> {
    const anvil = await Anvil.#started("--chain-id", `${chainId}`, "--block-time", `${blockSeconds / speed}`);
    await anvil.ask("anvil_setBlockTimestampInterval", blockSeconds);
    return anvil;
  }

  static async #started(...args: readonly string[]): Promise<Anvil> {
    const anvil = new Anvil(await freePort(), args);
    await anvil.start();
    return anvil;
  }

  async start(): Promise<void> {
    const program = anvilProgram() ?? "anvil";
    const args = ["--port", `${this.#port}`, "--silent", "--hardfork", "osaka", ...this.#arguments];
    this.#process = spawn(program, args, { stdio: "ignore" });
    for (let waited = 0; !(await this.#answers()); waited += 50) {
      if (waited > START_MS || this.#process.exitCode !== null) throw new Error("anvil did not start");
      await sleep(50);
    }
  }

  /** Ends it, with its state on disk. */
  async stop(): Promise<void> {
    if (this.#process?.exitCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    await ended;
  }

  async ask<T = unknown>(method: string, ...params: unknown[]): Promise<T> {
    const response = await fetch(this.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    const { result, error } = (await response.json()) as { result: T; error?: { message: string } };
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  async #answers(): Promise<boolean> {
    try {
      await this.ask("eth_chainId");
      return true;
    } catch {
      return false; // not listening yet
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
