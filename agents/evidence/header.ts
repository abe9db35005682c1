import { encodeRlp, toBeArray } from "ethers";

import { keccakHex } from "../hashing/keccak.ts";
import { rlpStrings } from "./rlp.ts";

/**
 * Block headers, as bytes anyone can hash: the hash of a block is the Keccak-256 of its header's RLP (Ethereum Yellow
 * Paper, section 4.3), so a header shows which number and time a block hash stands for, without a node.
 */

/** What a header says that evidence rests on. */
export interface BlockHeader {
  readonly number: number;
  readonly hash: string;
  /** Unix seconds. */
  readonly timestamp: number;
}

/** The fields in the header's order, as JSON-RPC names them; quantities are written without leading zeros. */
const FIELDS: readonly (readonly [name: string, form: "bytes" | "quantity"])[] = [
  ["parentHash", "bytes"],
  ["sha3Uncles", "bytes"],
  ["miner", "bytes"],
  ["stateRoot", "bytes"],
  ["transactionsRoot", "bytes"],
  ["receiptsRoot", "bytes"],
  ["logsBloom", "bytes"],
  ["difficulty", "quantity"],
  ["number", "quantity"],
  ["gasLimit", "quantity"],
  ["gasUsed", "quantity"],
  ["timestamp", "quantity"],
  ["extraData", "bytes"],
  ["mixHash", "bytes"],
  ["nonce", "bytes"],
  ["baseFeePerGas", "quantity"], // from London on
  ["withdrawalsRoot", "bytes"], // from Shanghai on
  ["blobGasUsed", "quantity"], // from Cancun on
  ["excessBlobGas", "quantity"],
  ["parentBeaconBlockRoot", "bytes"],
  ["requestsHash", "bytes"], // from Prague on
];
const REQUIRED_FIELDS = 15;
const [NUMBER_AT, TIMESTAMP_AT] = [8, 11];

/**
 * The RLP of a block's header, from the block as a node gives it over JSON-RPC. Undefined if the fields known here do
 * not hash to the block's hash, as on a chain whose headers have others: such a block is checked with a node only.
 */
export function headerRlp(block: Readonly<Record<string, unknown>>): string | undefined {
  const values = FIELDS.map(([name]) => block[name]);
  const count = values.findIndex((value) => typeof value !== "string");
  const present = (count < 0 ? values : values.slice(0, count)) as string[];
  if (present.length < REQUIRED_FIELDS) return undefined;
  const rlp = encoded(present);
  return rlp !== undefined && keccakHex(bytesOf(rlp)) === block["hash"] ? rlp : undefined;
}

/** What a header says; undefined for bytes that are no header. The hash is that of the bytes, whatever they are. */
export function readHeader(rlp: string): BlockHeader | undefined {
  const bytes = bytesOf(rlp);
  const fields = rlpStrings(bytes);
  const [number, timestamp] = [quantity(fields?.[NUMBER_AT]), quantity(fields?.[TIMESTAMP_AT])];
  if (number === undefined || timestamp === undefined) return undefined;
  return { number, hash: keccakHex(bytes), timestamp };
}

function bytesOf(rlp: string): Buffer {
  return Buffer.from(rlp.slice(2), "hex");
}

function encoded(values: readonly string[]): string | undefined {
  try {
    return encodeRlp(values.map((value, i) => (FIELDS[i]?.[1] === "quantity" ? toBeArray(value) : value)));
  } catch {
    return undefined; // a node that gives no hex gives no header
  }
}

/** Undefined for more than a number holds. */
function quantity(bytes: Buffer | undefined): number | undefined {
  if (bytes === undefined || bytes.length > 6) return undefined;
  return bytes.length === 0 ? 0 : bytes.readUIntBE(0, bytes.length);
}
