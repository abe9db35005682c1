import { connect } from "../chain/connection.ts";
import { energyWs, sum } from "../metering/source.ts";
import { openForecast, openSource } from "../metering/sources/spec.ts";
import { termsOf } from "../chain/service-terms.ts";
import { keyFrom, loadConfig } from "../runtime/config.ts";
import { runProgram } from "../runtime/run.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { OperatorAgent } from "./agent.ts";
import { operatorSchema } from "./config.ts";

await runProgram({
  name: "operator",
  purpose:
    "The grid company: funds, orders, commissions meters, keeps the feeder meter and rules on disputes.",
  start: async (file, log) => {
    const config = loadConfig(file, operatorSchema);
    const { rpcUrl, registry, startBlock, funds, epochsPerOrder, firstEpoch, untilEpoch, pollSeconds } =
      config;
    const privateKey = keyFrom(config.walletKey);
    const feeders = config.feeders.map(({ sources, ders }) => ({
      source: sum(sources.map(openSource)),
      feeds: (der: string) => ders === "all" || ders.includes(der),
    }));
    const forecast = sum(config.feeders.flatMap(({ sources }) => sources.map(openForecast)));
    const { inspected } = config;
    const urls = new Map(config.evidence.map(({ party, url }) => [party, url]));
    const connection = await connect({ rpcUrl, privateKey, registry });
    const { rules } = await termsOf(connection.ariaAt(await connection.registry.current()));
    const expectedWh = (epoch: number): bigint =>
      energyWs(forecast, epoch * rules.epochSeconds, (epoch + 1) * rules.epochSeconds) / 3600n;
    const agent = new OperatorAgent({
      connection,
      store: openSqliteStore(config.store),
      startBlock,
      policy: { funds, epochsPerOrder, firstEpoch, untilEpoch },
      feeders,
      baselineWh: (epoch) => (expectedWh(epoch) * config.baselinePercent) / 100n,
      inspected: (meter) => inspected === "all" || inspected.includes(meter),
      evidenceUrl: (party) => urls.get(party),
      log,
    });
    return { agent, pollSeconds };
  },
});
