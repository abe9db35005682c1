import type { IncomingMessage } from "node:http";

import { type Access, covers } from "./access.ts";
import { type ServerLimits, TokenBuckets } from "./limits.ts";
import { NonceMemory } from "./nonces.ts";
import { type EvidenceQuery, readQuery, requesterOf, type SignedQuery, VALID_SECONDS } from "./request.ts";

export interface GateOptions {
  /** Address of the party that serves: a request made to another is not one to it. */
  readonly holder: string;
  readonly chainId: bigint;
  /** The chain's time, unix seconds: a request expires by it, not by a local clock. */
  readonly now: () => number;
  readonly access: (query: EvidenceQuery, requester: string) => Access;
}

/** What is to become of a request: it is answered, refused, or one too many. */
export type Admission = { readonly query: EvidenceQuery; readonly access: Access } | "refused" | "too many";

/**
 * Lets those requests through that are answered. Who asks for what is looked at only once the signature is known, and
 * those who have nothing to ask for here leave no trace: strangers cannot fill the memory, nor use up what others may
 * ask.
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #nonces: NonceMemory;
  readonly #perSigner: TokenBuckets;
  #now = 0;

  constructor(options: GateOptions, limits: ServerLimits) {
    this.#options = options;
    this.#nonces = new NonceMemory(limits.noncesPerSigner);
    this.#perSigner = new TokenBuckets(limits.perSigner);
  }

  admit(request: IncomingMessage): Admission {
    const { method, url, headers } = request;
    const signed = hasBody(request) ? undefined : readQuery(method, url, headers.authorization);
    if (signed === undefined) return "refused";
    const now = this.#time();
    if (signed.expires < now || signed.expires > now + VALID_SECONDS) return "refused";
    return this.#admitSigned(signed, now);
  }

  #admitSigned(signed: SignedQuery, now: number): Admission {
    const { holder, chainId, access } = this.#options;
    const { query, nonce, expires } = signed;
    const signer = requesterOf({ chainId, aria: query.aria }, holder, signed);
    if (signer === undefined) return "refused";
    const granted = access(query, signer);
    if (granted.requester === "other") return "refused";
    // Before anything else is decided: a request that is refused now must not be of use to whoever sends it again.
    const taken = this.#nonces.take(signer, nonce, expires, now);
    if (taken === "used") return "refused";
    if (taken === "full" || !this.#perSigner.take(signer)) return "too many";
    return covers(granted, query.what) ? { query, access: granted } : "refused";
  }

  /** The chain's time, which never goes back here: a nonce that was forgotten must have expired for good. */
  #time(): number {
    this.#now = Math.max(this.#now, this.#options.now());
    return this.#now;
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}
