import type { Log } from "ethers";

import type { ServiceRegisteredEvent } from "../../types/Registry.ts";

import type { Block } from "../metering/reading.ts";
import type { ReadingStore } from "../store/store.ts";
import type { Connection } from "./connection.ts";
import { type ChainEvent, eventOf } from "./events.ts";
import { Ledger } from "./ledger.ts";
import { type ServiceTerms, termsOf } from "./service-terms.ts";
import { ServiceView } from "./service-view.ts";

/** Blocks asked for at a time while catching up. */
const PAGE_BLOCKS = 200;

/** ARIA as a party sees it: its terms and everything its events tell. */
export interface Service {
  readonly address: string;
  readonly version: number;
  readonly terms: ServiceTerms;
  readonly view: ServiceView;
}

/**
 * Follows the chain block by block, for one party. It keeps the Vault's ledger and a view of the current ARIA, both
 * from events alone, and moves on to a new ARIA when the Registry names one.
 *
 * Views are rebuilt from the chain at every start; the store's cursor only tells which blocks were shown to meters.
 */
export class ChainFollower {
  readonly ledger = new Ledger();
  readonly #connection: Connection;
  readonly #store: ReadingStore;
  readonly #services = new Map<string, Service>();
  #current: Service | undefined;
  #head: Block | undefined;
  #next: number;

  /** @param startBlock the first block to read: that of the Registry's deployment, or any before it. */
  constructor(connection: Connection, store: ReadingStore, startBlock: number) {
    this.#connection = connection;
    this.#store = store;
    this.#next = startBlock;
  }

  /** The service the Registry names, as of the last block followed. */
  get service(): Service {
    if (this.#current === undefined) throw new Error("no ARIA is registered in the blocks followed so far");
    return this.#current;
  }

  /** All services followed so far, oldest first. */
  get services(): readonly Service[] {
    return [...this.#services.values()];
  }

  /** The last block followed. */
  get head(): Block {
    if (this.#head === undefined) throw new Error("no block was followed yet");
    return this.#head;
  }

  /** The epoch that holds the last block's time. */
  get epoch(): number {
    return Math.floor(this.head.timestamp / this.service.terms.rules.epochSeconds);
  }

  /**
   * Catches up with the chain. Views are brought up to date page by page; the blocks that meters were not shown before
   * are returned, oldest first: all since the store's cursor, or only the latest for a new store.
   */
  async follow(): Promise<Block[]> {
    const latest = await this.#connection.provider.getBlockNumber();
    const shown = await this.#store.cursor(this.#connection.chainId);
    const firstUnseen = shown === undefined ? latest : shown.number + 1;
    const unseen: Block[] = [];
    while (this.#next <= latest) {
      const last = Math.min(latest, this.#next + PAGE_BLOCKS - 1);
      unseen.push(...(await this.#followPage(this.#next, last, firstUnseen)));
      this.#next = last + 1;
    }
    return unseen;
  }

  /** Remembers that all blocks up to the head were shown to meters and their readings are on disk. */
  async metered(): Promise<void> {
    const { number, hash } = this.head;
    await this.#store.setCursor({ chainId: this.#connection.chainId, number, hash });
  }

  /** Follows blocks `first` to `last`; returns those from `firstUnseen` on. */
  async #followPage(first: number, last: number, firstUnseen: number): Promise<Block[]> {
    const { registryAddress, vaultAddress } = this.#connection;
    const [unseen, registryLogs] = await Promise.all([
      this.#blocks(numbers(Math.max(first, Math.min(firstUnseen, last)), last)),
      this.#logs([registryAddress], first, last),
    ]);
    const timestamps = new Map(unseen.map((block) => [block.number, block.timestamp]));
    for (const event of await this.#events(registryLogs, timestamps)) await this.#discover(event);

    const logs = await this.#logs([registryAddress, vaultAddress, ...this.#services.keys()], first, last);
    for (const event of await this.#events(logs, timestamps)) this.#apply(event);
    this.#head = unseen.at(-1) ?? this.#head;
    return unseen.filter((block) => block.number >= firstUnseen);
  }

  /** Logs as events, in the chain's order. Blocks of an earlier time are asked for only where something happened. */
  async #events(logs: readonly Log[], timestamps: Map<number, number>): Promise<ChainEvent[]> {
    const missing = new Set(logs.map((log) => log.blockNumber).filter((number) => !timestamps.has(number)));
    for (const block of await this.#blocks([...missing])) timestamps.set(block.number, block.timestamp);
    return logs.flatMap((log) => eventOf(log, timestamps.get(log.blockNumber) ?? 0) ?? []);
  }

  #blocks(wanted: readonly number[]): Promise<Block[]> {
    return Promise.all(wanted.map((number) => this.#block(number)));
  }

  async #block(number: number): Promise<Block> {
    const block = await this.#connection.provider.getBlock(number);
    if (block?.hash == null) throw new Error(`the node has no block ${number}`);
    return { number, hash: block.hash, timestamp: block.timestamp };
  }

  async #logs(address: string[], fromBlock: number, toBlock: number): Promise<Log[]> {
    return this.#connection.provider.getLogs({ address, fromBlock, toBlock });
  }

  /** Prepares for a new service's events before they are read. */
  async #discover(event: ChainEvent): Promise<void> {
    if (event.name !== "ServiceRegistered") return;
    const { service: address, version } = event.args as ServiceRegisteredEvent.OutputObject;
    const terms = await termsOf(this.#connection.ariaAt(address));
    const view = new ServiceView(terms.rules);
    this.#services.set(address, { address, version: Number(version), terms, view });
  }

  #apply(event: ChainEvent): void {
    if (event.contract === this.#connection.vaultAddress) {
      this.ledger.apply(event);
    } else if (event.contract === this.#connection.registryAddress) {
      if (event.name !== "ServiceRegistered") return;
      this.#current = this.#services.get((event.args as ServiceRegisteredEvent.OutputObject).service);
    } else {
      this.#services.get(event.contract)?.view.apply(event);
    }
  }
}

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
