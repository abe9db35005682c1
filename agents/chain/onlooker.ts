import { isError, Wallet } from "ethers";

import { openSqliteStore } from "../store/sqlite.ts";
import { connect, type Connection, type Network, nodeOf } from "./connection.ts";
import { ChainFollower } from "./follower.ts";

/** A chain as somebody sees it who has no part in it: by a throw-away key, and a store that is gone at the end. */
export interface Onlooker {
  readonly connection: Connection;
  /** It has followed the chain up to its newest block. */
  readonly follower: ChainFollower;
  close(): Promise<void>;
}

export interface Outlook extends Network {
  /** The first block to read: that of the Registry's deployment, or any before it. */
  readonly fromBlock: number;
}

/** A chain cannot be looked at, in one line that says why. */
export class OutlookError extends Error {
  override readonly name = "OutlookError";
}

/** Reads a chain from its events. @throws {OutlookError} or {ChainMismatchError}, or the node's own error */
export async function lookAt(outlook: Outlook): Promise<Onlooker> {
  const { registry, fromBlock } = outlook;
  await checkRegistry(outlook);
  const connection = await connected(outlook);
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

async function connected(network: Network): Promise<Connection> {
  try {
    return await connect({ ...network, privateKey: Wallet.createRandom().privateKey });
  } catch (error) {
    if (!isError(error, "BAD_DATA") && !isError(error, "CALL_EXCEPTION")) throw error;
    throw new OutlookError(`the contract at ${network.registry} is no Registry with an ARIA`, {
      cause: error,
    });
  }
}

async function checkRegistry(network: Network): Promise<void> {
  const { registry } = network;
  const node = nodeOf(network);
  try {
    await node.getNetwork();
    if ((await node.getCode(registry)) === "0x") {
      throw new OutlookError(`it has no contract at ${registry}, where the Registry should be`);
    }
  } finally {
    node.destroy();
  }
}
