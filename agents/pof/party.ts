import type { z } from "zod/v4";

import { aggregatorSchema } from "../aggregator/config.ts";
import type { Service } from "../chain/books.ts";
import type { Onlooker } from "../chain/onlooker.ts";
import { derSchema } from "../der/config.ts";
import { operatorSchema } from "../operator/config.ts";
import { fieldsIn, loadConfig } from "../runtime/config-file.ts";
import type { agentSchema } from "../runtime/config.ts";
import { networkOf } from "../runtime/link.ts";
import type { Environment } from "../runtime/terminal.ts";
import { openReader } from "../store/open.ts";
import type { StoreReader } from "../store/store.ts";
import { looking } from "./chain.ts";
import { Failure } from "./failure.ts";

export type PartyRole = "der" | "aggregator" | "operator";

/** What a party's agent works with, as its configuration file names it. */
export interface Party {
  readonly role: PartyRole;
  readonly file: string;
  readonly config: z.output<typeof agentSchema>;
}

export const SCHEMAS = { der: derSchema, aggregator: aggregatorSchema, operator: operatorSchema };
/** A field that only this party's file has. */
const MARKS = { der: "meterKey", aggregator: "meters", operator: "feeders" } as const;

/** Reads an agent's configuration, whichever party's it is. @throws {ConfigError} or {Failure} */
export function partyOf(file: string, env: Environment): Party {
  const fields = fieldsIn(file);
  const role = (Object.keys(MARKS) as PartyRole[]).find((candidate) => MARKS[candidate] in fields);
  if (role === undefined) {
    const marks = Object.values(MARKS).join(", ");
    throw new Failure(2, `${file} is no agent's configuration: expected one of the fields ${marks}`);
  }
  return { role, file, config: loadConfig(file, SCHEMAS[role], env) };
}

/** The Operator's configuration. @throws {ConfigError} or {Failure} */
export function operatorOf(file: string, env: Environment): Party {
  const party = partyOf(file, env);
  if (party.role !== "operator") throw new Failure(2, `${file} is not the Operator's configuration`);
  return party;
}

/** What a command of a party can look into. */
export interface Desk extends Onlooker {
  readonly store: StoreReader;
}

/** Looks at a party's chain, by the nodes that its agent asks, for as long as `work` takes. @throws {Failure} */
export function lookingAs<T>({ config, file }: Party, work: (onlooker: Onlooker) => Promise<T>): Promise<T> {
  const nodes = config.otherRpcUrls.length === 0 ? "the rpcUrl" : "each of rpcUrl and otherRpcUrls";
  return looking({ ...networkOf(config), fromBlock: config.startBlock }, `${nodes} of ${file}`, work);
}

/** Opens a party's store, which its agent may be writing to, and looks at its chain, for as long as `work` takes. */
export async function atDesk<T>(party: Party, work: (desk: Desk) => Promise<T>): Promise<T> {
  const store = await openReader(party.config.store);
  try {
    return await lookingAs(party, (onlooker) => work({ ...onlooker, store }));
  } finally {
    await store.close();
  }
}

/** The services to look for a dispute in, the newest first. @throws {Failure} if the one that is asked for is not there */
export function servicesOf({ follower }: Onlooker, aria: string | undefined): Service[] {
  const services = follower.services.filter(({ address }) => aria === undefined || address === aria);
  if (services.length === 0) throw new Failure(1, `the Registry has no ARIA at ${aria ?? "any address"}`);
  return services.reverse();
}
