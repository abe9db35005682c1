import type { z } from "zod/v4";

import { connect, type Connection } from "../chain/connection.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { ReadingStore } from "../store/store.ts";
import type { agentSchema } from "./config.ts";
import type { Log } from "./log.ts";

/** How long an agent waits for a transaction before it goes on metering, and looks again at the next poll. */
const PATIENCE_SECONDS = 5;
const GWEI = 10n ** 9n;

/** What an agent has open as long as it runs. */
export interface Link {
  readonly connection: Connection;
  readonly store: ReadingStore;
}

/** Opens the store, which nobody else may have open, and connects to the chain. */
export async function openLink(
  config: z.output<typeof agentSchema>,
  privateKey: string,
  log: Log,
): Promise<Link> {
  const { rpcUrl, otherRpcUrls, maxLagBlocks, maxHeadAgeSeconds, chainId, registry, dryRun, gas } = config;
  const store = openSqliteStore(config.store);
  try {
    const connection = await connect({
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
    return { connection, store };
  } catch (error) {
    await store.close();
    throw error;
  }
}
