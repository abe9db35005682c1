/** A testnet as far as anybody can tell: an independent node whose chain id is Sepolia's, and whose blocks come by the clock. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import hre from "hardhat";

import { FaultyNode } from "../../test/chain/faulty-node.ts";
import { Anvil } from "../../test/faults/anvil.ts";
import type { Outcome } from "../../test/pof/stage.ts";

const CHAIN_ID = 11_155_111;
export const BLOCK_SECONDS = 5;
/** How many times as fast as a clock's its time passes. */
const SPEED = 20;
const HARDHAT = fileURLToPath(new URL("../../node_modules/.bin/hardhat", import.meta.url));

/** Parameters of Ignition modules, by module; amounts as it writes them, such as "100n". */
export type Parameters = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export class Testnet {
  readonly folder = mkdtempSync(join(tmpdir(), "testnet-"));
  readonly anvil: Anvil;
  /** What stands between the deployer and the node. */
  readonly node: FaultyNode;
  readonly #nodeUrl: string;
  readonly #deployerKey: string;
  readonly #id = `demo-testnet-${process.pid}`;
  #running: ChildProcess | undefined;

  private constructor(anvil: Anvil, node: FaultyNode, nodeUrl: string, deployerKey: string) {
    this.anvil = anvil;
    this.node = node;
    this.#nodeUrl = nodeUrl;
    this.#deployerKey = deployerKey;
  }

  static async open(deployerKey: string): Promise<Testnet> {
    const anvil = await Anvil.testnet(CHAIN_ID, BLOCK_SECONDS, SPEED);
    const node = new FaultyNode(anvil.url);
    return new Testnet(anvil, node, await node.listen(), deployerKey);
  }

  /** Where Ignition keeps its record of what was deployed. */
  get deployment(): string {
    return join(hre.config.paths.ignition, "deployments", this.#id);
  }

  /** The addresses of what was deployed, by module and contract. */
  get addresses(): Readonly<Record<string, string>> {
    const file = join(this.deployment, "deployed_addresses.json");
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, string>) : {};
  }

  /** Deploys a module as a person would: by the command, to the network of the project's configuration. */
  async deploy(module: string, parameters: Parameters): Promise<Outcome> {
    const file = join(this.folder, "parameters.json");
    writeFileSync(file, JSON.stringify(parameters));
    const options = ["--parameters", file, "--deployment-id", this.#id];
    return this.#ignition("deploy", `ignition/modules/${module}.ts`, ...options);
  }

  /** Tells Ignition of a transaction that it sent, and did not live to record. */
  track(hash: string): Promise<Outcome> {
    return this.#ignition("track-tx", hash, this.#id);
  }

  async #ignition(...args: readonly string[]): Promise<Outcome> {
    const env = {
      ...process.env,
      SEPOLIA_RPC_URL: this.#nodeUrl,
      SEPOLIA_PRIVATE_KEY: this.#deployerKey,
      HARDHAT_IGNITION_CONFIRM_DEPLOYMENT: "false", // there is nobody to ask
    };
    const all = ["--build-profile", "default", "--network", "sepolia", "ignition", ...args];
    const child = spawn(HARDHAT, all, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#running = child;
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    const [status] = (await once(child, "close")) as [number | null];
    return { status, stdout, stderr };
  }

  /** Ends the deployment that is under way, as a power cut does. */
  interrupt(): void {
    this.#running?.kill("SIGKILL");
  }

  async now(): Promise<number> {
    const { timestamp } = await this.anvil.ask<{ timestamp: string }>(
      "eth_getBlockByNumber",
      "latest",
      false,
    );
    return Number(timestamp);
  }

  async close(): Promise<void> {
    this.node.close();
    await this.anvil.stop();
    rmSync(this.folder, { recursive: true });
    rmSync(this.deployment, { recursive: true, force: true });
  }
}
