/** What became of a nonce: taken, taken before, or not taken as its signer has too many in use. */
export type Taken = "fresh" | "used" | "full";

/** Remembers which nonces were used, each until the request it came with expires. */
export class NonceMemory {
  readonly #maxPerSigner: number;
  /** When each nonce may be forgotten, by signer. */
  readonly #signers = new Map<string, Map<string, number>>();
  #cleared = 0;

  constructor(maxPerSigner: number) {
    this.#maxPerSigner = maxPerSigner;
  }

  /** How many are remembered. */
  get size(): number {
    return [...this.#signers.values()].reduce((sum, nonces) => sum + nonces.size, 0);
  }

  /** @param expires last second in which the request is valid; not before `now` */
  take(signer: string, nonce: string, expires: number, now: number): Taken {
    if (now > this.#cleared) this.#clear(now);
    const nonces = this.#signers.get(signer) ?? new Map<string, number>();
    if (nonces.has(nonce)) return "used";
    if (nonces.size >= this.#maxPerSigner) return "full";
    this.#signers.set(signer, nonces.set(nonce, expires));
    return "fresh";
  }

  #clear(now: number): void {
    this.#cleared = now;
    for (const [signer, nonces] of this.#signers) {
      for (const [nonce, expires] of nonces) if (expires < now) nonces.delete(nonce);
      if (nonces.size === 0) this.#signers.delete(signer);
    }
  }
}
