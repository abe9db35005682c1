import { isError, toQuantity } from "ethers";
import { z } from "zod/v4";

import type { ServiceRegisteredEvent } from "../../types/contracts/Registry.ts";

import type { Block } from "../metering/reading.ts";
import type { ReadingStore } from "../store/store.ts";
import { Books, type Service } from "./books.ts";
import type { Connection } from "./connection.ts";
import { NodeBehindError } from "./endpoints.ts";
import { type ChainEvent, eventOf, type RawLog } from "./events.ts";
import type { Ledger } from "./ledger.ts";
import { termsOf } from "./service-terms.ts";

const hexNumber = z
  .string()
  .regex(/^0x[0-9a-f]+$/)
  .transform(Number);
const hash = z.string().regex(/^0x[0-9a-f]{64}$/);
const headerSchema = z.object({ number: hexNumber, hash, parentHash: hash, timestamp: hexNumber });

const logsSchema = z.array(
  z.object({
    address: z.string().toLowerCase(),
    topics: z.array(z.string()),
    data: z.string(),
    blockNumber: hexNumber,
    blockHash: hash,
    transactionHash: z.string(),
  }),
);

/** Blocks asked for at a time while catching up; fewer where a node finds that too many. */
const PAGE_BLOCKS = 200;
/** The last blocks that are kept: a reorganisation of one less is followed without reading the chain anew. */
const KEPT_BLOCKS = 65;

type Header = z.output<typeof headerSchema>;

/** A block that may still be dropped, and what happened in it. */
interface Kept {
  readonly header: Header;
  readonly events: readonly ChainEvent[];
}

export interface FollowerOptions {
  /** How many blocks must come after one before it counts. */
  readonly confirmations?: number;
  /** Told of reorganisations. */
  readonly told?: ((event: string, fields: Readonly<Record<string, unknown>>) => void) | undefined;
}

/**
 * Follows the chain block by block, for one party. It keeps the Vault's ledger and a view of the current ARIA, both
 * from events alone, and moves on to a new ARIA when the Registry names one. Views are rebuilt from the chain at every
 * start; the store's readings tell which blocks the meters were shown. What happened in blocks that the chain drops is
 * undone; the store is told of them, as readings may be stamped with them.
 */
export class ChainFollower {
  readonly #connection: Connection;
  readonly #store: ReadingStore;
  readonly #startBlock: number;
  readonly #confirmations: number;
  readonly #told: NonNullable<FollowerOptions["told"]>;
  readonly #known = new Map<string, Omit<Service, "view">>();
  /** As of the last block followed. */
  #books: Books;
  /** As of the last block before those kept. */
  #base: Books;
  /** The last blocks followed, oldest first. */
  #kept: Kept[] = [];
  #next: number;
  #pageBlocks = PAGE_BLOCKS;
  /** The newest block that meters were shown; undefined until the store was asked. */
  #shown: number | undefined;
  #lastDepth = 0;
  /** Blocks of pages that were followed before a later one failed. */
  readonly #unseen: Block[] = [];

  /** @param startBlock the first block to read: that of the Registry's deployment, or any before it. */
  constructor(
    connection: Connection,
    store: ReadingStore,
    startBlock: number,
    options: FollowerOptions = {},
  ) {
    this.#connection = connection;
    this.#store = store;
    this.#startBlock = startBlock;
    this.#confirmations = options.confirmations ?? 0;
    this.#told = options.told ?? (() => undefined);
    [this.#books, this.#base] = [this.#empty(), this.#empty()];
    this.#next = startBlock;
  }

  get ledger(): Ledger {
    return this.#books.ledger;
  }

  /** The service the Registry names, as of the last block followed. */
  get service(): Service {
    const { current } = this.#books;
    if (current === undefined)
      throw new NodeBehindError("no ARIA is registered in the blocks followed so far");
    return current;
  }

  /** All services followed so far, oldest first. */
  get services(): readonly Service[] {
    return [...this.#books.services.values()];
  }

  /** The last block followed. @throws {NodeBehindError} if none was */
  get head(): Block {
    const head = this.lastHead;
    if (head === undefined) throw new NodeBehindError("no block was followed yet");
    return head;
  }

  /** The last block followed, if any was. */
  get lastHead(): Block | undefined {
    const { header } = this.#kept.at(-1) ?? {};
    return header && blockOf(header);
  }

  /** How many blocks the last reorganisation dropped; 0 if there was none. */
  get lastDepth(): number {
    return this.#lastDepth;
  }

  /** The epoch that holds the last block's time. */
  get epoch(): number {
    return Math.floor(this.head.timestamp / this.service.terms.rules.epochSeconds);
  }

  /**
   * Catches up with the chain. Views are brought up to date page by page; the blocks that meters were not shown before
   * are returned, oldest first: all since the last reading in the store, or only the latest for a new store.
   * @throws {NodeBehindError} when the node lacks blocks, or changes its mind about them meanwhile
   */
  async follow(): Promise<Block[]> {
    const tip = await this.#tip();
    if (tip === undefined) return [];
    const isStart = this.#shown === undefined;
    this.#shown ??= (await this.#store.latestBlock()) ?? tip.number - 1;
    if (!(await this.#isOnOurChain(tip))) await this.#undo(tip);
    while (this.#next <= tip.number) {
      const last = Math.min(tip.number, this.#next + this.#pageBlocks - 1);
      await this.#followPage(this.#next, last, tip.number);
    }
    if (isStart) await this.#flag(await this.#strayStamps());
    return this.#unseen.splice(0);
  }

  /** The newest block that counts. */
  async #tip(): Promise<Header | undefined> {
    const latest = await this.#header("latest");
    if (this.#confirmations === 0) return latest;
    const number = latest.number - this.#confirmations;
    return number < this.#startBlock ? undefined : this.#header(number);
  }

  // ------------------------------------------------------------------------------------------------- Reorganisations

  /** Whether a block is one of those followed, or may come after them. @throws {NodeBehindError} if it is too old to tell */
  async #isOnOurChain(tip: Header): Promise<boolean> {
    const [oldest, newest] = [this.#kept.at(0)?.header, this.#kept.at(-1)?.header];
    if (oldest === undefined || newest === undefined) return true;
    if (tip.number < oldest.number) {
      throw new NodeBehindError(`the node is at block ${tip.number}, and was at ${newest.number} before`);
    }
    if (tip.number <= newest.number) return this.#keptAt(tip.number)?.hash === tip.hash;
    const next = tip.number === newest.number + 1 ? tip : await this.#header(newest.number + 1);
    return next.parentHash === newest.hash;
  }

  /** Goes back to the last block that the chain still has. */
  async #undo(tip: Header): Promise<void> {
    const candidates = this.#kept.map(({ header }) => header).filter(({ number }) => number <= tip.number);
    const now = await Promise.all(candidates.map(({ number }) => this.#header(number)));
    const ancestor = candidates.findLast(({ hash: known }, i) => now[i]?.hash === known);
    const dropped = this.#kept.filter(({ header }) => header.number > (ancestor?.number ?? -1));
    this.#lastDepth = dropped.length;
    const from = dropped[0]?.header.number;
    this.#told("reorganised", { depth: dropped.length, from, readAnew: ancestor === undefined });
    await this.#flag(dropped.map(({ header }) => blockOf(header)));
    await this.#connection.sender.reorganised(ancestor?.number ?? this.#startBlock - 1);
    if (ancestor === undefined) this.#startAnew();
    else this.#goBackTo(ancestor);
  }

  #startAnew(): void {
    [this.#books, this.#base] = [this.#empty(), this.#empty()];
    this.#kept = [];
    this.#next = this.#startBlock;
  }

  #goBackTo({ number }: Header): void {
    this.#kept = this.#kept.filter(({ header }) => header.number <= number);
    const events = this.#kept.flatMap((kept) => kept.events);
    this.#books = this.#base.copy();
    this.#prepare(this.#books, events);
    for (const event of events) this.#books.apply(event);
    this.#next = number + 1;
  }

  /** Readings stamped with these blocks cannot be proved: the store keeps which they are. */
  async #flag(blocks: readonly Block[]): Promise<void> {
    if (blocks.length === 0) return;
    await this.#store.saveOrphans(blocks);
    // What waits to be shown to the meters is not shown.
    const hashes = new Set(blocks.map((block) => block.hash));
    const unseen = this.#unseen.splice(0).filter((block) => !hashes.has(block.hash));
    this.#unseen.push(...unseen);
  }

  /** Blocks that readings are stamped with, and the chain has others for: dropped while nobody looked. */
  async #strayStamps(): Promise<Block[]> {
    const [oldest] = this.#kept;
    if (oldest === undefined) return [];
    const stamps = await this.#store.stampsFrom(oldest.header.number);
    return stamps.filter(({ number, hash: stamped }) => {
      const known = this.#keptAt(number);
      return known !== undefined && known.hash !== stamped;
    });
  }

  #keptAt(number: number): Header | undefined {
    return this.#kept[number - (this.#kept[0]?.header.number ?? 0)]?.header;
  }

  // ------------------------------------------------------------------------------------------------------------ Pages

  /** Follows blocks `first` to `last`; those that meters were not shown are kept for them. */
  async #followPage(first: number, last: number, tip: number): Promise<void> {
    const shown = this.#shown ?? last;
    const wanted = Math.max(first, Math.min(shown + 1, tip - KEPT_BLOCKS + 1, last));
    const page = await this.#page(first, last, wanted);
    if (page === undefined) return;
    const { headers, events } = page;
    for (const event of events) this.#books.apply(event);
    const isRecent = (number: number): boolean => number > tip - KEPT_BLOCKS;
    // After a long pause all that was kept is old, and comes before what this page has.
    while (this.#kept[0] !== undefined && !isRecent(this.#kept[0].header.number)) this.#letGo();
    for (const event of events) if (!isRecent(event.blockNumber)) this.#base.apply(event);
    for (const header of headers.filter(({ number }) => isRecent(number))) this.#keep(header, events);
    this.#next = last + 1;
    const unseen = headers.filter(({ number }) => number > shown);
    this.#unseen.push(...unseen.map(blockOf));
    this.#shown = Math.max(shown, last);
  }

  #keep(header: Header, events: readonly ChainEvent[]): void {
    this.#kept.push({ header, events: events.filter(({ blockNumber }) => blockNumber === header.number) });
    if (this.#kept.length > KEPT_BLOCKS) this.#letGo();
  }

  /** The oldest of the kept blocks becomes part of what no reorganisation undoes. */
  #letGo(): void {
    for (const event of this.#kept.shift()?.events ?? []) this.#base.apply(event);
  }

  /** What the node has of a page; undefined if it is to be asked for less. */
  async #page(
    first: number,
    last: number,
    wanted: number,
  ): Promise<{ headers: Header[]; events: ChainEvent[] } | undefined> {
    const [headers, logs] = await Promise.all([
      this.#headers(numbers(wanted, last)),
      this.#logs(first, last),
    ]);
    if (logs === undefined) return undefined;
    this.#checkLinks(headers);
    const byNumber = new Map(headers.map((header) => [header.number, header]));
    const events = await this.#events(logs, byNumber);
    // Events of an ARIA that is registered on this very page could not be asked for before it was known.
    if (!(await this.#discover(events))) return { headers, events };
    const more = await this.#logs(first, last);
    return more && { headers, events: await this.#events(more, byNumber) };
  }

  /** The blocks of a page were asked for one by one, and the chain may have changed meanwhile. */
  #checkLinks(headers: readonly Header[]): void {
    let before = this.#kept.at(-1)?.header;
    for (const header of headers) {
      if (before?.number === header.number - 1 && header.parentHash !== before.hash) {
        throw new NodeBehindError(`the node changed its mind about block ${before.number}`);
      }
      before = header;
    }
  }

  /** Logs as events, in the chain's order. Blocks of an earlier time are asked for only where something happened. */
  async #events(logs: readonly RawLog[], headers: Map<number, Header>): Promise<ChainEvent[]> {
    const missing = new Set(logs.map((log) => log.blockNumber).filter((number) => !headers.has(number)));
    for (const header of await this.#headers([...missing])) headers.set(header.number, header);
    return logs.flatMap((log) => {
      const header = headers.get(log.blockNumber);
      if (header?.hash !== log.blockHash) {
        throw new NodeBehindError(`the node changed its mind about block ${log.blockNumber}`);
      }
      return eventOf(log, header.timestamp) ?? [];
    });
  }

  #headers(wanted: readonly number[]): Promise<Header[]> {
    return Promise.all(wanted.map((number) => this.#header(number)));
  }

  // Blocks and logs are asked for as they are: the library's own forms of them take longer to make than to fetch.

  async #header(number: number | "latest"): Promise<Header> {
    const which = number === "latest" ? number : toQuantity(number);
    const answer: unknown = await this.#connection.provider.send("eth_getBlockByNumber", [which, false]);
    const header = headerSchema.safeParse(answer);
    if (!header.success) throw new NodeBehindError(`the node has no block ${number}`);
    return header.data;
  }

  /** Undefined when the node finds them too many: then half as many are asked for next. */
  async #logs(fromBlock: number, toBlock: number): Promise<RawLog[] | undefined> {
    const { provider, registryAddress, vaultAddress } = this.#connection;
    const address = [registryAddress, vaultAddress, ...this.#known.keys()];
    const range = { fromBlock: toQuantity(fromBlock), toBlock: toQuantity(toBlock) };
    let answer: unknown;
    try {
      answer = await provider.send("eth_getLogs", [{ address, ...range }]);
    } catch (error) {
      if (fromBlock === toBlock || isError(error, "NETWORK_ERROR")) throw error;
      this.#pageBlocks = Math.ceil((toBlock - fromBlock + 1) / 2);
      return undefined;
    }
    this.#pageBlocks = Math.min(PAGE_BLOCKS, this.#pageBlocks * 2);
    const logs = logsSchema.safeParse(answer);
    if (!logs.success) throw new NodeBehindError(`the node has no logs up to block ${toBlock}`);
    const checksummed = new Map(address.map((known) => [known.toLowerCase(), known]));
    return logs.data.map((log) => ({ ...log, address: checksummed.get(log.address) ?? log.address }));
  }

  // --------------------------------------------------------------------------------------------------------- Services

  /** Prepares for new services before their events are read. @returns whether there was one */
  async #discover(events: readonly ChainEvent[]): Promise<boolean> {
    const registered = events.filter(({ name }) => name === "ServiceRegistered");
    for (const { args } of registered) {
      const { service: address, version } = args as ServiceRegisteredEvent.OutputObject;
      const terms = await termsOf(this.#connection.ariaAt(address));
      // Our money is in the Vault we know. A service of another one is not followed, whoever registered it.
      if (terms.vault !== this.#connection.vaultAddress) continue;
      this.#known.set(address, { address, version: Number(version), terms });
    }
    for (const books of [this.#books, this.#base]) this.#prepare(books, events);
    return registered.length > 0;
  }

  #prepare(books: Books, events: readonly ChainEvent[]): void {
    for (const { name, args } of events) {
      if (name !== "ServiceRegistered") continue;
      const known = this.#known.get((args as ServiceRegisteredEvent.OutputObject).service);
      if (known !== undefined) books.prepare(known);
    }
  }

  #empty(): Books {
    const { registryAddress: registry, vaultAddress: vault } = this.#connection;
    return new Books({ registry, vault });
  }
}

function blockOf({ number, hash: blockHash, timestamp }: Header): Block {
  return { number, hash: blockHash, timestamp };
}

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
