import { concat, dataLength, dataSlice, toBeHex } from "ethers";

/**
 * How flow requests and shortfalls lie on the wire; the byte layout is that of contracts/libraries/FlowRows.sol:
 *
 *     request    | account 4 | price 4 | power 4 | Wh of epoch 0: 4 | Wh of epoch 1: 4 | ...
 *     shortfalls                                 | Wh of epoch 0: 4 | Wh of epoch 1: 4 | ...
 */

const ENERGY_BYTES = 4;
const TERMS_BYTES = 12;

/** What is asked of one DER for a run of epochs. */
export interface RequestRow {
  account: bigint;
  /** units per kWh */
  price: bigint;
  /** W */
  powerW: bigint;
  /** Wh, one an epoch */
  energyWh: bigint[];
}

/** Bytes on the wire that are not what they should be. */
export class WireError extends Error {
  readonly expected: string;
  readonly received: string;

  constructor(what: string, expected: string, received: string) {
    super(`${what}: expected ${expected}, received ${received}`);
    this.name = "WireError";
    this.expected = expected;
    this.received = received;
  }
}

/** The length of a request's row, in bytes. */
export function rowBytes(count: number): number {
  return TERMS_BYTES + ENERGY_BYTES * count;
}

/** Packs figures of energy: a baseline, or the shortfalls of one row. Wh, each under 2^32. */
export function packEnergy(figures: readonly bigint[]): string {
  return concat(figures.map((wh) => toBeHex(wh, ENERGY_BYTES)));
}

export function unpackEnergy(bytes: string): bigint[] {
  const length = dataLength(bytes);
  requireMultiple("list of energy", length, ENERGY_BYTES);
  return Array.from({ length: length / ENERGY_BYTES }, (_, i) =>
    unsigned(bytes, i * ENERGY_BYTES, ENERGY_BYTES),
  );
}

/** Packs a request; rows must be sorted by account and all have the same number of epochs. */
export function packRows(rows: readonly RequestRow[]): string {
  return concat(
    rows.flatMap((row) => [
      toBeHex(row.account, 4),
      toBeHex(row.price, 4),
      toBeHex(row.powerW, 4),
      packEnergy(row.energyWh),
    ]),
  );
}

export function unpackRows(bytes: string, count: number): RequestRow[] {
  const length = dataLength(bytes);
  const stride = rowBytes(count);
  requireMultiple("request", length, stride);
  return Array.from({ length: length / stride }, (_, i) => {
    const at = i * stride;
    return {
      account: unsigned(bytes, at, 4),
      price: unsigned(bytes, at + 4, 4),
      powerW: unsigned(bytes, at + 8, 4),
      energyWh: unpackEnergy(dataSlice(bytes, at + TERMS_BYTES, at + stride)),
    };
  });
}

/** The row of one account, and its place among the rows; undefined if it has none. Reads no other row. */
export function findRow(
  bytes: string,
  count: number,
  account: bigint,
): { index: number; row: RequestRow } | undefined {
  const wanted = toBeHex(account, 4).slice(2);
  const stride = 2 * rowBytes(count);
  for (let at = 2, index = 0; at < bytes.length; at += stride, index += 1) {
    if (bytes.startsWith(wanted, at)) {
      const [row] = unpackRows(`0x${bytes.slice(at, at + stride)}`, count);
      return row && { index, row };
    }
  }
  return undefined;
}

/** The shortfalls of the row at `index`, Wh. */
export function shortfallsOfRow(bytes: string, count: number, index: number): bigint[] {
  const stride = ENERGY_BYTES * count;
  return unpackEnergy(dataSlice(bytes, index * stride, (index + 1) * stride));
}

/** Packs shortfalls, one list an account in the order of the request's rows. */
export function packShortfalls(shortfallsWh: readonly (readonly bigint[])[]): string {
  return concat(shortfallsWh.map((row) => packEnergy(row)));
}

export function unpackShortfalls(bytes: string, count: number): bigint[][] {
  const stride = ENERGY_BYTES * count;
  const length = dataLength(bytes);
  requireMultiple("shortfalls", length, stride);
  return Array.from({ length: length / stride }, (_, i) =>
    unpackEnergy(dataSlice(bytes, i * stride, (i + 1) * stride)),
  );
}

/** An unsigned integer in hex text. The text is not checked again: libraries that do so read all of it for each figure. */
export function unsigned(bytes: string, offset: number, length: number): bigint {
  return BigInt(`0x${bytes.slice(2 + 2 * offset, 2 + 2 * (offset + length))}`);
}

function requireMultiple(what: string, length: number, entry: number): void {
  if (length % entry !== 0) {
    throw new WireError(what, `a multiple of ${entry.toString()} bytes`, `${length.toString()} bytes`);
  }
}
