/** A chain that exists only on paper, but whose headers hash to their hashes, for the tests of evidence. */

import { encodeRlp, id, keccak256, toBeHex, toQuantity, zeroPadValue } from "ethers";

import type { Block } from "../../agents/metering/reading.ts";

export const EPOCH_SECONDS = 900;
export const EPOCH = 1_980_000;
export const EPOCH_START = EPOCH * EPOCH_SECONDS;

/** How many fields a header has from each hardfork on. */
export const FIELDS_OF = { paris: 15, london: 16, shanghai: 17, cancun: 20, prague: 21 };
export type Hardfork = keyof typeof FIELDS_OF;

export interface PaperBlock extends Block {
  /** The header in bytes. */
  readonly rlp: string;
  /** The block as a node gives it over JSON-RPC. */
  readonly rpc: Readonly<Record<string, unknown>>;
}

/** @param branch two blocks of one number differ in it, as those of two forks of the chain do */
export function paperBlock(
  number: number,
  timestamp: number,
  hardfork: Hardfork = "prague",
  branch = "main",
): PaperBlock {
  const header: [name: string, value: string | number][] = [
    ["parentHash", id(`parent of ${number}`)],
    ["sha3Uncles", id("no uncles")],
    ["miner", "0x95222290dd7278aa3ddd389cc1e1d165cc4bafe5"],
    ["stateRoot", id(`state after ${number}`)],
    ["transactionsRoot", id(`transactions of ${number}`)],
    ["receiptsRoot", id(`receipts of ${number}`)],
    ["logsBloom", zeroPadValue("0x10", 256)],
    ["difficulty", 0],
    ["number", number],
    ["gasLimit", 45_000_000],
    ["gasUsed", 21_000],
    ["timestamp", timestamp],
    ["extraData", toBeHex(BigInt(id(branch)) >> 200n)],
    ["mixHash", id(`randao of ${number}`)],
    ["nonce", "0x0000000000000000"],
    ["baseFeePerGas", 1_000_000_000],
    ["withdrawalsRoot", id("no withdrawals")],
    ["blobGasUsed", 0],
    ["excessBlobGas", 131_072],
    ["parentBeaconBlockRoot", id(`beacon block before ${number}`)],
    ["requestsHash", id("no requests")],
  ];
  const fields = header.slice(0, FIELDS_OF[hardfork]);
  const rlp = encodeRlp(fields.map(([, value]) => (typeof value === "number" ? quantity(value) : value)));
  const hash = keccak256(rlp);
  const rpc = Object.fromEntries(
    fields.map(([name, value]) => [name, typeof value === "number" ? toQuantity(value) : value]),
  );
  return { number, timestamp, hash, rlp, rpc: { ...rpc, hash, size: "0x220", transactions: [], uncles: [] } };
}

/** RLP has no leading zeros, and no byte at all for zero. */
function quantity(value: number): string {
  return value === 0 ? "0x" : toBeHex(value);
}

const blocks = new Map<number, PaperBlock>();

/** The block of a number; five minutes apart, so that the epoch begins with block 101 and ends after block 103. */
export function block(number: number): PaperBlock {
  const known = blocks.get(number) ?? paperBlock(number, EPOCH_START + (number - 101) * 300 + 60);
  blocks.set(number, known);
  return known;
}

/** The chain's own blocks, as a node gives them. */
export function rpcBlock(number: number): Readonly<Record<string, unknown>> | null {
  return number >= 90 && number <= 120 ? block(number).rpc : null;
}
