import { setTimeout as sleep } from "node:timers/promises";

import { isError, Wallet } from "ethers";

import { openSqliteStore } from "../store/sqlite.ts";
import { connect, type Connection } from "./connection.ts";
import { ChainFollower } from "./follower.ts";
import { nodeAt } from "./node.ts";

/** A chain as somebody sees it who has no part in it: by a throw-away key, and a store that is gone at the end. */
export interface Onlooker {
  readonly connection: Connection;
  /** It has followed the chain up to its newest block. */
  readonly follower: ChainFollower;
  close(): Promise<void>;
}

export interface Outlook {
  readonly rpcUrl: string;
  readonly registry: string;
  /** The first block to read: that of the Registry's deployment, or any before it. */
  readonly fromBlock: number;
  /** Which chain it must be; any when omitted. */
  readonly chainId?: bigint;
}

/** A chain cannot be looked at, in one line that says why. */
export class OutlookError extends Error {
  override readonly name = "OutlookError";
}

const FIRST_ANSWER_MS = 15_000;

/** Reads a chain from its events. @throws {OutlookError} or the node's own error */
export async function lookAt(outlook: Outlook): Promise<Onlooker> {
  const { rpcUrl, registry, fromBlock } = outlook;
  await checkChain(outlook);
  await checkRegistry(outlook);
  const connection = await connected(rpcUrl, registry);
  const store = openSqliteStore(":memory:");
  const close = async (): Promise<void> => {
    await store.close();
    connection.close();
  };
  try {
    const follower = new ChainFollower(connection, store, fromBlock);
    await follower.follow();
    if (follower.services.length === 0) {
      throw new OutlookError(
        `${registry} registered no ARIA from block ${fromBlock} on: start at an earlier block`,
      );
    }
    return { connection, follower, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function connected(rpcUrl: string, registry: string): Promise<Connection> {
  try {
    return await connect({ rpcUrl, registry, privateKey: Wallet.createRandom().privateKey });
  } catch (error) {
    if (!isError(error, "BAD_DATA") && !isError(error, "CALL_EXCEPTION")) throw error;
    throw new OutlookError(`the contract at ${registry} is no Registry with an ARIA`, { cause: error });
  }
}

async function checkChain({ rpcUrl, chainId }: Outlook): Promise<void> {
  const provider = nodeAt(rpcUrl);
  const patience = new AbortController();
  try {
    const network = await Promise.race([
      provider.getNetwork(),
      sleep(FIRST_ANSWER_MS, undefined, { signal: patience.signal }),
    ]);
    if (network === undefined) throw new OutlookError(`no answer in ${FIRST_ANSWER_MS / 1000} s`);
    if (chainId !== undefined && network.chainId !== chainId) {
      throw new OutlookError(`it is of chain ${network.chainId}, not of chain ${chainId}`);
    }
  } finally {
    patience.abort();
    provider.destroy();
  }
}

async function checkRegistry({ rpcUrl, registry }: Outlook): Promise<void> {
  const provider = nodeAt(rpcUrl);
  try {
    await provider.getNetwork();
    if ((await provider.getCode(registry)) === "0x") {
      throw new OutlookError(`it has no contract at ${registry}, where the Registry should be`);
    }
  } finally {
    provider.destroy();
  }
}
