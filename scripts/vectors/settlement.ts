import { id, toBeHex } from "ethers";

import { packRows, packShortfalls } from "../../agents/settlement/rows.ts";
import { commitmentOf, proofOf, rootOf, type SettledRequest } from "../../agents/settlement/tree.ts";

/** One epoch, a few, and more than fit a leaf: rows that share leaves, leaves that are not full, rows alone in one. */
const SHAPES = [
  { rowCount: 35, count: 1 },
  { rowCount: 7, count: 5 },
  { rowCount: 3, count: 19 },
];
const LARGEST_WH = 2n ** 32n - 1n;

/** Requests and sweeps on the wire, and the trees ARIA builds over them. */
export function requests(): unknown {
  return {
    requests: SHAPES.map(({ rowCount, count }) => {
      const settled = settledRequest(rowCount, count);
      const { requestId, rows, sweep } = settled;
      return {
        requestId,
        count,
        rows,
        requests: packRows(rows),
        requestRoot: rootOf({ requestId, rows }),
        requestProofs: proofsOf({ requestId, rows }),
        sweep: { ...sweep, shortfalls: packShortfalls(sweep.shortfallsWh) },
        sweptRoot: rootOf(settled),
        commitment: commitmentOf(settled),
        sweptProofs: proofsOf(settled),
      };
    }),
  };
}

/** Of the first, a middle and the last row. */
function proofsOf(settled: SettledRequest): unknown[] {
  const { rows } = settled;
  const chosen = [0, Math.floor(rows.length / 2), rows.length - 1];
  return chosen.map((row) => ({ row, ...proofOf(settled, rows[row]?.account ?? 0n) }));
}

type Swept = SettledRequest & { readonly sweep: NonNullable<SettledRequest["sweep"]> };

/** Figures of all sizes; every third row has delivered all. */
function settledRequest(rowCount: number, count: number): Swept {
  const indices = Array.from({ length: rowCount }, (_, row) => row);
  const rows = indices.map((row) => ({
    account: row === rowCount - 1 ? 2n ** 32n - 1n : BigInt(2 + 3 * row),
    price: row === 0 ? 2n ** 32n - 1n : BigInt(100 + row),
    powerW: row === 0 ? 2n ** 32n - 1n : BigInt(row) * 1_000_003n,
    energyWh: Array.from({ length: count }, (_, epoch) => (row === 0 ? LARGEST_WH : wh(row, epoch))),
  }));
  const shortfallsWh = rows.map(({ energyWh }, row) =>
    energyWh.map((requested, epoch) => (row % 3 === 2 ? 0n : (requested * BigInt(1 + epoch)) / 20n)),
  );
  const penalties = indices.map((row) => (row === 0 ? 2n ** 64n - 1n : BigInt(row % 3) * 12_345n));
  return { requestId: BigInt(count), rows, sweep: { shortfallsWh, penalties, flowRoot: id("flow root") } };
}

function wh(row: number, epoch: number): bigint {
  return BigInt((row * 7_919 + epoch * 104_729) % 100_003);
}

const POSTINGS = [
  { account: 0n, amount: 0n },
  { account: 1n, amount: 1n },
  { account: 2n, amount: -1n },
  { account: 258n, amount: 1_234_567_890_123n },
  { account: 65_536n, amount: -1_234_567_890_123n },
  { account: 2n ** 32n - 2n, amount: 2n ** 63n - 1n },
  { account: 2n ** 32n - 1n, amount: -(2n ** 63n) },
];

/** What the Vault moves (layout: contracts/types/Postings.sol); no agent packs any, so the bytes are put together here. */
export function postings(): unknown {
  const words = POSTINGS.map(({ account, amount }) =>
    [toBeHex(account, 4), toBeHex(BigInt.asUintN(64, amount), 8)].map((hex) => hex.slice(2)).join(""),
  );
  return { postings: POSTINGS, packed: `0x${words.join("")}`, octets: OCTETS, packedOctets: packedOctets() };
}

/** Amounts of the accounts 8 * word to 8 * word + 7. */
const OCTETS = [
  { word: 0n, amounts: [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n] },
  { word: 1n, amounts: [1n, -1n, 0n, 2n ** 31n - 1n, -(2n ** 31n), 123_456n, -123_456n, 0n] },
  { word: 2n ** 29n - 1n, amounts: [8n, 7n, 6n, 5n, 4n, 3n, 2n, 1n] },
];

/** Layout: contracts/types/Octets.sol. */
function packedOctets(): string {
  const octets = OCTETS.map(({ word, amounts }) => {
    const lanes = amounts.map((amount) => toBeHex(BigInt.asUintN(32, amount), 4).slice(2));
    return toBeHex(word, 4).slice(2) + lanes.reverse().join("");
  });
  return `0x${octets.join("")}`;
}
