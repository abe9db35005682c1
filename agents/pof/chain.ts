import { InvalidArgumentError, type Command } from "commander";
import { getAddress, isAddress } from "ethers";
import { z } from "zod/v4";

import { ChainMismatchError, NodeBehindError } from "../chain/endpoints.ts";
import { lookAt, type Onlooker, type Outlook, OutlookError } from "../chain/onlooker.ts";
import type { Bundle } from "../evidence/format.ts";
import { Failure, reasonOf } from "./failure.ts";

/** How a command is told of a chain that it may ask. */
export interface ChainOptions {
  readonly rpc?: string;
  readonly fromBlock: number;
  readonly registry?: string;
}

/** Adds the options to a command. */
export function withChainOptions(command: Command): Command {
  return command
    .option("--rpc <url>", "a node of the chain, to make the checks that need one", httpUrl)
    .option("--from-block <n>", "the block of the Registry's deployment, or any before it", whole, 0)
    .option(
      "--registry <address>",
      "the Registry you trust; by default the one that the file names",
      address,
    );
}

/**
 * Lets a chain be looked at, for as long as `work` takes.
 * @param bundles they tell which chain and Registry it is about
 * @throws {Failure} when the node fails, is of another chain, or has no such contract
 */
export async function askChain<T>(
  { rpc, fromBlock, registry }: ChainOptions & { readonly rpc: string },
  bundles: readonly Pick<Bundle, "chainId" | "registry">[],
  work: (onlooker: Onlooker) => Promise<T>,
): Promise<T> {
  const chainId = oneOf(
    "chains",
    "",
    bundles.map((bundle) => bundle.chainId),
  );
  const named =
    registry ??
    oneOf(
      "Registries",
      ": name the one you trust with --registry",
      bundles.map((bundle) => bundle.registry),
    );
  return looking({ rpcUrl: rpc, registry: named, fromBlock, chainId }, `--rpc ${rpc}`, work);
}

/**
 * Looks at a chain for as long as `work` takes.
 * @param name what the chain is called to a person
 * @throws {Failure} when the node fails, is of another chain, or has no such contract
 */
export async function looking<T>(
  outlook: Outlook,
  name: string,
  work: (onlooker: Onlooker) => Promise<T>,
): Promise<T> {
  try {
    const onlooker = await lookAt(outlook);
    try {
      return await work(onlooker);
    } finally {
      await onlooker.close();
    }
  } catch (error) {
    if (!isNodesFault(error)) throw error;
    throw new Failure(1, `${name} cannot be used: ${reasonOf(error)}`, { cause: error });
  }
}

/** Whatever a node answers that is none: the library's errors have a code, those of unreadable answers a name. */
function isNodesFault(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof Failure) return false;
  return (
    error instanceof OutlookError ||
    error instanceof NodeBehindError ||
    error instanceof ChainMismatchError ||
    error instanceof SyntaxError ||
    error instanceof z.ZodError ||
    "code" in error
  );
}

function oneOf<T extends bigint | string>(what: string, mend: string, values: readonly T[]): T {
  const [first, ...others] = new Set(values);
  if (first === undefined)
    throw new Failure(2, "--rpc needs a file that can be read as a bundle: it names the chain");
  if (others.length > 0)
    throw new Failure(2, `the files name different ${what}: ${[first, ...others].join(", ")}${mend}`);
  return first;
}

function httpUrl(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    throw new InvalidArgumentError("It must be an address such as http://127.0.0.1:8545.");
  }
  return text;
}

export function whole(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError("It must be a whole number from 0.");
  return value;
}

/** A dispute's number, as an option or argument. */
export function disputeId(text: string): bigint {
  if (!/^\d{1,20}$/.test(text)) throw new InvalidArgumentError("It must be the number of a dispute.");
  return BigInt(text);
}

export function address(text: string): string {
  if (!isAddress(text)) throw new InvalidArgumentError("It must be an address: 0x and 40 hex digits.");
  return getAddress(text);
}
