import type { EventFragment, Interface, Result } from "ethers";

import { ARIA__factory, Annex__factory, Registry__factory, Vault__factory } from "../../types/index.ts";

/** A log as the node gives it, but for numbers and the checksum of the address. */
export interface RawLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly transactionHash: string;
}

/** One event of Registry, Vault or ARIA, with where and when it happened. */
export interface ChainEvent {
  /** Checksummed address of the contract. */
  readonly contract: string;
  readonly name: string;
  /** By name, as the TypeChain `OutputObject` of the event has them. */
  readonly args: object;
  readonly blockNumber: number;
  /** Unix seconds. */
  readonly blockTimestamp: number;
  readonly transactionHash: string;
}

/** The event of each topic. Looked up here because the library hashes every signature anew to find one. */
const EVENTS = new Map<string, { contract: Interface; fragment: EventFragment }>();
for (const factory of [ARIA__factory, Annex__factory, Vault__factory, Registry__factory]) {
  const contract = factory.createInterface() as Interface;
  contract.forEachEvent((fragment) => EVENTS.set(fragment.topicHash, { contract, fragment }));
}

/** Reads a log; undefined for an event that none of the contracts declares. */
export function eventOf(log: RawLog, blockTimestamp: number): ChainEvent | undefined {
  const known = EVENTS.get(log.topics[0] ?? "");
  if (known === undefined) return undefined;
  const { contract, fragment } = known;
  return {
    contract: log.address,
    name: fragment.name,
    args: named(contract.decodeEventLog(fragment, log.data, log.topics)),
    blockNumber: log.blockNumber,
    blockTimestamp,
    transactionHash: log.transactionHash,
  };
}

function named(args: Result): object {
  return args.toObject() as object;
}
