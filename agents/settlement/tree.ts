import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import { concat, keccak256, toBeHex } from "ethers";

import { packEnergy, packRows, type RequestRow } from "./rows.ts";

/**
 * The trees that ARIA builds over requests and sweeps (contracts/libraries/FlowTree.sol), and the proofs out of them
 * that a dispute needs.
 */

const REQUEST_LEAF = "0x01";
const SWEPT_LEAF = "0x02";
const FIGURES_PER_LEAF = 32;

/** What was settled by one sweep, or requested and never swept. */
export interface SettledRequest {
  requestId: bigint;
  rows: RequestRow[];
  /** of the sweep; undefined for a request that was never swept */
  sweep?: {
    /** Wh, one list a row */
    shortfallsWh: bigint[][];
    /** units taken, one a row */
    penalties: bigint[];
    flowRoot: string;
  };
}

/** The argument of the same name of `raiseDisputeEvent` and `proveContradiction`. */
export interface SettledRow {
  requestId: bigint;
  requests: string;
  shortfalls: string;
  penalties: string;
  rowInLeaf: number;
  proof: string[];
  flowRoot: string;
}

/** The proof of what was requested of, and credited to, `account`; undefined if it is not in the request. */
export function proofOf(settled: SettledRequest, account: bigint): SettledRow | undefined {
  const row = settled.rows.findIndex((candidate) => candidate.account === account);
  if (row < 0) return undefined;
  const perLeaf = rowsPerLeaf(epochCount(settled.rows));
  const leafIndex = Math.floor(row / perLeaf);
  const leaf = leafAt(settled, leafIndex);
  const tree = SimpleMerkleTree.of(leaves(settled), { sortLeaves: false });
  return {
    requestId: settled.requestId,
    ...leaf,
    rowInLeaf: row % perLeaf,
    proof: tree.getProof(leafIndex),
    flowRoot: settled.sweep?.flowRoot ?? toBeHex(0n, 32),
  };
}

/** The root ARIA stores for a request, and hashes with the flow root for a sweep. */
export function rootOf(settled: SettledRequest): string {
  return SimpleMerkleTree.of(leaves(settled), { sortLeaves: false }).root;
}

/** What ARIA stores for a request: its root, or from the sweep on the hash of swept root and flow root. */
export function commitmentOf(settled: SettledRequest): string {
  const root = rootOf(settled);
  return settled.sweep ? keccak256(concat([root, settled.sweep.flowRoot])) : root;
}

function rowsPerLeaf(count: number): number {
  return count >= FIGURES_PER_LEAF ? 1 : Math.floor(FIGURES_PER_LEAF / count);
}

function epochCount(rows: readonly RequestRow[]): number {
  return rows[0]?.energyWh.length ?? 0;
}

function leaves(settled: SettledRequest): string[] {
  const perLeaf = rowsPerLeaf(epochCount(settled.rows));
  const count = Math.ceil(settled.rows.length / perLeaf);
  return Array.from({ length: count }, (_, index) => hashOf(settled, leafAt(settled, index)));
}

interface Leaf {
  requests: string;
  shortfalls: string;
  penalties: string;
}

function leafAt({ rows, sweep }: SettledRequest, index: number): Leaf {
  const perLeaf = rowsPerLeaf(epochCount(rows));
  const [from, to] = [index * perLeaf, (index + 1) * perLeaf];
  return {
    requests: packRows(rows.slice(from, to)),
    shortfalls: sweep ? concat(sweep.shortfallsWh.slice(from, to).map(packEnergy)) : "0x",
    penalties: sweep ? concat(sweep.penalties.slice(from, to).map((units) => toBeHex(units, 8))) : "0x",
  };
}

function hashOf({ sweep }: SettledRequest, leaf: Leaf): string {
  const requestLeaf = keccak256(concat([REQUEST_LEAF, leaf.requests]));
  if (!sweep) return requestLeaf;
  return keccak256(concat([SWEPT_LEAF, requestLeaf, leaf.shortfalls, leaf.penalties]));
}
