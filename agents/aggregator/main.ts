import { connect } from "../chain/connection.ts";
import { openForecast, openSource } from "../metering/sources/spec.ts";
import { keyFrom, loadConfig } from "../runtime/config.ts";
import { runProgram } from "../runtime/run.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { AggregatorAgent } from "./agent.ts";
import { aggregatorSchema } from "./config.ts";

await runProgram({
  name: "aggregator",
  purpose: "Sells the flow of many DERs: requests, meters, commits, sweeps and serves its evidence.",
  start: async (file, log) => {
    const config = loadConfig(file, aggregatorSchema);
    const { rpcUrl, registry, startBlock, listen, pollSeconds } = config;
    const { epochsPerSweep, figuresPerRequest, promisedPercent } = config;
    const privateKey = keyFrom(config.walletKey);
    const meters = new Map(
      config.meters.map(({ der, source }) => [
        der,
        { source: openSource(source), forecast: openForecast(source) },
      ]),
    );
    const connection = await connect({ rpcUrl, privateKey, registry });
    const agent = new AggregatorAgent({
      connection,
      store: openSqliteStore(config.store),
      startBlock,
      policy: { epochsPerSweep, figuresPerRequest, promisedPercent },
      connected: (der) => meters.get(der),
      listen,
      log,
    });
    log("serving evidence", { url: await agent.serve() });
    return { agent, pollSeconds };
  },
});
