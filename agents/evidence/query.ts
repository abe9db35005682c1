import { randomBytes } from "node:crypto";

import { hexlify, type Signer } from "ethers";

import type { What } from "./access.ts";
import { MAX_EVIDENCE_BYTES } from "./limits.ts";
import { authorizationOf, type EvidenceQuery, LIFE_SECONDS, signQuery, targetOf } from "./request.ts";

/** What to ask for: the whole evidence, unless it says otherwise. */
export type EvidenceWanted = Omit<EvidenceQuery, "what"> & { readonly what?: What };

export interface FetchLimits {
  /** Longer answers are not read to their end. */
  readonly maxBytes?: number;
  /** Time for everything, from the connection to the last byte. */
  readonly deadlineMs?: number;
}

/** Why there is no evidence. A server does not tell those it refuses from those it has nothing for. */
export type Failure = "unreachable" | "refused" | "too large" | "too slow" | "not text";
export type Fetched = { readonly evidence: string } | { readonly failure: Failure };

const DEADLINE_MS = 30_000;

/**
 * Asks a party for evidence.
 * @param holder address of the party that is asked: one party cannot pass our request on to another
 * @param now the chain's time, unix seconds
 */
export async function askForEvidence(
  url: string,
  holder: string,
  wanted: EvidenceWanted,
  signer: Signer,
  chainId: bigint,
  now: number,
  limits: FetchLimits = {},
): Promise<Fetched> {
  const query: EvidenceQuery = { what: "evidence", ...wanted };
  const target = URL.parse(targetOf(query), url);
  if (target === null || !["http:", "https:"].includes(target.protocol)) return { failure: "unreachable" };
  const nonce = hexlify(randomBytes(32));
  const signed = await signQuery(signer, chainId, holder, { query, nonce, expires: now + LIFE_SECONDS });
  return get(target, authorizationOf(signed), limits);
}

/** Asks a party for evidence; undefined, whatever the reason, if there is none: to a dispute that is all the same. */
export async function fetchEvidence(
  ...request: Parameters<typeof askForEvidence>
): Promise<string | undefined> {
  const fetched = await askForEvidence(...request);
  return "evidence" in fetched ? fetched.evidence : undefined;
}

async function get(
  target: URL,
  authorization: string,
  { maxBytes = MAX_EVIDENCE_BYTES, deadlineMs = DEADLINE_MS }: FetchLimits,
): Promise<Fetched> {
  const deadline = AbortSignal.timeout(deadlineMs);
  const done = new AbortController();
  try {
    const response = await fetch(target, {
      headers: { authorization },
      redirect: "manual", // whom we ask is who signs for it; nobody else is
      signal: AbortSignal.any([deadline, done.signal]),
    });
    if (response.status !== 200) return { failure: "refused" };
    return textOf(await bytesOf(response, maxBytes));
  } catch {
    return { failure: deadline.aborted ? "too slow" : "unreachable" };
  } finally {
    done.abort(); // lets go of what was not read
  }
}

/** The body of a response; undefined if it is longer than it may be. */
async function bytesOf({ body }: Response, maxBytes: number): Promise<Buffer | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > maxBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** Text byte for byte as it was sent, as rulings are about it: nothing is replaced or left out. */
function textOf(bytes: Buffer | undefined): Fetched {
  if (bytes === undefined) return { failure: "too large" };
  try {
    return { evidence: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { failure: "not text" };
  }
}
