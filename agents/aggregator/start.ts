import { openForecast, openSource } from "../metering/sources/spec.ts";
import { openLink } from "../runtime/link.ts";
import type { Start } from "../runtime/run.ts";
import { AggregatorAgent } from "./agent.ts";
import type { AggregatorConfig } from "./config.ts";

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
  const { connection, store } = await openLink(config, privateKey, log);
  const agent = new AggregatorAgent({
    connection,
    store,
    retentionDays: config.retentionDays,
    startBlock,
    confirmations,
    policy: { epochsPerSweep, figuresPerRequest, promisedPercent },
    connected: (der) => meters.get(der),
    listen,
    log,
  });
  log("serving evidence", { url: await agent.serve() });
  return agent;
};
