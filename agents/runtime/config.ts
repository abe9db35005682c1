import { readFileSync } from "node:fs";

import { getAddress } from "ethers";
import { z } from "zod/v4";

/** A configuration that cannot be used, in one line that says how to mend it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, { error: "must be an address: 0x and 40 hex digits", abort: true })
  .transform((text) => getAddress(text.toLowerCase()));

/** Name of an environment variable that holds a private key: keys never stand in the file. */
const keyVariable = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]*$/, "must name an environment variable, such as DER_KEY");

/** What every agent's configuration has. */
export const agentSchema = z.strictObject({
  rpcUrl: z.url(),
  registry: address,
  /** The first block to read; that of the Registry's deployment, or any before it. */
  startBlock: z.number().int().nonnegative().default(0),
  /** Path of the agent's own SQLite file. */
  store: z.string().min(1),
  walletKey: keyVariable,
  /** How often the node is asked for a new block, seconds. */
  pollSeconds: z.number().positive().default(2),
});

/** Where evidence is served. */
export const listenSchema = z.strictObject({
  host: z.string().min(1).default("127.0.0.1"),
  port: z.number().int().min(0).max(65_535).default(0),
  /** Whether all requests come through a proxy of ours, which sets `X-Forwarded-For`. */
  behindProxy: z.boolean().default(false),
});

export interface Listen {
  readonly host: string;
  readonly port: number;
  readonly behindProxy?: boolean;
}

/** JSON has no bigint: amounts stand there as whole numbers, or as decimal strings where they may be large. */
export const amount = z
  .union([z.number().int().nonnegative(), z.string().regex(/^\d+$/)])
  .transform((value) => BigInt(value));

export { address as addressSchema, keyVariable as keyVariableSchema };

/** Reads and checks a configuration file. @throws {ConfigError} */
export function loadConfig<Schema extends z.ZodType>(file: string, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(parseJson(file));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "file"}: ${message}`);
  throw new ConfigError(`${file}: ${problems.join("; ")}`);
}

/** The private key in an environment variable. @throws {ConfigError} when it is not there or malformed */
export function keyFrom(
  variable: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const key = env[variable];
  if (key === undefined) throw new ConfigError(`set the environment variable ${variable} to a private key`);
  if (!/^0x[0-9a-fA-F]{64}$/.test(key)) {
    throw new ConfigError(
      `the environment variable ${variable} must hold a private key: 0x and 64 hex digits`,
    );
  }
  return key;
}

function parseJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${file} cannot be read as JSON: ${reason}`, { cause: error });
  }
}
