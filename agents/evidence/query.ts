import { randomBytes } from "node:crypto";

import { hexlify, type Signer } from "ethers";

import type { What } from "./access.ts";
import { authorizationOf, type EvidenceQuery, LIFE_SECONDS, signQuery, targetOf } from "./request.ts";

/** What to ask for: the whole evidence, unless it says otherwise. */
export type EvidenceWanted = Omit<EvidenceQuery, "what"> & { readonly what?: What };

const TIMEOUT_MS = 10_000;

/**
 * Asks a party for evidence. Undefined if it has none, or none for us, or cannot be reached: to a dispute that is all
 * the same.
 * @param holder address of the party that is asked: one party cannot pass our request on to another
 * @param now the chain's time, unix seconds
 */
export async function fetchEvidence(
  url: string,
  holder: string,
  wanted: EvidenceWanted,
  signer: Signer,
  chainId: bigint,
  now: number,
): Promise<string | undefined> {
  const query: EvidenceQuery = { what: "evidence", ...wanted };
  const nonce = hexlify(randomBytes(32));
  const signed = await signQuery(signer, chainId, holder, { query, nonce, expires: now + LIFE_SECONDS });
  const authorization = authorizationOf(signed);
  let response: Response;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    response = await fetch(new URL(targetOf(query), url), { headers: { authorization }, signal });
  } catch {
    return undefined; // unreachable or too slow
  }
  return response.ok ? response.text() : undefined;
}
