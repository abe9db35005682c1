import { type JsonRpcProvider, toQuantity } from "ethers";

import { headerRlp } from "../evidence/header.ts";

/** A block as a node has it. */
export interface NodeBlock {
  readonly hash: string;
  /** Unix seconds. */
  readonly timestamp: number;
  /** The header's RLP; undefined on a chain whose headers have fields not known here. */
  readonly rlp: string | undefined;
}

/** Questions sent at a time: public nodes take batches of about this size. */
const BATCH = 50;

/** The blocks of these numbers, as the node has them; those it does not have are missing. */
export async function blocksAt(
  provider: JsonRpcProvider,
  numbers: readonly number[],
): Promise<Map<number, NodeBlock>> {
  const blocks = new Map<number, NodeBlock>();
  for (let from = 0; from < numbers.length; from += BATCH) {
    const asked = numbers.slice(from, from + BATCH);
    const answers = await Promise.all(asked.map((number) => blockAt(provider, number)));
    answers.forEach((block, i) => block && blocks.set(asked[i] ?? 0, block));
  }
  return blocks;
}

async function blockAt(provider: JsonRpcProvider, number: number): Promise<NodeBlock | undefined> {
  const answer: unknown = await provider.send("eth_getBlockByNumber", [toQuantity(number), false]);
  if (typeof answer !== "object" || answer === null) return undefined;
  const block = answer as Record<string, unknown>;
  const { hash, timestamp } = block;
  if (typeof hash !== "string" || typeof timestamp !== "string") return undefined;
  return { hash, timestamp: Number(timestamp), rlp: headerRlp(block) };
}

/** The headers of these blocks as RLP, by number; see evidence/header.ts. */
export async function headersAt(
  provider: JsonRpcProvider,
  numbers: readonly number[],
): Promise<Map<number, string | undefined>> {
  const blocks = await blocksAt(provider, numbers);
  return new Map([...blocks].map(([number, { rlp }]) => [number, rlp]));
}
