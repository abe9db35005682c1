import type { Connection } from "../chain/connection.ts";
import type { ChainFollower } from "../chain/follower.ts";

/** What there is to watch of an agent and its chain. */
export interface Figures {
  /** Transactions on their way. */
  readonly pending: number;
  /** Of the last block followed, unix seconds; undefined before the first. */
  readonly headTimestamp: number | undefined;
  readonly headNumber: number | undefined;
  /** How many blocks the last reorganisation dropped; 0 if there was none since the start. */
  readonly reorganisationDepth: number;
  /** Host of the node that answered last. */
  readonly node: string | undefined;
  /** What transactions cost in the last hour, in coins. */
  spent(): Promise<number>;
  /** What the wallet has, in coins; undefined while no node says. */
  coins(): Promise<number | undefined>;
}

const WEI = 1e18;

export function figuresOf({ sender, provider, wallet }: Connection, follower: ChainFollower): Figures {
  const { lastHead: head, lastDepth } = follower;
  return {
    pending: sender.pending,
    headTimestamp: head?.timestamp,
    headNumber: head?.number,
    reorganisationDepth: lastDepth,
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
