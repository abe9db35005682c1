import type { ReadingStore } from "../store/store.ts";
import type { Service } from "./books.ts";
import type { ChainFollower } from "./follower.ts";
import type { FlowRequest } from "./service-view.ts";

/**
 * Up to when nobody needs readings any more: the latest epoch's start of which all before it is older than the retention,
 * and settled for good. A request is settled for good when it was swept or can no longer be, nobody disputes it nor can, and
 * the time is over in which the Operator compares it with what was committed to. Pure.
 * @param now unix seconds of the chain
 * @returns unix seconds
 */
export function neededFrom(services: readonly Service[], now: number, retentionSeconds: number): number {
  const starts = services.flatMap((service) => {
    const { epochSeconds } = service.terms.rules;
    const open = [...service.view.requests.values()].filter((request) => !isOver(service, request, now));
    return [
      Math.floor((now - retentionSeconds) / epochSeconds) * epochSeconds,
      ...open.map(({ firstEpoch }) => firstEpoch * epochSeconds),
    ];
  });
  return Math.min(...starts);
}

/** How often the time for a ruling must have passed before it is too late for the Operator to look. */
const AUDITED_RULING_WINDOWS = 2;

function isOver({ terms }: Service, request: FlowRequest, now: number): boolean {
  if (request.openDisputes > 0) return false;
  const { epochSeconds, sweepWindowSeconds, disputeWindowSeconds, rulingWindowSeconds } = terms.rules;
  const lapsesAt = (request.firstEpoch + request.count) * epochSeconds + sweepWindowSeconds + 1;
  const settledAt = (request.sweep?.sweptAt ?? lapsesAt) + disputeWindowSeconds;
  return now > settledAt + AUDITED_RULING_WINDOWS * rulingWindowSeconds;
}

const DAY_SECONDS = 86_400;

/** Lets go of readings that nobody needs any more: some thousands at each look, until those of the last epoch are gone. */
export class Retention {
  readonly #store: ReadingStore;
  readonly #seconds: number | undefined;
  #prunedTo = 0;

  /** @param days how long readings are kept at least; for ever if undefined */
  constructor(store: ReadingStore, days: number | undefined) {
    this.#store = store;
    this.#seconds = days === undefined ? undefined : days * DAY_SECONDS;
  }

  async apply({ services, head }: ChainFollower): Promise<void> {
    if (this.#seconds === undefined) return;
    const from = neededFrom(services, head.timestamp, this.#seconds);
    if (from <= this.#prunedTo || (await this.#store.pruneReadings(from)) > 0) return;
    this.#prunedTo = from;
  }
}
