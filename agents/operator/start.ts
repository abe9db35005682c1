import { termsOf } from "../chain/service-terms.ts";
import { energyWs, sum } from "../metering/source.ts";
import { openForecast, openSource } from "../metering/sources/spec.ts";
import { openConnection } from "../runtime/link.ts";
import type { Start } from "../runtime/run.ts";
import { openStore } from "../store/open.ts";
import { OperatorAgent } from "./agent.ts";
import type { OperatorConfig } from "./config.ts";

/** Starts the Operator's agent as its configuration says. */
export const startOperator: Start<OperatorConfig> = async (config, { keyOf, log }) => {
  const { startBlock, confirmations, funds, epochsPerOrder, firstEpoch, untilEpoch } = config;
  const privateKey = await keyOf("walletKey", config.walletKey);
  const feeders = config.feeders.map(({ sources, ders }) => ({
    source: sum(sources.map((each) => openSource(each))),
    feeds: (der: string) => ders === "all" || ders.includes(der),
  }));
  const { inspected } = config;
  const urls = new Map(config.evidence.map(({ party, url }) => [party, url]));
  const baselineAt = baselineOf(config);
  const store = await openStore(config.store);
  const connection = await openConnection(config, privateKey, log, store);
  const { rules } = await termsOf(connection.ariaAt(await connection.registry.current()));
  return new OperatorAgent({
    connection,
    store,
    retentionDays: config.retentionDays,
    startBlock,
    confirmations,
    policy: { funds, epochsPerOrder, firstEpoch, untilEpoch },
    feeders,
    baselineWh: (epoch) => baselineAt(epoch, rules.epochSeconds),
    inspected: (meter) => inspected === "all" || inspected.includes(meter),
    evidenceUrl: (party) => urls.get(party),
    log,
  });
};

/** What the grid needs in an epoch, Wh: a share of what flows through the feeders by forecast. */
export function baselineOf({
  feeders,
  baselinePercent,
}: OperatorConfig): (epoch: number, epochSeconds: number) => bigint {
  const forecast = sum(feeders.flatMap(({ sources }) => sources.map(openForecast)));
  return (epoch, epochSeconds) => {
    const expectedWh = energyWs(forecast, epoch * epochSeconds, (epoch + 1) * epochSeconds) / 3600n;
    return (expectedWh * baselinePercent) / 100n;
  };
}
