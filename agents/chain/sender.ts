import { setTimeout as sleep } from "node:timers/promises";

import {
  type ContractTransaction,
  getBytes,
  isError,
  type JsonRpcProvider,
  type TransactionReceipt,
  type Wallet,
} from "ethers";

import { keccakHex } from "../hashing/keccak.ts";
import type { Bid, Fees, Intent, StoredTransaction, TransactionStore } from "../store/transactions.ts";
import { DryRunError, NonceTakenError, PendingError, SpendingLimitError } from "./not-sent.ts";
import { gasLimitOf, isWithin, nextStep, outbidding, type Standing } from "./outbox.ts";
import { RefusedError, refusalIn } from "./refusal.ts";

export interface SendingRules {
  /** What transactions may cost in any hour, wei; no limit when undefined. */
  readonly weiPerHour?: bigint | undefined;
  /** A transaction that is not mined for so long is sent again with higher fees. */
  readonly bumpAfterSeconds: number;
  /** How long `send` waits for a transaction before it is left to be looked after later. */
  readonly patienceSeconds: number;
  /** Whether transactions are only tried. */
  readonly dryRun: boolean;
}

/** For a command that sends and ends. */
export const WAIT_FOR_IT: SendingRules = { bumpAfterSeconds: 45, patienceSeconds: Infinity, dryRun: false };

export interface SenderOptions {
  readonly wallet: Wallet;
  readonly provider: JsonRpcProvider;
  readonly store: TransactionStore;
  readonly rules: SendingRules;
  readonly chainId: bigint;
  /** Told of what becomes of transactions. */
  readonly told?: ((event: string, fields: Readonly<Record<string, unknown>>) => void) | undefined;
  /** Told of every transaction that went through. */
  readonly onReceipt?: ((kind: string, gasUsed: bigint) => void) | undefined;
  /** This machine's clock, unix seconds. */
  readonly now?: () => number;
}

/** How often a receipt is asked for while it is not there yet. A node that mines at once answers at once. */
const POLLING_MS = 250;
/** A node that has not heard of a transaction for so long does not have it. */
const UNKNOWN_AFTER_SECONDS = 5;
/** Blocks within which a transaction is looked up again at the start, as it may have been dropped meanwhile. */
const UNSETTLED_BLOCKS = 64;
const HOUR_SECONDS = 3_600;

/**
 * Sends the transactions of one key, one at a time. Each is tried first, and stored before it is sent; what was stored
 * is compared with the chain before anything else is sent, also after a restart.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #address: string;
  /** What is not settled; undefined until the store was asked. */
  #open: StoredTransaction[] | undefined;
  #lastMined = -1;
  /** The block that decisions rest on; undefined for whatever is the latest. */
  #head: number | undefined;
  /** The nonce that is free as of that block, and after what was sent since; undefined until it is needed. */
  #next: number | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  /** What was told in a dry run, by its data: it is tried again at every look. */
  readonly #tried = new Set<string>();

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#address = options.wallet.address;
  }

  /** How many transactions are on their way. */
  get pending(): number {
    return this.#open?.length ?? 0;
  }

  /** What the transactions of the last hour cost, in wei. */
  spent(): Promise<bigint> {
    return this.#options.store.costSince(this.#address, this.#now() - HOUR_SECONDS);
  }

  /**
   * Looks after what was sent.
   * @param head the newest block that the next decision rests on
   * @returns whether all of it is settled in the chain up to there: only then is there anything to decide
   */
  settled(head: number): Promise<boolean> {
    return this.#inTurn(async () => {
      this.#head = head;
      this.#next = undefined;
      return (await this.#allClosed()) && this.#lastMined <= head;
    });
  }

  /** The chain has dropped the blocks after this one: what was mined in them may not be in its new ones. */
  reorganised(ancestor: number): Promise<void> {
    return this.#inTurn(async () => {
      await this.#options.store.reopenTransactions(this.#address, ancestor);
      if (this.#open !== undefined) await this.#load();
    });
  }

  /**
   * Sends one transaction, and waits until it is in a block.
   * @throws {RefusedError} when the contracts refuse it, before or after it is sent.
   * @throws {NotSentError} when it was not sent, or is not in a block for so long.
   */
  send(
    kind: string,
    request: ContractTransaction | Promise<ContractTransaction>,
  ): Promise<TransactionReceipt> {
    return this.#inTurn(async () => {
      const [first] = (await this.#allClosed()) ? [] : (this.#open ?? []);
      if (first !== undefined) throw new PendingError(first);
      const signed = await this.#signed(kind, await request);
      const failure = await this.#broadcast(signed);
      const deadline = Date.now() + this.#options.rules.patienceSeconds * 1_000;
      for (;;) {
        const [open] = this.#open ?? [];
        if (open === undefined) throw lost(failure) ?? new NonceTakenError(kind, signed.nonce);
        const receipt = await this.#lookAfter(open);
        if (receipt !== undefined) return receipt;
        if (this.pending === 0) continue;
        if (Date.now() > deadline) throw new PendingError(open);
        await sleep(POLLING_MS);
      }
    });
  }

  // ---------------------------------------------------------------------------------------------------- What was sent

  /** @returns whether nothing is on its way any more */
  async #allClosed(): Promise<boolean> {
    if (this.#open === undefined) await this.#resume();
    for (;;) {
      const [oldest] = this.#open ?? [];
      if (oldest === undefined) return true;
      const before = this.pending;
      try {
        await this.#lookAfter(oldest);
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
        this.#tell("refused", { intent: oldest.kind, reason: error.message });
      }
      if (this.pending === before) return false;
    }
  }

  /** After a start: what the last blocks had may have been dropped while nobody looked. */
  async #resume(): Promise<void> {
    const { store, provider } = this.#options;
    const lastMined = await store.lastMinedBlock(this.#address);
    if (lastMined !== undefined) {
      const latest = await provider.getBlockNumber();
      await store.reopenTransactions(this.#address, latest - UNSETTLED_BLOCKS);
    }
    await this.#load();
  }

  async #load(): Promise<void> {
    const { store } = this.#options;
    this.#lastMined = (await store.lastMinedBlock(this.#address)) ?? -1;
    this.#open = await store.openTransactions(this.#address);
  }

  /** Does what is next for the oldest. @returns its receipt once it is mined @throws {RefusedError} if it failed */
  async #lookAfter(open: StoredTransaction): Promise<TransactionReceipt | undefined> {
    const receipt = await this.#receiptOf(open);
    if (receipt !== undefined) {
      await this.#close(open, receipt);
      return this.#passed(open, receipt);
    }
    const step = nextStep(
      open,
      await this.#standing(open),
      this.#patience,
      await this.#budget(),
      this.#now(),
    );
    const { kind, nonce } = open;
    switch (step.kind) {
      case "mined": // between the two questions
      case "wait":
        break;
      case "displaced":
        await this.#giveUp([open], "displaced");
        break;
      case "forgotten": // and with it all after it, which cannot be mined before its nonce is used
        await this.#giveUp(this.#open ?? [], "forgotten");
        break;
      case "short":
        this.#tell("not bumped", { kind, nonce, reason: "gas.gweiPerHour is spent" });
        break;
      case "bump":
        await this.#bump(open, step.fees);
        break;
    }
    return undefined;
  }

  async #receiptOf({ bids }: StoredTransaction): Promise<TransactionReceipt | undefined> {
    for (const { hash } of bids.toReversed()) {
      const receipt = await this.#options.provider.getTransactionReceipt(hash);
      if (receipt !== null) return receipt;
    }
    return undefined;
  }

  /** The count first: whoever had the nonce by then has a receipt by now. */
  async #standing(open: StoredTransaction): Promise<Standing> {
    const { provider } = this.#options;
    const count = await provider.getTransactionCount(this.#address);
    const mined = count > open.nonce && (await this.#receiptOf(open)) !== undefined;
    const { hash = "" } = open.bids.at(-1) ?? {};
    const pooled = (await provider.send("eth_getTransactionByHash", [hash])) !== null;
    return { count, mined, pooled, market: await this.#market() };
  }

  async #close(open: StoredTransaction, receipt: TransactionReceipt): Promise<void> {
    const { blockNumber, fee: cost } = receipt;
    await this.#options.store.closeTransaction(open.id, { status: "mined", blockNumber, cost });
    this.#open = this.#open?.filter(({ id }) => id !== open.id);
    this.#lastMined = Math.max(this.#lastMined, blockNumber);
    this.#tell("mined", { kind: open.kind, nonce: open.nonce, hash: receipt.hash, blockNumber });
  }

  async #passed(open: StoredTransaction, receipt: TransactionReceipt): Promise<TransactionReceipt> {
    if (receipt.status !== 1) throw await this.#reasonOf(open, receipt);
    this.#options.onReceipt?.(open.kind, receipt.gasUsed);
    return receipt;
  }

  /** Why it failed on the chain: it is tried again where it failed, as a receipt does not say. */
  async #reasonOf({ kind, to, data, value }: Intent, receipt: TransactionReceipt): Promise<Error> {
    const unsaid = new RefusedError(kind, "Failed", [receipt.hash]);
    try {
      await this.#options.provider.call({
        from: this.#address,
        to,
        data,
        value,
        blockTag: receipt.blockNumber,
      });
    } catch (error) {
      return refusalIn(kind, error) ?? unsaid;
    }
    return unsaid;
  }

  async #giveUp(lost: readonly StoredTransaction[], status: "displaced" | "forgotten"): Promise<void> {
    for (const { id, kind, nonce } of lost) {
      await this.#options.store.closeTransaction(id, { status });
      this.#tell(status, { kind, nonce });
    }
    this.#open = this.#open?.filter(({ id }) => !lost.some((each) => each.id === id));
    this.#next = undefined;
  }

  async #bump(open: StoredTransaction, fees: Fees): Promise<void> {
    const { raw, bid } = await this.#sign(open, fees);
    await this.#options.store.addBid(open.id, bid);
    this.#open = this.#open?.map((each) =>
      each.id === open.id ? { ...each, bids: [...each.bids, bid] } : each,
    );
    this.#tell("bumped", {
      kind: open.kind,
      nonce: open.nonce,
      hash: bid.hash,
      maxFeePerGas: fees.maxFeePerGas,
    });
    await this.#broadcast({ ...open, raw });
  }

  // --------------------------------------------------------------------------------------------------- What is sent now

  async #signed(
    kind: string,
    { to, data, value = 0n }: ContractTransaction,
  ): Promise<Intent & { raw: string }> {
    const { store, rules } = this.#options;
    this.#next ??= await this.#options.provider.getTransactionCount(this.#address, this.#head ?? "latest");
    const nonce = this.#next;
    const [gas, market, before] = await Promise.all([
      this.#estimate(kind, { to, data, value }),
      this.#market(),
      store.bidsAt(this.#address, nonce),
    ]);
    if (rules.dryRun) {
      const call = keccakHex(getBytes(data));
      if (!this.#tried.has(call)) this.#tell("would send", { kind, to, value, gas });
      this.#tried.add(call);
      throw new DryRunError(kind);
    }
    const gasLimit = gasLimitOf(gas);
    const intent = { sender: this.#address, nonce, kind, to, data, value, gasLimit };
    const fees = outbidding(before, market);
    const budget = await this.#budget();
    if (budget !== undefined && !isWithin(budget, gasLimit, fees)) {
      throw new SpendingLimitError(kind, budget, gasLimit * fees.maxFeePerGas);
    }
    const { raw, bid } = await this.#sign(intent, fees);
    this.#open = [await store.addTransaction(intent, bid)];
    return { ...intent, raw };
  }

  /** The node tries it, and says what gas it takes. */
  async #estimate(kind: string, call: { to: string; data: string; value: bigint }): Promise<bigint> {
    try {
      return await this.#options.provider.estimateGas({ from: this.#address, ...call });
    } catch (error) {
      throw refusalIn(kind, error) ?? error;
    }
  }

  async #sign(intent: Intent, fees: Fees): Promise<{ raw: string; bid: Bid }> {
    const { to, data, value, nonce, gasLimit } = intent;
    const { wallet, chainId } = this.#options;
    const raw = await wallet.signTransaction({ type: 2, chainId, to, data, value, nonce, gasLimit, ...fees });
    return { raw, bid: { ...fees, hash: keccakHex(getBytes(raw)), signedAt: this.#now() } };
  }

  /** Whatever the node says to it, what counts is what becomes of it. @returns what went wrong */
  async #broadcast({
    kind,
    nonce,
    raw,
  }: {
    kind: string;
    nonce: number;
    raw: string;
  }): Promise<Error | undefined> {
    try {
      await this.#options.provider.send("eth_sendRawTransaction", [raw]);
      this.#next = nonce + 1;
      this.#tell("sent", { kind, nonce });
      return undefined;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#tell("not taken", { kind, nonce, reason: error.message });
      return error;
    }
  }

  /** What may be bid now, wei. */
  async #budget(): Promise<bigint | undefined> {
    const { weiPerHour } = this.#options.rules;
    return weiPerHour === undefined ? undefined : weiPerHour - (await this.spent());
  }

  async #market(): Promise<Fees> {
    const { maxFeePerGas, maxPriorityFeePerGas } = await this.#options.provider.getFeeData();
    if (maxFeePerGas === null || maxPriorityFeePerGas === null) {
      throw new Error("the chain has no base fee: expected one with EIP-1559, as all current ones are");
    }
    return { maxFeePerGas, maxPriorityFeePerGas };
  }

  get #patience(): { bumpAfterSeconds: number; unknownAfterSeconds: number } {
    return {
      bumpAfterSeconds: this.#options.rules.bumpAfterSeconds,
      unknownAfterSeconds: UNKNOWN_AFTER_SECONDS,
    };
  }

  #now(): number {
    return this.#options.now?.() ?? Math.floor(Date.now() / 1000);
  }

  #tell(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.#options.told?.(event, fields);
  }

  /** One thing at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

/** What a node says to a nonce that is taken is told in our own words. */
function lost(failure: Error | undefined): Error | undefined {
  return isError(failure, "NONCE_EXPIRED") ? undefined : failure;
}
