import { connect } from "../chain/connection.ts";
import { keyFrom, loadConfig } from "../runtime/config.ts";
import { runProgram } from "../runtime/run.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { DerAgent } from "./agent.ts";
import { derSchema } from "./config.ts";
import { openMeter } from "./meter.ts";

await runProgram({
  name: "der",
  purpose: "A small producer: joins, meters, checks each sweep and disputes it where it was short-changed.",
  start: async (file, log) => {
    const config = loadConfig(file, derSchema);
    const { rpcUrl, registry, startBlock, powerW, price, leaveAtEpoch, listen, pollSeconds } = config;
    const [privateKey, meterKey] = [keyFrom(config.walletKey), keyFrom(config.meterKey)];
    const source = openMeter(config.source, log);
    const connection = await connect({ rpcUrl, privateKey, registry });
    const store = openSqliteStore(config.store);
    const wishes = { powerW, price, leaveAtEpoch };
    const agent = new DerAgent({ connection, store, startBlock, meterKey, source, wishes, listen, log });
    log("serving evidence", { url: await agent.serve() });
    return { agent, pollSeconds };
  },
});
