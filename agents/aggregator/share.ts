/** Which part of the fleet's work is done by this process: all of it, or what it holds among several workers. */

import { addressBytes } from "../metering/reading.ts";
import type { Locks } from "../store/postgres-locks.ts";

export interface Share {
  /** Takes its part of what is free, and gives up what is beyond. Called before each look, when nothing is in hand. */
  renew(): Promise<void>;
  /** Whether the meter at a DER is read here. */
  meters(der: string): boolean;
  /** Whether transactions are sent from here. */
  leads(): boolean;
}

/** One process does all. */
export const WHOLE: Share = { renew: () => Promise.resolve(), meters: () => true, leads: () => true };

/** DERs are dealt into so many lots by their addresses: many more than there are workers, so that all get about as much. */
export const LOTS = 64;

/**
 * The part of one worker. Each lot, and the sending of transactions, is a lock of the database that ends with a worker's
 * connection: what a lost one had is free for the others, which take it at their next look.
 */
export class WorkerShare implements Share {
  readonly #locks: Pick<Locks, "try" | "release" | "holders">;
  readonly #lots = new Set<number>();
  #leads = false;

  constructor(locks: Pick<Locks, "try" | "release" | "holders">) {
    this.#locks = locks;
  }

  async renew(): Promise<void> {
    const workers = Math.max(1, await this.#locks.holders("presence"));
    const most = Math.ceil(LOTS / workers);
    for (const lot of [...this.#lots].slice(most)) {
      this.#lots.delete(lot);
      await this.#locks.release(lot);
    }
    for (let lot = 0; lot < LOTS && this.#lots.size < most; lot += 1) {
      if (!this.#lots.has(lot) && (await this.#locks.try(lot))) this.#lots.add(lot);
    }
    this.#leads ||= await this.#locks.try("lead");
  }

  meters(der: string): boolean {
    return this.#lots.has(lotOf(der));
  }

  leads(): boolean {
    return this.#leads;
  }
}

/** The last byte of an address is as good as dice. */
export function lotOf(der: string): number {
  return (addressBytes(der).at(-1) ?? 0) % LOTS;
}
