import { once } from "node:events";
import type { Server } from "node:http";

import { ConfigError } from "./config.ts";
import type { Log } from "./log.ts";
import type { Agent } from "./run.ts";

/**
 * Lets a server listen.
 * @param setting where the port is configured
 * @throws {ConfigError} when the port is not to be had
 */
export async function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
  setting: string,
): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new ConfigError(
      `${host}:${port} cannot be listened on (${reason}): set ${setting} to a port that is free`,
      { cause: error },
    );
  }
}

/** Lets an agent serve evidence; it is closed if that fails. */
export async function serving(agent: Agent & { serve(): Promise<string> }, log: Log): Promise<Agent> {
  try {
    log("serving evidence", { url: await agent.serve() });
    return agent;
  } catch (error) {
    await agent.close();
    throw error;
  }
}
