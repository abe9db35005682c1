import { getAddress } from "ethers";
import { z } from "zod/v4";

import { DeploymentError, registryIn } from "./deployment.ts";
import { LOG_LEVELS } from "./log.ts";

/** A configuration that cannot be used, in one line that says how to mend it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** JSON has no bigint: amounts stand there as whole numbers, or as decimal strings where they may be large. */
const amount = z
  .union([z.number().int().nonnegative(), z.string().regex(/^\d+$/)], {
    error: "must be a whole number from 0, in quotes where it is above 2^53",
  })
  .transform((value) => BigInt(value));

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, { error: "must be an address: 0x and 40 hex digits", abort: true })
  .transform((text) => getAddress(text.toLowerCase()));

/** An address as such, or as Ignition recorded it. */
const registry = z.string().transform((text, context) => {
  if (text.startsWith("0x")) {
    const parsed = address.safeParse(text);
    if (parsed.success) return parsed.data;
    context.addIssue(parsed.error.issues[0]?.message ?? "must be an address");
    return z.NEVER;
  }
  try {
    return registryIn(text);
  } catch (error) {
    if (!(error instanceof DeploymentError)) throw error;
    context.addIssue(error.message);
    return z.NEVER;
  }
});

/** Where a private key is to be had: keys never stand in the file. */
const keySource = z.union(
  [
    z.literal("prompt").transform(() => ({ kind: "prompt" }) as const),
    z
      .string()
      .regex(/^[A-Z][A-Z0-9_]*$/)
      .transform((variable) => ({ kind: "environment", variable }) as const),
    z
      .strictObject({ keystore: z.string().min(1) })
      .transform(({ keystore }) => ({ kind: "keystore", file: keystore }) as const),
  ],
  {
    error:
      'must be the name of an environment variable such as DER_KEY, { keystore: FILE }, or "prompt": never a key itself',
  },
);

/** Where a private key is to be had: an environment variable, an encrypted keystore, or somebody at the terminal. */
export type KeySource = z.output<typeof keySource>;

const KEY_HELP =
  "an environment variable by its name, { keystore: FILE } for an encrypted file, or prompt to be asked";

const nodeUrl = z.url({ protocol: /^(https?|wss?)$/, error: "must be an http, https, ws or wss address" });

/** What every agent's configuration has. */
export const agentSchema = z.strictObject({
  rpcUrl: nodeUrl.meta({
    description: "the node's JSON-RPC address: http, https, ws or wss",
    example: "http://127.0.0.1:8545",
  }),
  otherRpcUrls: z
    .array(nodeUrl)
    .default([])
    .meta({
      description: "more nodes of the same chain, asked in this order while those before fail or lag",
      example: ["wss://node.example/key"],
    }),
  maxLagBlocks: z.number().int().min(1).default(8).meta({
    description: "a node is not asked while it is more blocks behind another one",
  }),
  maxHeadAgeSeconds: z.number().int().min(1).optional().meta({
    description:
      "a node is not asked while its newest block is older by this machine's clock; not looked at when omitted",
    example: 300,
  }),
  confirmations: z.number().int().min(0).max(64).default(0).meta({
    description: "how many blocks must come after one before the agent counts on it",
  }),
  chainId: z.number().int().positive().optional().meta({
    description: "number of the chain; a node of another one is refused",
    example: 11155111,
  }),
  registry: registry.meta({
    description: "address of the Registry, or the folder in which Hardhat Ignition recorded its deployment",
    example: "0x0000000000000000000000000000000000000000",
  }),
  startBlock: z.number().int().nonnegative().default(0).meta({
    description: "first block to read: that of the Registry's deployment, or any before it",
  }),
  store: z
    .string()
    .min(1)
    .refine((place) => !/^postgres(ql)?:\/\/[^/@]*:[^/@]*@/.test(place), {
      error: "must not hold a password: set PGPASSWORD, or write it to ~/.pgpass",
    })
    .meta({
      description:
        "path of its own SQLite file, whose folder must exist; or postgres://USER@HOST/DATABASE, the password in PGPASSWORD",
      example: "agent.sqlite",
    }),
  retentionDays: z.number().int().min(1).max(36_500).optional().meta({
    description: "days that readings are kept at least, also once all is settled; for ever when omitted",
    example: 400,
  }),
  walletKey: keySource.meta({
    description: `the wallet's private key: ${KEY_HELP}`,
    example: "WALLET_KEY",
  }),
  pollSeconds: z.number().positive().default(2).meta({
    description: "how often the node is asked for a new block, seconds",
  }),
  gas: z
    .strictObject({
      gweiPerHour: amount.prefault(100_000_000).meta({
        description: "what transactions may cost in any hour, gwei (a billionth of a coin)",
      }),
      bumpAfterSeconds: z.number().int().min(1).default(45).meta({
        description: "a transaction not mined for so long is sent again with higher fees, seconds",
      }),
    })
    .prefault({}),
  dryRun: z.boolean().default(false).meta({
    description: "whether transactions are only tried, and told in the log; nothing is sent",
  }),
  log: z
    .strictObject({
      level: z
        .enum(LOG_LEVELS)
        .default("info")
        .meta({ description: "what is logged: debug, info, warn, silent" }),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1").meta({
        description: "address on which /metrics (Prometheus) and /health are served",
      }),
      port: z.number().int().min(0).max(65_535).optional().meta({
        description: "port of both; neither is served when omitted",
        example: 9464,
      }),
    })
    .prefault({}),
});

/** Where evidence is served. */
export const listenSchema = z.strictObject({
  host: z.string().min(1).default("127.0.0.1").meta({ description: "address on which evidence is served" }),
  port: z.number().int().min(0).max(65_535).default(0).meta({
    description: "port; 0 for any free one. Choose one: the Operator must know it",
  }),
  behindProxy: z.boolean().default(false).meta({
    description: "whether all requests come through a proxy of yours, which sets X-Forwarded-For",
  }),
});

export interface Listen {
  readonly host: string;
  readonly port: number;
  readonly behindProxy?: boolean;
}

export { address as addressSchema, amount, keySource as keySourceSchema, KEY_HELP };
