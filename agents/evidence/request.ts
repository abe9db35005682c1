import { getAddress, type Signer, verifyTypedData } from "ethers";
import { z } from "zod/v4";

import type { What } from "./access.ts";
import { domainOf, type Venue } from "./statement.ts";

/** A request for one DER's evidence in one epoch. */
export interface EvidenceQuery {
  /** Checksummed address. */
  readonly aria: string;
  readonly account: bigint;
  readonly epoch: number;
  readonly what: What;
}

/** A request as it goes over HTTP. */
export interface SignedQuery {
  readonly query: EvidenceQuery;
  /** Unix seconds of the chain. */
  readonly expires: number;
  /** 32 random bytes: a server takes them from a signer once. */
  readonly nonce: string;
  readonly signature: string;
}

/**
 * How far ahead a request may expire, seconds of chain time. It is more than a request's life, as the newest block
 * that the server has seen may be older than the one its client has.
 */
export const VALID_SECONDS = 1_200;
/** How long after it was signed a request may be used, seconds of chain time. */
export const LIFE_SECONDS = 300;

const PATH = "/evidence";
const SCHEME = "ProofOfFlow";
const MAX_URL_CHARS = 256;
const TYPES = {
  EvidenceQuery: [
    { name: "holder", type: "address" },
    { name: "account", type: "uint32" },
    { name: "epoch", type: "uint32" },
    { name: "what", type: "string" },
    { name: "nonce", type: "bytes32" },
    { name: "expires", type: "uint64" },
  ],
};

const uint32 = z
  .string()
  .regex(/^\d{1,10}$/, { abort: true })
  .refine((text) => Number(text) < 2 ** 32);
const querySchema = z.strictObject({
  aria: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/, { abort: true })
    .refine((text) => getAddress(text.toLowerCase()) === text),
  account: uint32.transform(BigInt),
  epoch: uint32.transform(Number),
  what: z.enum(["evidence", "statement"]),
});
const authorizationSchema = z
  .string()
  .regex(new RegExp(`^${SCHEME} \\d{1,12} 0x[0-9a-f]{64} 0x[0-9a-f]{130}$`))
  .transform((header) => header.split(" ") as [string, string, string, string]);

/** @param holder address of the party that is asked: one party cannot pass a request on to another */
export async function signQuery(
  signer: Signer,
  chainId: bigint,
  holder: string,
  request: Omit<SignedQuery, "signature">,
): Promise<SignedQuery> {
  const domain = domainOf({ chainId, aria: request.query.aria });
  return { ...request, signature: await signer.signTypedData(domain, TYPES, messageOf(holder, request)) };
}

/** Path and parameters of a request. */
export function targetOf({ aria, account, epoch, what }: EvidenceQuery): string {
  return `${PATH}?aria=${aria}&account=${account}&epoch=${epoch}&what=${what}`;
}

/** The header `Authorization` of a request. */
export function authorizationOf({ expires, nonce, signature }: SignedQuery): string {
  return `${SCHEME} ${expires} ${nonce} ${signature}`;
}

/** Reads a request; undefined for one that is not of the very form that it is sent in. */
export function readQuery(
  method: string | undefined,
  url: string | undefined,
  authorization: string | undefined,
): SignedQuery | undefined {
  if (method !== "GET" || url === undefined || url.length > MAX_URL_CHARS) return undefined;
  const parameters = new URLSearchParams(url.slice(PATH.length + 1));
  const query = querySchema.safeParse(Object.fromEntries(parameters));
  const header = authorizationSchema.safeParse(authorization);
  // One request has one form: no second parameter of a name, no other order, path or way to write a number.
  if (!query.success || !header.success || targetOf(query.data) !== url) return undefined;
  const [, expires, nonce, signature] = header.data;
  return { query: query.data, expires: Number(expires), nonce, signature };
}

/** Who signed a request; undefined for bytes that are no signature. */
export function requesterOf(venue: Venue, holder: string, signed: SignedQuery): string | undefined {
  try {
    return verifyTypedData(domainOf(venue), TYPES, messageOf(holder, signed), signed.signature);
  } catch {
    return undefined; // the libraries below have errors of many kinds for what nobody can have signed
  }
}

function messageOf(
  holder: string,
  { query, nonce, expires }: Omit<SignedQuery, "signature">,
): Record<string, unknown> {
  const { account, epoch, what } = query;
  return { holder, account, epoch, what, nonce, expires };
}
