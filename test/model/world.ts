import type { Criteria, Rules } from "../contracts/fixture.ts";

/**
 * A reference model of docs/protocol.md, in plain Maps and whole numbers: nothing is packed, hashed or proved, and nothing is
 * shared with the contracts or the agents. An action either happens as a whole, or is refused with the name of the error that
 * the contracts answer with. Here is what there is; who may do what with it is in agreements.ts, flow.ts and disputes.ts.
 */
export interface World {
  readonly criteria: Criteria;
  readonly rules: Rules;
  /** accounts of those who take part from the start */
  readonly operator: bigint;
  readonly aggregator: bigint;
  readonly escrow: bigint;
  /** unix seconds */
  now: bigint;
  /** the account of each address */
  readonly accounts: Map<string, bigint>;
  /** units in each account */
  readonly balances: Map<bigint, bigint>;
  /** units of each account that cannot be withdrawn */
  readonly locks: Map<bigint, bigint>;
  readonly agreements: Map<bigint, Agreement>;
  /** of each account, oldest first */
  readonly meters: Map<bigint, { key: string; fromEpoch: bigint }[]>;
  readonly orders: Map<bigint, Order>;
  readonly requests: Map<bigint, Request>;
  readonly disputes: Map<string, Dispute>;
  /** accounts and epochs for which the Aggregator was fined */
  readonly fined: Set<string>;
  bonded: boolean;
  paused: boolean;
  /** the first epoch that no request covers yet */
  requestedUntil: bigint;
  /** of the latest request */
  latest: { firstEpoch: bigint; lastAccount: bigint };
}

export interface Agreement {
  status: "Prospective" | "Active" | "Leaving" | "Closed";
  powerW: bigint;
  price: bigint;
  deposit: bigint;
  sinceEpoch: bigint;
  untilEpoch: bigint;
}

export interface Order {
  firstEpoch: bigint;
  /** Wh, one an epoch */
  leftWh: bigint[];
}

export interface Row {
  account: bigint;
  price: bigint;
  powerW: bigint;
  /** Wh, one an epoch */
  askedWh: bigint[];
  /** Wh, one an epoch; as long as nothing is swept, all of it */
  missingWh: bigint[];
  /** units taken at the sweep */
  penalty: bigint;
}

export interface Request {
  status: "Requested" | "Swept" | "Released";
  firstEpoch: bigint;
  count: bigint;
  rows: Row[];
  escrow: bigint;
  sweptAt: bigint;
}

export interface Dispute {
  status: "Open" | "Ruled" | "Defaulted" | "Barred";
  account: bigint;
  requestId: bigint;
  price: bigint;
  claimWh: bigint;
  /** Wh missing beyond the tolerance in the epoch, and the units taken for them */
  excessWh: bigint;
  penalty: bigint;
  raisedAt: bigint;
}

/** What the rules do not allow, by the name of the contracts' error. */
export class Refused extends Error {}

export function need(condition: boolean, error: string): void {
  if (!condition) throw new Refused(error);
}

/** The world after an action; one that is refused leaves nothing behind. */
export function after(world: World, action: (next: World) => void): World {
  const next = structuredClone(world);
  action(next);
  return next;
}

// -------------------------------------------------------------------------------------------------------------- Money

export function balanceOf(world: World, account: bigint): bigint {
  return world.balances.get(account) ?? 0n;
}

/** What lies above the lock. */
export function freeOf(world: World, account: bigint): bigint {
  return most(balanceOf(world, account) - (world.locks.get(account) ?? 0n), 0n);
}

export function accountOf(world: World, party: string): bigint {
  return world.accounts.get(party) ?? 0n;
}

export function openAccount(world: World, party: string): bigint {
  const account = accountOf(world, party) || BigInt(world.accounts.size + 1);
  world.accounts.set(party, account);
  return account;
}

export function deposit(world: World, party: string, units: bigint): void {
  need(units > 0n, "ZeroAmount");
  add(world, openAccount(world, party), units);
}

export function withdraw(world: World, party: string, units: bigint): void {
  need(units > 0n, "ZeroAmount");
  const account = accountOf(world, party);
  need(account !== 0n, "NoAccount");
  need(units <= freeOf(world, account), "InsufficientFree");
  add(world, account, -units);
}

/** Gives to an account, or takes from it what it has. */
export function add(world: World, account: bigint, units: bigint): void {
  const balance = balanceOf(world, account) + units;
  need(balance >= 0n, "InsufficientBalance");
  world.balances.set(account, balance);
}

// --------------------------------------------------------------------------------------------------------------- Time

export function epochOf(world: World): bigint {
  return world.now / world.rules.epochSeconds;
}

export function startOf(world: World, epoch: bigint): bigint {
  return epoch * world.rules.epochSeconds;
}

// --------------------------------------------------------------------------------------------------------- Arithmetic

export function sum(figures: readonly bigint[]): bigint {
  return figures.reduce((total, figure) => total + figure, 0n);
}

export function least(first: bigint, ...others: bigint[]): bigint {
  return others.reduce((a, b) => (b < a ? b : a), first);
}

export function most(first: bigint, ...others: bigint[]): bigint {
  return others.reduce((a, b) => (b > a ? b : a), first);
}

/** Divided, and rounded up; `/` rounds down. */
export function up(dividend: bigint, divisor: bigint): bigint {
  return dividend % divisor === 0n ? dividend / divisor : dividend / divisor + 1n;
}

/** A share of energy in 1/10,000, rounded down, but at least the floor of tolerances. */
export function tolerance(world: World, energyWh: bigint, shareBps: bigint): bigint {
  return most((energyWh * shareBps) / 10_000n, world.rules.toleranceFloorWh);
}
