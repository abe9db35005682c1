import { toQuantity } from "ethers";
import { z } from "zod/v4";

import type { ServiceRegisteredEvent } from "../../types/Registry.ts";

import type { Block } from "../metering/reading.ts";
import type { ReadingStore } from "../store/store.ts";
import { type Connection, NodeBehindError } from "./connection.ts";
import { type ChainEvent, eventOf, type RawLog } from "./events.ts";
import { Ledger } from "./ledger.ts";
import { type ServiceTerms, termsOf } from "./service-terms.ts";
import { ServiceView } from "./service-view.ts";

const hexNumber = z
  .string()
  .regex(/^0x[0-9a-f]+$/)
  .transform(Number);
const headerSchema = z.object({ hash: z.string().regex(/^0x[0-9a-f]{64}$/), timestamp: hexNumber });

const logsSchema = z.array(
  z.object({
    address: z.string().toLowerCase(),
    topics: z.array(z.string()),
    data: z.string(),
    blockNumber: hexNumber,
    transactionHash: z.string(),
  }),
);

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
 * from events alone, and moves on to a new ARIA when the Registry names one. Views are rebuilt from the chain at every
 * start; the store's readings tell which blocks the meters were shown.
 */
export class ChainFollower {
  readonly ledger = new Ledger();
  readonly #connection: Connection;
  readonly #store: ReadingStore;
  readonly #services = new Map<string, Service>();
  #current: Service | undefined;
  #head: Block | undefined;
  #next: number;
  /** The first block that meters were not shown; undefined until the store was asked. */
  #firstUnseen: number | undefined;
  /** Blocks of pages that were followed before a later one failed. */
  readonly #unseen: Block[] = [];

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
   * are returned, oldest first: all since the last reading in the store, or only the latest for a new store.
   */
  async follow(): Promise<Block[]> {
    const latest = await this.#connection.provider.getBlockNumber();
    this.#firstUnseen ??= ((await this.#store.latestBlock()) ?? latest - 1) + 1;
    while (this.#next <= latest) {
      const last = Math.min(latest, this.#next + PAGE_BLOCKS - 1);
      this.#unseen.push(...(await this.#followPage(this.#next, last, this.#firstUnseen)));
      this.#next = last + 1;
    }
    return this.#unseen.splice(0);
  }

  /** Follows blocks `first` to `last`; returns those from `firstUnseen` on. */
  async #followPage(first: number, last: number, firstUnseen: number): Promise<Block[]> {
    const [blocks, known] = await Promise.all([
      this.#blocks(numbers(Math.max(first, Math.min(firstUnseen, last)), last)),
      this.#logs(first, last),
    ]);
    const timestamps = new Map(blocks.map((block) => [block.number, block.timestamp]));
    const events = await this.#events(known, timestamps);
    // Events of an ARIA that is registered on this very page could not be asked for before it was known.
    const more = await this.#discover(events);
    const complete = more ? await this.#events(await this.#logs(first, last), timestamps) : events;
    for (const event of complete) this.#apply(event);
    this.#head = blocks.at(-1) ?? this.#head;
    return blocks.filter((block) => block.number >= firstUnseen);
  }

  /** Logs as events, in the chain's order. Blocks of an earlier time are asked for only where something happened. */
  async #events(logs: readonly RawLog[], timestamps: Map<number, number>): Promise<ChainEvent[]> {
    const missing = new Set(logs.map((log) => log.blockNumber).filter((number) => !timestamps.has(number)));
    for (const block of await this.#blocks([...missing])) timestamps.set(block.number, block.timestamp);
    return logs.flatMap((log) => eventOf(log, timestamps.get(log.blockNumber) ?? 0) ?? []);
  }

  #blocks(wanted: readonly number[]): Promise<Block[]> {
    return Promise.all(wanted.map((number) => this.#block(number)));
  }

  // Blocks and logs are asked for as they are: the library's own forms of them take longer to make than to fetch.

  async #block(number: number): Promise<Block> {
    const answer: unknown = await this.#connection.provider.send("eth_getBlockByNumber", [
      toQuantity(number),
      false,
    ]);
    const header = headerSchema.safeParse(answer);
    if (!header.success) throw new NodeBehindError(number);
    return { number, ...header.data };
  }

  async #logs(fromBlock: number, toBlock: number): Promise<RawLog[]> {
    const { provider, registryAddress, vaultAddress } = this.#connection;
    const address = [registryAddress, vaultAddress, ...this.#services.keys()];
    const range = { fromBlock: toQuantity(fromBlock), toBlock: toQuantity(toBlock) };
    const logs = logsSchema.parse(await provider.send("eth_getLogs", [{ address, ...range }]));
    const checksummed = new Map(address.map((known) => [known.toLowerCase(), known]));
    return logs.map((log) => ({ ...log, address: checksummed.get(log.address) ?? log.address }));
  }

  /** Prepares for new services before their events are read. @returns whether there was one */
  async #discover(events: readonly ChainEvent[]): Promise<boolean> {
    const registered = events.filter(({ name }) => name === "ServiceRegistered");
    for (const { args } of registered) {
      const { service: address, version } = args as ServiceRegisteredEvent.OutputObject;
      const terms = await termsOf(this.#connection.ariaAt(address));
      // Our money is in the Vault we know. A service of another one is not followed, whoever registered it.
      if (terms.vault !== this.#connection.vaultAddress) continue;
      const view = new ServiceView(terms.rules);
      this.#services.set(address, { address, version: Number(version), terms, view });
    }
    return registered.length > 0;
  }

  #apply(event: ChainEvent): void {
    if (event.contract === this.#connection.vaultAddress) {
      this.ledger.apply(event);
    } else if (event.contract === this.#connection.registryAddress) {
      if (event.name !== "ServiceRegistered") return;
      const { service } = event.args as ServiceRegisteredEvent.OutputObject;
      this.#current = this.#services.get(service) ?? this.#current;
    } else {
      this.#services.get(event.contract)?.view.apply(event);
    }
  }
}

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
