import type { Service } from "../chain/books.ts";
import type { Connection } from "../chain/connection.ts";
import type { ChainFollower } from "../chain/follower.ts";
import type { MeterCounters } from "../metering/devices/device.ts";

/** What there is to watch of an agent and its chain. */
export interface Figures {
  /** Transactions on their way. */
  readonly pending: number;
  /** Of the last block followed, unix seconds; undefined before the first. */
  readonly headTimestamp: number | undefined;
  readonly headNumber: number | undefined;
  /** How many blocks the last reorganisation dropped; 0 if there was none since the start. */
  readonly reorganisationDepth: number;
  /** From the last block until it is too late for what waits to be done; undefined while nothing does. */
  readonly deadlineSeconds: number | undefined;
  /** What happened to the meter's device; undefined without one. */
  readonly meter: Readonly<MeterCounters> | undefined;
  /** Host of the node that answered last. */
  readonly node: string | undefined;
  /** What transactions cost in the last hour, in coins. */
  spent(): Promise<number>;
  /** What the wallet has, in coins; undefined while no node says. */
  coins(): Promise<number | undefined>;
}

const WEI = 1e18;

/** What is to be watched of a party's own. */
export interface OwnFigures {
  /** When it is too late for the most urgent of what waits to be done, unix seconds; undefined while nothing does. */
  readonly deadline: (service: Service, now: number) => number | undefined;
  readonly meter?: Readonly<MeterCounters> | undefined;
}

export function figuresOf(
  { sender, provider, wallet }: Connection,
  follower: ChainFollower,
  { deadline, meter }: OwnFigures,
): Figures {
  const { lastHead: head, lastDepth } = follower;
  const isReady = head !== undefined && follower.services.length > 0;
  const until = isReady ? deadline(follower.service, head.timestamp) : undefined;
  return {
    pending: sender.pending,
    headTimestamp: head?.timestamp,
    headNumber: head?.number,
    reorganisationDepth: lastDepth,
    deadlineSeconds: head && until && until - head.timestamp,
    meter,
    node: provider.inUse,
    spent: async () => Number(await sender.spent()) / WEI,
    coins: async () => {
      try {
        return Number(await provider.getBalance(wallet.address)) / WEI;
      } catch (error) {
        if (error instanceof Error && "code" in error) return undefined; // the node is down: other metrics tell
        throw error;
      }
    },
  };
}
