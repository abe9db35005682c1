/**
 * What is done about a transaction that was signed: pure, from what is stored and what the chain says. An intent keeps
 * its nonce for ever, and bids higher at that nonce when it is stuck; so it is mined once at most, whatever becomes of
 * the bids before. One whose nonce is lost is given up: whoever wanted it decides anew, from what the chain says then.
 */

import type { Bid, Fees, StoredTransaction } from "../store/transactions.ts";

/** What the chain says of an intent. */
export interface Standing {
  /** Whether a block has one of its bids. */
  readonly mined: boolean;
  /** How many transactions of the sender the chain has, which is the lowest nonce that is free. */
  readonly count: number;
  /** Whether the node has its newest bid waiting. */
  readonly pooled: boolean;
  /** What is to be paid now, wei. */
  readonly market: Fees;
}

export interface Patience {
  /** A bid that is not mined for so long is raised. */
  readonly bumpAfterSeconds: number;
  /** A bid that the node does not have is given up after so long: the next node may not have heard of it yet. */
  readonly unknownAfterSeconds: number;
}

export type Step =
  | { readonly kind: "mined" | "displaced" | "forgotten" | "wait" }
  | { readonly kind: "bump"; readonly fees: Fees }
  /** To be raised, but the limit does not allow for it. */
  | { readonly kind: "short" };

/**
 * What is next for the oldest open intent.
 * @param budget what may still be bid for it, in wei; undefined for no limit
 * @param now unix seconds
 */
export function nextStep(
  { nonce, gasLimit, bids }: Pick<StoredTransaction, "nonce" | "gasLimit" | "bids">,
  { mined, count, pooled, market }: Standing,
  patience: Patience,
  budget: bigint | undefined,
  now: number,
): Step {
  if (mined) return { kind: "mined" };
  if (count > nonce) return { kind: "displaced" };
  const age = now - Math.max(...bids.map(({ signedAt }) => signedAt));
  if (!pooled && age >= patience.unknownAfterSeconds) return { kind: "forgotten" };
  if (age < patience.bumpAfterSeconds) return { kind: "wait" };
  const fees = outbidding(bids, market);
  return isWithin(budget, gasLimit, fees) ? { kind: "bump", fees } : { kind: "short" };
}

/** By how much a node wants a bid raised to take it instead of another one: 10 percent, and some to spare. */
const [RAISE, OF] = [9n, 8n];

/** What to bid at a nonce for which there were bids before: what is to be paid now, and more than each of those. */
export function outbidding(before: readonly Bid[], market: Fees): Fees {
  const most = (fee: keyof Fees): bigint =>
    before.reduce((highest, bid) => {
      const raised = (bid[fee] * RAISE) / OF + 1n;
      return raised > highest ? raised : highest;
    }, market[fee]);
  const [maxFeePerGas, maxPriorityFeePerGas] = [most("maxFeePerGas"), most("maxPriorityFeePerGas")];
  return {
    maxFeePerGas: maxFeePerGas > maxPriorityFeePerGas ? maxFeePerGas : maxPriorityFeePerGas,
    maxPriorityFeePerGas,
  };
}

/** Whether a bid costs no more than the budget, at worst. */
export function isWithin(budget: bigint | undefined, gasLimit: bigint, { maxFeePerGas }: Fees): boolean {
  return budget === undefined || gasLimit * maxFeePerGas <= budget;
}

/** The most gas that a transaction may have (EIP-7825). */
const GAS_CAP = 16_777_216n;

/** A fifth more than it took when it was tried, for what may come before it. */
export function gasLimitOf(estimate: bigint): bigint {
  const limit = (estimate * 6n) / 5n;
  if (limit <= GAS_CAP) return limit;
  return estimate > GAS_CAP ? estimate : GAS_CAP;
}
