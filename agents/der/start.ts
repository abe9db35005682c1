import { openConnection } from "../runtime/link.ts";
import { serving } from "../runtime/listen.ts";
import type { Start } from "../runtime/run.ts";
import { openStore } from "../store/open.ts";
import { DerAgent } from "./agent.ts";
import type { DerConfig } from "./config.ts";
import { openMeter } from "./meter.ts";

/** Starts a DER's agent as its configuration says. */
export const startDer: Start<DerConfig> = async (config, { keyOf, log }) => {
  const { startBlock, confirmations, powerW, price, leaveAtEpoch, listen, retentionDays } = config;
  const privateKey = await keyOf("walletKey", config.walletKey);
  const meterKey = await keyOf("meterKey", config.meterKey);
  const source = openMeter(config.source, log);
  const store = await openStore(config.store);
  const connection = await openConnection(config, privateKey, log, store);
  const wishes = { powerW, price, leaveAtEpoch };
  const agent = new DerAgent({
    connection,
    store,
    retentionDays,
    startBlock,
    confirmations,
    meterKey,
    source,
    wishes,
    listen,
    log,
  });
  return serving(agent, log);
};
