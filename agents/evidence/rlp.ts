/**
 * Reads RLP (Ethereum Yellow Paper, appendix B), as far as block headers need it: one list of byte strings. A library
 * that decodes any RLP into hex text takes twenty times as long, and a day of evidence has thousands of headers.
 */

const STRING = 0x80;
const LIST = 0xc0;
/** Up to this length, the prefix holds the length itself; above, the length of the length. */
const SHORT = 55;
const MAX_LENGTH_BYTES = 4;

interface Item {
  readonly isList: boolean;
  readonly from: number;
  readonly to: number;
}

/** The byte strings of a list; undefined for bytes that are anything else, a list with lists in it included. */
export function rlpStrings(bytes: Buffer): Buffer[] | undefined {
  const list = itemAt(bytes, 0, bytes.length);
  if (list?.isList !== true || list.to !== bytes.length) return undefined;
  const strings: Buffer[] = [];
  for (let at = list.from; at < list.to;) {
    const item = itemAt(bytes, at, list.to);
    if (item?.isList !== false) return undefined;
    strings.push(bytes.subarray(item.from, item.to));
    at = item.to;
  }
  return strings;
}

/** The item that begins at `at`; undefined if it does not end by `end`. */
function itemAt(bytes: Buffer, at: number, end: number): Item | undefined {
  const prefix = bytes[at] ?? 0;
  if (prefix < STRING) return at < end ? { isList: false, from: at, to: at + 1 } : undefined;
  const isList = prefix >= LIST;
  const short = prefix - (isList ? LIST : STRING);
  const lengthBytes = Math.max(0, short - SHORT);
  const from = at + 1 + lengthBytes;
  if (lengthBytes > MAX_LENGTH_BYTES || from > end) return undefined;
  const to = from + (lengthBytes === 0 ? short : bytes.readUIntBE(at + 1, lengthBytes));
  return to <= end ? { isList, from, to } : undefined;
}
