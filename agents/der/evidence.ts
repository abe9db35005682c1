import { headersAt } from "../chain/blocks.ts";
import type { Connection } from "../chain/connection.ts";
import type { Service } from "../chain/books.ts";
import type { Dispute } from "../chain/service-view.ts";
import { claimOf } from "../chain/witness.ts";
import { blocksOf, makeBundle, type SignedEpoch } from "../evidence/bundle.ts";
import { bundleJson } from "../evidence/format.ts";
import type { Sealing } from "../evidence/seal.ts";

/** All that a DER has of an epoch, and of its dispute if there is one, as JSON text. */
export async function derEvidence(
  { provider, chainId, registryAddress }: Connection,
  service: Service,
  meter: string,
  signed: SignedEpoch,
  dispute: Dispute | undefined,
  seal: Sealing,
): Promise<string> {
  const entry = dispute && service.view.entryOf(dispute.account, dispute.epoch);
  const setting = {
    venue: { chainId, aria: service.address },
    registry: registryAddress,
    epochSeconds: service.terms.rules.epochSeconds,
    meter,
    signer: meter,
    headers: await headersAt(provider, blocksOf(signed)),
    commitment: dispute
      ? { kind: "dispute" as const, transaction: dispute.transaction, disputeId: dispute.id }
      : null,
  };
  const claim = dispute && entry ? claimOf(dispute, entry, service) : null;
  return bundleJson(await seal(makeBundle(signed, setting, { role: "der", claim })));
}
