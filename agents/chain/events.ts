import type { Interface, Log, Result } from "ethers";

import { ARIA__factory, Disputes__factory, Registry__factory, Vault__factory } from "../../types/index.ts";

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

const INTERFACES: readonly Interface[] = [
  ARIA__factory.createInterface(),
  Disputes__factory.createInterface(),
  Vault__factory.createInterface(),
  Registry__factory.createInterface(),
];

/** Reads a log; undefined for an event that none of the contracts declares. */
export function eventOf(log: Log, blockTimestamp: number): ChainEvent | undefined {
  for (const contract of INTERFACES) {
    const parsed = contract.parseLog(log);
    if (parsed === null) continue;
    return {
      contract: log.address,
      name: parsed.name,
      args: named(parsed.args),
      blockNumber: log.blockNumber,
      blockTimestamp,
      transactionHash: log.transactionHash,
    };
  }
  return undefined;
}

function named(args: Result): object {
  return args.toObject() as object;
}
