import type { Intent } from "../store/transactions.ts";

/** Something was not sent, or is not in a block yet, which another look at the chain may mend. */
export abstract class NotSentError extends Error {}

/** A transaction is on its way: nothing else is sent before it is in a block. */
export class PendingError extends NotSentError {
  override readonly name = "PendingError";

  constructor({ kind, nonce }: Intent) {
    super(`${kind}, with nonce ${nonce}, is not in a block yet`);
  }
}

/** The key was used by somebody else, or for something the view of the chain does not show yet. */
export class NonceTakenError extends NotSentError {
  override readonly name = "NonceTakenError";

  constructor(kind: string, nonce: number) {
    super(`${kind} was not done: another transaction of the same key has taken nonce ${nonce}`);
  }
}

export class SpendingLimitError extends NotSentError {
  override readonly name = "SpendingLimitError";

  constructor(kind: string, expected: bigint, received: bigint) {
    super(
      `${kind} is put off: expected to cost at most ${expected} wei, which are left of gas.gweiPerHour, received ${received}`,
    );
  }
}

/** A transaction would have been sent. */
export class DryRunError extends NotSentError {
  override readonly name = "DryRunError";

  constructor(kind: string) {
    super(`${kind} was tried only`);
  }
}
