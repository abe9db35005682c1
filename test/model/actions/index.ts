import type { Dice } from "../../contracts/dice.ts";
import type { Stage } from "../stage.ts";
import * as claims from "./claims.ts";
import * as market from "./market.ts";
import * as parties from "./parties.ts";

/**
 * What can happen on a random day: each action is steered by dice, mostly towards what is allowed, and now and then beyond it.
 */
export type Action = (stage: Stage, dice: Dice) => Promise<void> | void;

/** What there is to do, and how often. */
export const ACTIONS: Record<string, { weight: number; act: Action }> = {
  wait: { weight: 6, act: parties.wait },
  pay: { weight: 2, act: parties.pay },
  takeOut: { weight: 2, act: parties.takeOut },
  join: { weight: 2, act: parties.join },
  commission: { weight: 2, act: parties.commission },
  reject: { weight: 1, act: parties.reject },
  topUp: { weight: 2, act: parties.topUp },
  leave: { weight: 1, act: parties.leave },
  close: { weight: 1, act: parties.close },
  bond: { weight: 2, act: parties.bond },
  pause: { weight: 1, act: parties.pause },
  request: { weight: 6, act: market.request },
  cancelOrder: { weight: 1, act: market.cancelOrder },
  sweep: { weight: 6, act: market.sweep },
  release: { weight: 3, act: market.release },
  raise: { weight: 8, act: claims.raise },
  resolve: { weight: 5, act: claims.resolve },
  settleByDefault: { weight: 3, act: claims.settleByDefault },
  contradict: { weight: 2, act: claims.contradict },
  equivocate: { weight: 1, act: claims.equivocate },
};
