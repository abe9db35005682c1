import { headersAt } from "../chain/blocks.ts";
import type { Connection } from "../chain/connection.ts";
import type { Service } from "../chain/books.ts";
import { blocksOf, makeBundle, type SignedEpoch } from "../evidence/bundle.ts";
import { Commitment } from "../evidence/commitment.ts";
import { type Bundle, bundleJson } from "../evidence/format.ts";
import type { Sealing } from "../evidence/seal.ts";
import type { StoreReader } from "../store/store.ts";

/** What the Aggregator is asked about. */
export interface Asked {
  readonly account: bigint;
  readonly epoch: number;
  /** Whether the whole commitment is shown, which tells of all DERs. */
  readonly withLeaves: boolean;
}

/** All that the Aggregator has of a DER in an epoch, as JSON text. */
export async function aggregatorEvidence(
  { provider, chainId, registryAddress }: Connection,
  store: StoreReader,
  service: Service,
  keeper: Pick<Bundle, "meter" | "signer">,
  signed: SignedEpoch,
  asked: Asked,
  seal: Sealing,
): Promise<string> {
  const commitment = await committed(store, service, asked);
  const setting = {
    ...keeper,
    venue: { chainId, aria: service.address },
    registry: registryAddress,
    epochSeconds: service.terms.rules.epochSeconds,
    headers: await headersAt(provider, blocksOf(signed)),
    commitment: commitment === undefined ? null : sweepOf(service, asked, commitment),
  };
  const leaves = asked.withLeaves && commitment !== undefined ? [...commitment.leaves] : null;
  return bundleJson(await seal(makeBundle(signed, setting, { role: "aggregator", leaves })));
}

async function committed(
  store: StoreReader,
  { address, view }: Service,
  { account, epoch }: Asked,
): Promise<Commitment | undefined> {
  const entry = view.entryOf(account, epoch);
  if (entry?.request.sweep === undefined) return undefined;
  const stored = await store.commitmentOf(address, entry.request.id);
  return stored && Commitment.parse(stored.json);
}

/** What binds the Aggregator's meter to its sweep: the leaf of this DER and epoch, and the proof that it was committed to. */
function sweepOf({ view }: Service, { account, epoch }: Asked, commitment: Commitment): Bundle["commitment"] {
  const request = view.entryOf(account, epoch)?.request;
  const leaf = commitment.leafOf(account, epoch);
  if (request?.sweep === undefined || leaf === undefined) return null;
  const { transaction, flowRoot } = request.sweep;
  return {
    kind: "sweep",
    transaction,
    requestId: request.id,
    flowRoot,
    leaf,
    proof: commitment.proofOf(leaf),
  };
}
