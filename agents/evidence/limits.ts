import type { IncomingHttpHeaders } from "node:http";
import { isIP, isIPv6 } from "node:net";

/** Requests at once, and how fast they become possible again. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** What a server bears. */
export interface ServerLimits {
  readonly perAddress: Rate;
  readonly perSigner: Rate;
  /** Nonces of one signer that are in use at a time. */
  readonly noncesPerSigner: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Time for the headers of a request to arrive. */
  readonly headersMs: number;
  /** Time a connection may last, the answer included. */
  readonly connectionMs: number;
  readonly answerBytes: number;
}

/** Evidence longer than this is neither sent nor read. */
export const MAX_EVIDENCE_BYTES = 64 * 2 ** 20;

export const SERVER_LIMITS: ServerLimits = {
  perAddress: { burst: 100, perSecond: 10 },
  perSigner: { burst: 100, perSecond: 5 },
  noncesPerSigner: 8_192, // more than the signer's rate lets through while a nonce is in use
  connections: 256,
  connectionsPerAddress: 32,
  headersMs: 5_000,
  connectionMs: 60_000,
  answerBytes: MAX_EVIDENCE_BYTES,
};

/** How many keys are counted at a time; the one used longest ago is forgotten first. */
const MAX_KEYS = 10_000;

/** A token bucket for each key. */
export class TokenBuckets {
  readonly #rate: Rate;
  readonly #maxKeys: number;
  /** Seconds that only ever go on: load is a matter of real time, not of the chain's. */
  readonly #clock: () => number;
  /** Those used longest ago come first. */
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(rate: Rate, maxKeys = MAX_KEYS, clock = (): number => performance.now() / 1_000) {
    this.#rate = rate;
    this.#maxKeys = maxKeys;
    this.#clock = clock;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes a token of the key's bucket. @returns whether there was one */
  take(key: string): boolean {
    const { burst, perSecond } = this.#rate;
    const at = this.#clock();
    const before = this.#buckets.get(key) ?? { tokens: burst, at };
    const tokens = Math.min(burst, before.tokens + (at - before.at) * perSecond);
    const granted = tokens >= 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens: granted ? tokens - 1 : tokens, at });
    const [oldest] = this.#buckets.size > this.#maxKeys ? this.#buckets.keys() : [];
    if (oldest !== undefined) this.#buckets.delete(oldest);
    return granted;
  }
}

/** Under which key a remote address is counted: IPv6 hands out a network of 2^64 addresses to one party. */
export function addressKey(address: string | undefined): string {
  if (address === undefined) return "";
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  return isIPv6(address) ? `${network(address)}::/64` : address;
}

/** The address that a proxy of ours says a request is from: the one it added itself comes last. */
export function forwardedFor(headers: IncomingHttpHeaders): string | undefined {
  const said = headers["x-forwarded-for"];
  const last = [said].flat().join().split(",").at(-1)?.trim() ?? "";
  return isIP(last) === 0 ? undefined : last;
}

/** The first four groups of an IPv6 address. */
function network(address: string): string {
  const halves = address.replace(/%.*/, "").split("::");
  const [left = [], right] = halves.map((half) => half.split(":").filter((group) => group !== ""));
  const zeros = right === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  return [...left, ...Array<string>(zeros).fill("0"), ...(right ?? [])]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
