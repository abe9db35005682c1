import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { JsonRpcProvider } from "ethers";

const CHAIN = fileURLToPath(new URL("chain.ts", import.meta.url));
const START_TIMEOUT_MS = 60_000;
const KEPT_OUTPUT = 4_000;

/** A local JSON-RPC node that runs as a process of its own, on loopback. */
export interface LocalNode {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts Hardhat's chain, on a free port if none is named, and waits until it answers. */
export async function startNode(wantedPort?: number): Promise<LocalNode> {
  const port = wantedPort ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const node = spawn(process.execPath, ["--import", "tsx", CHAIN, String(port)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-KEPT_OUTPUT);
  };
  node.stdout.on("data", keep);
  node.stderr.on("data", keep);
  const stop = (): Promise<void> => stopped(node);
  try {
    await answering(url, node);
  } catch (error) {
    await stop();
    throw new Error(`the local node did not start: ${output}`, { cause: error });
  }
  return { url, stop };
}

async function answering(url: string, node: ChildProcess): Promise<void> {
  const provider = new JsonRpcProvider(url, 31_337, { staticNetwork: true });
  const deadline = Date.now() + START_TIMEOUT_MS;
  try {
    for (;;) {
      if (await answers(provider)) return;
      if (node.exitCode !== null || Date.now() > deadline) throw new Error("no answer");
      await sleep(50);
    }
  } finally {
    provider.destroy();
  }
}

async function answers(provider: JsonRpcProvider): Promise<boolean> {
  try {
    await provider.getBlockNumber();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ECONNREFUSED") return false; // not listening yet
    throw error;
  }
}

async function stopped(node: ChildProcess): Promise<void> {
  if (node.exitCode !== null || node.signalCode !== null) return;
  const exit = once(node, "exit");
  node.kill("SIGTERM");
  await exit;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
