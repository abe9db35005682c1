import { type Signer, verifyTypedData, ZeroAddress } from "ethers";
import { z } from "zod/v4";

import { domainOf, type Venue } from "./statement.ts";

/** A request for one DER's evidence in one epoch, as it goes over HTTP. */
export interface EvidenceQuery {
  /** Checksummed address. */
  readonly aria: string;
  readonly account: bigint;
  readonly epoch: number;
}

export interface SignedQuery {
  readonly query: EvidenceQuery;
  /** Unix seconds of the chain. */
  readonly expires: number;
  readonly signature: string;
}

const PATH = "/evidence";
const SCHEME = "ProofOfFlow";
const TYPES = {
  EvidenceQuery: [
    { name: "holder", type: "address" },
    { name: "account", type: "uint32" },
    { name: "epoch", type: "uint32" },
    { name: "expires", type: "uint64" },
  ],
};

const querySchema = z.strictObject({
  aria: z.string().regex(/^0x[0-9a-fA-F]{40}$/),
  account: z
    .string()
    .regex(/^\d{1,10}$/)
    .transform(BigInt),
  epoch: z
    .string()
    .regex(/^\d{1,10}$/)
    .transform(Number),
});
const authorizationSchema = z
  .string()
  .regex(new RegExp(`^${SCHEME} \\d{1,12} 0x[0-9a-f]{130}$`))
  .transform((header) => header.split(" ") as [string, string, string]);

/** How long a signed request may be used, seconds of chain time. */
const VALID_SECONDS = 300;
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
  query: EvidenceQuery,
  signer: Signer,
  chainId: bigint,
  now: number,
): Promise<string | undefined> {
  const expires = now + VALID_SECONDS;
  const { aria, account, epoch } = query;
  const signature = await signer.signTypedData(domainOf({ chainId, aria }), TYPES, {
    holder,
    account,
    epoch,
    expires,
  });
  const target = new URL(PATH, url);
  target.search = new URLSearchParams({
    aria,
    account: account.toString(),
    epoch: epoch.toString(),
  }).toString();
  const authorization = `${SCHEME} ${expires} ${signature}`;
  let response: Response;
  try {
    response = await fetch(target, { headers: { authorization }, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    return undefined; // unreachable or too slow
  }
  return response.ok ? response.text() : undefined;
}

/** Reads a request; undefined for one that is not of the form that `fetchEvidence` sends. */
export function readQuery(
  method: string | undefined,
  url: string | undefined,
  authorization: string | undefined,
): SignedQuery | undefined {
  if (method !== "GET" || url === undefined) return undefined;
  const target = URL.parse(url, "http://localhost");
  if (target?.pathname !== PATH) return undefined;
  const query = querySchema.safeParse(Object.fromEntries(target.searchParams));
  const header = authorizationSchema.safeParse(authorization);
  if (!query.success || !header.success) return undefined;
  const [, expires, signature] = header.data;
  return { query: query.data, expires: Number(expires), signature };
}

/** Who signed a request; the zero address, which is nobody, for a malformed signature. */
export function requesterOf(
  venue: Venue,
  holder: string,
  { query, expires, signature }: SignedQuery,
): string {
  const { account, epoch } = query;
  try {
    return verifyTypedData(domainOf(venue), TYPES, { holder, account, epoch, expires }, signature);
  } catch {
    return ZeroAddress; // the libraries below have errors of many kinds for bytes that are no signature
  }
}
