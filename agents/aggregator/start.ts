import { openForecast, openSource } from "../metering/sources/spec.ts";
import { openConnection } from "../runtime/link.ts";
import { serving } from "../runtime/listen.ts";
import type { Start } from "../runtime/run.ts";
import { isOnServer } from "../store/open.ts";
import { openPostgresStore } from "../store/postgres.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { ReadingStore } from "../store/store.ts";
import { AggregatorAgent } from "./agent.ts";
import type { AggregatorConfig } from "./config.ts";
import { type Share, WHOLE, WorkerShare } from "./share.ts";

/** Starts the Aggregator's agent as its configuration says. */
export const startAggregator: Start<AggregatorConfig> = async (config, { keyOf, log }) => {
  const { startBlock, confirmations, listen } = config;
  const { epochsPerSweep, figuresPerRequest, promisedPercent } = config;
  const privateKey = await keyOf("walletKey", config.walletKey);
  const meters = new Map(
    config.meters.map(({ der, source }) => [
      der,
      { source: openSource(source), forecast: openForecast(source) },
    ]),
  );
  const { store, share } = await openShare(config.store);
  const connection = await openConnection(config, privateKey, log, store);
  const agent = new AggregatorAgent({
    connection,
    store,
    share,
    retentionDays: config.retentionDays,
    startBlock,
    confirmations,
    policy: { epochsPerSweep, figuresPerRequest, promisedPercent },
    connected: (der) => meters.get(der),
    listen,
    log,
  });
  return serving(agent, log);
};

/** A store in PostgreSQL is shared with whatever other workers there are; a file has one that does all. */
async function openShare(place: string): Promise<{ store: ReadingStore; share: Share }> {
  if (!isOnServer(place)) return { store: openSqliteStore(place), share: WHOLE };
  const store = await openPostgresStore(place, { shared: true });
  return { store, share: new WorkerShare(store.locks) };
}
