import type { z } from "zod/v4";

import { connect, type Connection } from "../chain/connection.ts";
import type { ReadingStore } from "../store/store.ts";
import type { agentSchema } from "./config.ts";
import type { Log } from "./log.ts";

/** How long an agent waits for a transaction before it goes on metering, and looks again at the next poll. */
const PATIENCE_SECONDS = 5;
const GWEI = 10n ** 9n;

/** Connects an agent to the chain, with its store to keep what it sends. The store is closed if that fails. */
export async function openConnection(
  config: z.output<typeof agentSchema>,
  privateKey: string,
  log: Log,
  store: ReadingStore,
): Promise<Connection> {
  const { rpcUrl, otherRpcUrls, maxLagBlocks, maxHeadAgeSeconds, chainId, registry, dryRun, gas } = config;
  try {
    return await connect({
      rpcUrl,
      otherRpcUrls,
      maxLagBlocks,
      maxHeadAgeSeconds,
      chainId,
      registry,
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
