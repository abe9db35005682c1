/** What one bid offers for each unit of gas, in wei (EIP-1559). */
export interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/** A transaction as it was signed once: another bid differs in its fees only, so that no more than one is ever mined. */
export interface Bid extends Fees {
  /** 32 bytes as 0x-hex. */
  readonly hash: string;
  /** Unix seconds of this machine. */
  readonly signedAt: number;
}

/** Something to be done on the chain, bound to one nonce for ever. */
export interface Intent {
  /** Checksummed address of the key that signs. */
  readonly sender: string;
  readonly nonce: number;
  /** What it is for, in a word. */
  readonly kind: string;
  /** Checksummed address. */
  readonly to: string;
  /** 0x-hex. */
  readonly data: string;
  /** wei */
  readonly value: bigint;
  readonly gasLimit: bigint;
}

export interface StoredTransaction extends Intent {
  readonly id: number;
  /** The newest last; at least one. */
  readonly bids: readonly Bid[];
}

/**
 * What became of a transaction. `displaced`: another one of the same key took its nonce. `forgotten`: the node did not
 * have it, so its nonce is used again; should it turn up after all, the chain takes only one of the two.
 */
export type Outcome =
  | { readonly status: "mined"; readonly blockNumber: number; /** wei */ readonly cost: bigint }
  | { readonly status: "displaced" | "forgotten" };

/** What was signed and sent by which key. Whatever resolves has reached the disk. */
export interface TransactionStore {
  /** Those of which nobody knows yet what becomes of them, by nonce. */
  openTransactions(sender: string): Promise<StoredTransaction[]>;
  /** All bids that were ever signed with this nonce. */
  bidsAt(sender: string, nonce: number): Promise<Bid[]>;
  /** To be awaited before the bid is sent. */
  addTransaction(intent: Intent, bid: Bid): Promise<StoredTransaction>;
  /** To be awaited before the bid is sent. */
  addBid(id: number, bid: Bid): Promise<void>;
  closeTransaction(id: number, outcome: Outcome): Promise<void>;
  /** Opens again what was mined after this block, as the chain may have dropped it. */
  reopenTransactions(sender: string, afterBlock: number): Promise<void>;
  /** The newest block with one of them; undefined if none was mined. */
  lastMinedBlock(sender: string): Promise<number | undefined>;
  /** What those signed since then (unix seconds) cost that were mined, in wei. */
  costSince(sender: string, signedAt: number): Promise<bigint>;
}
