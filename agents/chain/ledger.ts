import type {
  AccountOpenedEvent,
  DepositedEvent,
  HandedOverEvent,
  LockSetEvent,
  SettledEvent,
  WithdrawnEvent,
} from "../../types/contracts/Vault.ts";

import { dataLength } from "ethers";

import { unsigned } from "../settlement/rows.ts";
import type { ChainEvent } from "./events.ts";

const POSTING_BYTES = 12;
const ACCOUNT_BYTES = 4;
const OCTET_BYTES = 36;
const LANES = 8;
const LANE_BYTES = 4;

/** The Vault's books, rebuilt from its events alone. Amounts in units. */
export class Ledger {
  owners = new Map<bigint, string>();
  accounts = new Map<string, bigint>();
  #balances = new Map<bigint, bigint>();
  #locks = new Map<bigint, bigint>();
  /** All that was ever paid in and taken out, by account. */
  deposited = new Map<bigint, bigint>();
  withdrawn = new Map<bigint, bigint>();
  service: string | undefined;
  generation = 0n;

  /** The account of an address; undefined if it has none. */
  accountOf(owner: string): bigint | undefined {
    return this.accounts.get(owner);
  }

  /** The owner of an account; the Vault never lets one go without. */
  ownerOf(account: bigint): string {
    const owner = this.owners.get(account);
    if (owner === undefined) throw new Error(`account ${account} was never opened`);
    return owner;
  }

  balanceOf(account: bigint): bigint {
    return this.#balances.get(account) ?? 0n;
  }

  lockOf(account: bigint): bigint {
    return this.#locks.get(account) ?? 0n;
  }

  /** The sum of all accounts. */
  total(): bigint {
    return [...this.#balances.values()].reduce((sum, balance) => sum + balance, 0n);
  }

  apply(event: ChainEvent): void {
    switch (event.name) {
      case "AccountOpened":
        this.#open(event.args as AccountOpenedEvent.OutputObject);
        break;
      case "Deposited": {
        const { account, amount } = event.args as DepositedEvent.OutputObject;
        this.#add(account, amount);
        this.deposited.set(account, (this.deposited.get(account) ?? 0n) + amount);
        break;
      }
      case "Withdrawn": {
        const { account, amount } = event.args as WithdrawnEvent.OutputObject;
        this.#add(account, -amount);
        this.withdrawn.set(account, (this.withdrawn.get(account) ?? 0n) + amount);
        break;
      }
      case "Settled": {
        const { postings, octets } = event.args as SettledEvent.OutputObject;
        for (const { account, amount } of [...unpackPostings(postings), ...unpackOctets(octets)]) {
          this.#add(account, amount);
        }
        break;
      }
      case "LockSet": {
        const { account, amount } = event.args as LockSetEvent.OutputObject;
        this.#locks.set(account, amount);
        break;
      }
      case "HandedOver": {
        const { next, generation } = event.args as HandedOverEvent.OutputObject;
        this.service = next;
        this.generation = generation;
        this.#locks = new Map(); // they end with the service that set them
        break;
      }
    }
  }

  /** The same ledger once more: what is posted to the one does not show in the other. */
  copy(): Ledger {
    const copied = new Ledger();
    copied.owners = new Map(this.owners);
    copied.accounts = new Map(this.accounts);
    copied.#balances = new Map(this.#balances);
    copied.#locks = new Map(this.#locks);
    copied.deposited = new Map(this.deposited);
    copied.withdrawn = new Map(this.withdrawn);
    copied.service = this.service;
    copied.generation = this.generation;
    return copied;
  }

  #open({ account, owner }: AccountOpenedEvent.OutputObject): void {
    this.owners.set(account, owner);
    this.accounts.set(owner, account);
  }

  #add(account: bigint, amount: bigint): void {
    this.#balances.set(account, this.balanceOf(account) + amount);
  }
}

export interface Posting {
  account: bigint;
  /** units, negative when given */
  amount: bigint;
}

/** The postings of a settlement (layout: contracts/types/Postings.sol). */
export function unpackPostings(postings: string): Posting[] {
  return Array.from({ length: dataLength(postings) / POSTING_BYTES }, (_, i) => {
    const at = i * POSTING_BYTES;
    return {
      account: unsigned(postings, at, ACCOUNT_BYTES),
      amount: BigInt.asIntN(64, unsigned(postings, at + ACCOUNT_BYTES, POSTING_BYTES - ACCOUNT_BYTES)),
    };
  });
}

/** The postings that octets stand for, without those of zero (layout: contracts/types/Octets.sol). */
export function unpackOctets(octets: string): Posting[] {
  return Array.from({ length: (dataLength(octets) / OCTET_BYTES) * LANES }, (_, i) => {
    const [octet, lane] = [Math.floor(i / LANES), i % LANES];
    const word = unsigned(octets, octet * OCTET_BYTES, ACCOUNT_BYTES);
    const at = (octet + 1) * OCTET_BYTES - (lane + 1) * LANE_BYTES; // lane 0 comes last
    return {
      account: word * BigInt(LANES) + BigInt(lane),
      amount: BigInt.asIntN(8 * LANE_BYTES, unsigned(octets, at, LANE_BYTES)),
    };
  }).filter(({ amount }) => amount !== 0n);
}
