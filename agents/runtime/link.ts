import type { z } from "zod/v4";

import { connect, type Connection, type Network } from "../chain/connection.ts";
import type { ReadingStore } from "../store/store.ts";
import type { agentSchema } from "./config.ts";
import type { Log } from "./log.ts";

/** How long an agent waits for a transaction before it goes on metering, and looks again at the next poll. */
const PATIENCE_SECONDS = 5;
const GWEI = 10n ** 9n;

/** Where a configuration says that the contracts are: for the agent, and for all commands of its party. */
export function networkOf(config: z.output<typeof agentSchema>): Network {
  const { rpcUrl, otherRpcUrls, maxLagBlocks, maxHeadAgeSeconds, registry } = config;
  const chainId = config.chainId === undefined ? undefined : BigInt(config.chainId);
  return { rpcUrl, otherRpcUrls, chainId, maxLagBlocks, maxHeadAgeSeconds, registry };
}

/** Connects an agent to the chain, with its store to keep what it sends. The store is closed if that fails. */
export async function openConnection(
  config: z.output<typeof agentSchema>,
  privateKey: string,
  log: Log,
  store: ReadingStore,
): Promise<Connection> {
  const { dryRun, gas } = config;
  try {
    return await connect({
      ...networkOf(config),
      privateKey,
      transactions: store.transactions,
      sending: {
        weiPerHour: gas.gweiPerHour * GWEI,
        bumpAfterSeconds: gas.bumpAfterSeconds,
        patienceSeconds: PATIENCE_SECONDS,
        dryRun,
      },
      told: log,
    });
  } catch (error) {
    await store.close();
    throw error;
  }
}
