import type { Service } from "../chain/books.ts";
import type { FlowRequest } from "../chain/service-view.ts";
import { Commitment, type FlowLeaf } from "../evidence/commitment.ts";
import { BundleFormatError, parseBundle } from "../evidence/format.ts";
import { proofOf, type SettledRow } from "../settlement/tree.ts";
import { ask, type HearingRoom } from "./hearing.ts";

/** What `proveContradiction` takes: a leaf that the Aggregator committed to, and the row that it swept otherwise. */
export interface Contradiction {
  readonly row: SettledRow;
  readonly leaf: FlowLeaf;
  readonly proof: readonly string[];
}

/** Asks the Aggregator for all leaves of a sweep; undefined if it shows none of it. */
export async function committedIn(request: FlowRequest, room: HearingRoom): Promise<Commitment | undefined> {
  const { ledger, service } = room.follower;
  const [row] = service.view.rowsOf(request);
  if (row === undefined) return undefined;
  const place = { account: row.account, epoch: request.firstEpoch };
  const text = await ask(ledger.ownerOf(service.terms.aggregatorAccount), place, room);
  const leaves = text === undefined ? null : leavesIn(text);
  if (leaves === null) return undefined;
  const commitment = new Commitment(leaves);
  return commitment.root === request.sweep?.flowRoot ? commitment : undefined;
}

function leavesIn(text: string): FlowLeaf[] | null {
  try {
    const bundle = parseBundle(text);
    return bundle.role === "aggregator" ? bundle.leaves : null;
  } catch (error) {
    if (error instanceof BundleFormatError) return null;
    throw error;
  }
}

/**
 * Where a sweep differs from what the Aggregator committed to by it, as far as it was not fined for that by a ruling.
 * As in ARIA, energy beyond the request does not count.
 */
export function contradictionsIn(
  { view }: Service,
  request: FlowRequest,
  commitment: Commitment,
): Contradiction[] {
  const settled = view.settledRequest(request);
  const places = new Map(settled.rows.map(({ account }, place) => [account, place]));
  return commitment.leaves.flatMap((leaf) => {
    const { account, epoch, energyWh } = leaf;
    const [place, at] = [places.get(account) ?? -1, epoch - request.firstEpoch];
    const requestedWh = settled.rows[place]?.energyWh[at];
    const shortfallWh = settled.sweep?.shortfallsWh[place]?.[at];
    if (requestedWh === undefined || shortfallWh === undefined) return [];
    const committedWh = energyWh < requestedWh ? energyWh : requestedWh;
    if (committedWh === requestedWh - shortfallWh) return [];
    if (view.disputes.get((account << 32n) | BigInt(epoch))?.fault === "aggregator") return [];
    const row = proofOf(settled, account);
    return row === undefined ? [] : [{ row, leaf, proof: commitment.proofOf(leaf) }];
  });
}
