/** A node on paper: it keeps the rules of nonces, pools and blocks, and fails as real ones do whenever it is told to. */

import { type JsonRpcProvider, Transaction } from "ethers";

export class PaperNode {
  /** Transactions of the one sender, by block. */
  readonly blocks: Transaction[][] = [[]];
  readonly #pool = new Map<number, Transaction>();
  /** All that was ever broadcast: any of it may turn up again, wherever it was all the time. */
  readonly heard: Transaction[] = [];
  /** What becomes of the next broadcast. */
  fate: "taken" | "taken, and not told" | "lost" = "taken";

  get tip(): number {
    return this.blocks.length - 1;
  }

  count(block = this.tip): number {
    return this.blocks.slice(0, block + 1).flat().length;
  }

  minedUpTo(block: number): Transaction[] {
    return this.blocks.slice(0, block + 1).flat();
  }

  mine(): void {
    const next = this.#pool.get(this.count());
    this.#pool.delete(this.count());
    this.blocks.push(next === undefined ? [] : [next]);
  }

  /** Somebody else with the same key is quicker. */
  mineForeign(transaction: Transaction): void {
    this.blocks.push([transaction]);
    for (const nonce of this.#pool.keys()) if (nonce < this.count()) this.#pool.delete(nonce);
  }

  /** Takes a transaction into the pool, or instead of another one that bids less. */
  offer(transaction: Transaction): void {
    const { nonce, maxFeePerGas } = transaction;
    if (nonce < this.count()) throw failure("NONCE_EXPIRED");
    const there = this.#pool.get(nonce);
    if (there !== undefined && maxFeePerGas! * 10n < there.maxFeePerGas! * 11n) {
      throw failure("REPLACEMENT_UNDERPRICED");
    }
    this.#pool.set(nonce, transaction);
  }

  losePool(): void {
    this.#pool.clear();
  }

  /** Drops the newest blocks. @param back whether their transactions wait in the pool again */
  reorganise(depth: number, back: boolean): void {
    const dropped = this.blocks.splice(this.blocks.length - depth, depth).flat();
    if (back) for (const transaction of dropped) this.#pool.set(transaction.nonce, transaction);
  }

  /** What a sender asks of its provider. */
  get provider(): JsonRpcProvider {
    const asked = {
      getBlockNumber: () => Promise.resolve(this.tip),
      getTransactionCount: (_: string, block?: number | "latest") =>
        Promise.resolve(this.count(typeof block === "number" ? block : this.tip)),
      getTransactionReceipt: (hash: string) => Promise.resolve(this.#receiptOf(hash)),
      estimateGas: () => Promise.resolve(21_000n),
      getFeeData: () => Promise.resolve({ maxFeePerGas: 100n, maxPriorityFeePerGas: 10n }),
      send: (method: string, [argument = ""]: string[]) =>
        method === "eth_sendRawTransaction" ? this.#hear(argument) : Promise.resolve(this.#pooled(argument)),
    };
    return asked as unknown as JsonRpcProvider;
  }

  async #hear(raw: string): Promise<string> {
    const { fate } = this;
    this.fate = "taken";
    const transaction = Transaction.from(raw);
    this.heard.push(transaction);
    if (fate === "lost") throw failure("TIMEOUT");
    this.offer(transaction);
    if (fate !== "taken") throw failure("TIMEOUT");
    return Promise.resolve(transaction.hash!);
  }

  #receiptOf(hash: string): object | null {
    const blockNumber = this.blocks.findIndex((block) => block.some((mined) => mined.hash === hash));
    return blockNumber < 0 ? null : { hash, blockNumber, status: 1, fee: 1n, gasUsed: 1n };
  }

  #pooled(hash: string): object | null {
    return [...this.#pool.values()].find((waiting) => waiting.hash === hash) ?? null;
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}
