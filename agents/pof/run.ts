import type { Command } from "commander";
import type { z } from "zod/v4";

import { aggregatorSchema } from "../aggregator/config.ts";
import { startAggregator } from "../aggregator/start.ts";
import { derSchema } from "../der/config.ts";
import { startDer } from "../der/start.ts";
import { ReplayError } from "../metering/sources/csv.ts";
import { operatorSchema } from "../operator/config.ts";
import { startOperator } from "../operator/start.ts";
import { loadConfig } from "../runtime/config-file.ts";
import { type agentSchema, ConfigError } from "../runtime/config.ts";
import { openKey } from "../runtime/keys.ts";
import { openLog } from "../runtime/log.ts";
import { Metrics } from "../runtime/metrics.ts";
import { isOperational, runUntilStopped, type Start } from "../runtime/run.ts";
import { isOnServer } from "../store/open.ts";
import { Failure } from "./failure.ts";
import type { Shell } from "./shell.ts";

/** `pof der`, `pof aggregator` and `pof operator`: the agents. */
export function addAgents(program: Command, shell: Shell): void {
  const add = <Schema extends typeof agentSchema>(
    role: "der" | "aggregator" | "operator",
    purpose: string,
    schema: Schema,
    start: Start<z.output<Schema>>,
  ): void => {
    program
      .command(role)
      .description(purpose)
      .requiredOption("--config <file>", "the agent's configuration, YAML or JSON")
      .addHelpText(
        "after",
        `\nIt runs until SIGINT or SIGTERM: the work in hand is ended, within ten seconds; a second signal ends it at once.\nExit status: 0 when stopped; 2 if the configuration is at fault; 1 if something it needs fails at the start.\n\nExamples:\n  npm run pof -- init ${role} --out ${role}.yaml\n  npm run pof -- ${role} --config ${role}.yaml`,
      )
      .action(async ({ config: file }: { config: string }) => {
        try {
          const config = loadConfig(file, schema, shell.env);
          const metrics = new Metrics(role, config.pollSeconds);
          if (!isOnServer(config.store)) metrics.watchStore(config.store);
          const log = metrics.counting(openLog({ agent: role, level: config.log.level, to: shell.stderr }));
          const { host, port } = config.metrics;
          const served = port === undefined ? undefined : await metrics.serve({ host, port });
          if (served !== undefined) log("serving metrics", { url: served.url });
          try {
            const agent = await start(config, { keyOf: (name, source) => openKey(name, source, shell), log });
            metrics.watch(() => agent.figures);
            await runUntilStopped(agent, config.pollSeconds, log, metrics);
          } finally {
            served?.close();
          }
        } catch (error) {
          if (!isOperational(error)) throw error;
          const status = error instanceof ConfigError || error instanceof ReplayError ? 2 : 1;
          throw new Failure(status, error.message, { cause: error });
        }
      });
  };
  add(
    "der",
    "Runs a small producer's agent: joins, meters, checks each sweep and disputes it.",
    derSchema,
    startDer,
  );
  add(
    "aggregator",
    "Runs the Aggregator's agent: requests flow, meters, commits, sweeps and serves evidence.",
    aggregatorSchema,
    startAggregator,
  );
  add(
    "operator",
    "Runs the grid company's agent: funds, orders, commissions, keeps the feeder meter, rules on disputes.",
    operatorSchema,
    startOperator,
  );
}
