import { setTimeout as sleep } from "node:timers/promises";

import type { JsonRpcPayload, JsonRpcResult } from "ethers";

import { type Transport, transportTo } from "./transport.ts";

export interface EndpointRules {
  /** The chain it must be; that of the first node that answers when undefined. */
  readonly chainId?: bigint | undefined;
  /** A node is not asked while it is behind another one by more blocks. */
  readonly maxLagBlocks: number;
  /** A node is not asked while its newest block is older, by this machine's clock; not looked at when undefined. */
  readonly maxHeadAgeSeconds?: number | undefined;
  /** How long a node that failed or lags is asked last, and how often all are looked at; 30 s by default. */
  readonly restMs?: number | undefined;
}

/** The node is of another chain than the one that was named. */
export class ChainMismatchError extends Error {
  override readonly name = "ChainMismatchError";

  constructor(expected: bigint, received: bigint) {
    super(`the node is of another chain: expected ${expected}, received ${received}`);
  }
}

/** A node does not know of the newest blocks: behind a load balancer, the next question may go to another. */
export class NodeBehindError extends Error {
  override readonly name = "NodeBehindError";
}

type Told = (event: string, fields: Readonly<Record<string, unknown>>) => void;

interface Endpoint {
  readonly url: string;
  readonly transport: Transport;
  /** Until then others are asked first; milliseconds as of `performance.now()`. */
  restsUntil: number;
  /** Whether its chain was checked since it last failed. */
  checked: boolean;
}

const REST_MS = 30_000;
/** When all are looked at, nobody waits longer for one of them. */
const LOOK_MS = 5_000;
/** What nodes say, in their answers, when they were asked too much; not all by status 429. */
const LIMITED = new Set([-32005, -32029, -32097, 429]);
/** Out of the way of the library's own numbers. */
const FIRST_ID = 2 ** 40;

/** Nodes of the same chain: each question goes to the first of them that is in order. */
export class Endpoints {
  readonly #endpoints: readonly Endpoint[];
  readonly #rules: EndpointRules;
  readonly #told: Told;
  #chainId: bigint | undefined;
  #current: Endpoint | undefined;
  readonly #restMs: number;
  readonly #lookMs: number;
  #nextProbe: number;
  #id = FIRST_ID;

  constructor(urls: readonly string[], rules: EndpointRules, told: Told) {
    const alone = urls.length === 1;
    this.#endpoints = urls.map((url) => ({
      url,
      transport: transportTo(url, alone),
      restsUntil: 0,
      checked: false,
    }));
    this.#rules = rules;
    this.#restMs = rules.restMs ?? REST_MS;
    this.#lookMs = Math.min(LOOK_MS, this.#restMs);
    const isToCompare = !alone || rules.maxHeadAgeSeconds !== undefined;
    this.#nextProbe = performance.now() + (isToCompare ? 0 : this.#restMs);
    this.#chainId = rules.chainId;
    this.#told = told;
  }

  /** Host of the node that answered last. */
  get current(): string | undefined {
    return this.#current && hostOf(this.#current);
  }

  async ask(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    await this.#probeIfDue();
    let failure: Error | undefined;
    let refused: JsonRpcResult[] | undefined;
    for (const endpoint of this.#inOrder()) {
      try {
        if (!endpoint.checked) await this.#check(endpoint);
        const answers = await endpoint.transport.ask(payload);
        if (this.#endpoints.length > 1 && answers.some(isLimited)) {
          this.#rest(endpoint, "it is asked too much");
          refused = answers;
          continue;
        }
        this.#use(endpoint);
        return answers;
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        failure = error;
        this.#rest(endpoint, error.message);
      }
    }
    // Some say so of a single question that is too large: the others of its batch have their answers.
    if (refused !== undefined) return refused;
    throw failure ?? new NodeBehindError("there is no node to ask");
  }

  close(): void {
    for (const { transport } of this.#endpoints) transport.close();
  }

  /** Those that rest come last, the one that rests longest first. */
  #inOrder(): Endpoint[] {
    const now = performance.now();
    const resting = this.#endpoints.filter(({ restsUntil }) => restsUntil > now);
    return [
      ...this.#endpoints.filter(({ restsUntil }) => restsUntil <= now),
      ...resting.sort((a, b) => a.restsUntil - b.restsUntil),
    ];
  }

  #use(endpoint: Endpoint): void {
    if (this.#current !== endpoint && this.#endpoints.length > 1)
      this.#told("node in use", { node: hostOf(endpoint) });
    this.#current = endpoint;
  }

  #rest(endpoint: Endpoint, reason: string): void {
    if (this.#endpoints.length > 1) this.#told("node rests", { node: hostOf(endpoint), reason });
    endpoint.restsUntil = performance.now() + this.#restMs;
    endpoint.checked = false;
  }

  // ----------------------------------------------------------------------------------------------------------- Checks

  /** @throws {ChainMismatchError} */
  async #check(endpoint: Endpoint): Promise<void> {
    const chainId = BigInt(await this.#answerOf(endpoint, "eth_chainId", []));
    this.#chainId ??= chainId;
    if (chainId !== this.#chainId) throw new ChainMismatchError(this.#chainId, chainId);
    endpoint.checked = true;
  }

  /** Looks at all nodes at first, and now and then: whether each is still of this chain, and how far it is. */
  async #probeIfDue(): Promise<void> {
    if (performance.now() < this.#nextProbe) return;
    this.#nextProbe = performance.now() + this.#restMs;
    const heads = await Promise.all(this.#endpoints.map((endpoint) => this.#headOf(endpoint)));
    const highest = Math.max(...heads.map((head) => head?.number ?? 0));
    heads.forEach((head, i) => {
      const endpoint = this.#endpoints[i];
      const fault = head && lagOf(head, highest, this.#rules);
      if (endpoint === undefined || fault === undefined) return;
      this.#rest(endpoint, fault);
    });
    if (this.#endpoints.every(({ restsUntil }) => restsUntil > performance.now()) && heads.some(isDefined)) {
      throw new NodeBehindError("no node has the newest blocks");
    }
  }

  async #headOf(endpoint: Endpoint): Promise<Head | undefined> {
    const done = new AbortController();
    try {
      return await Promise.race([this.#askedHead(endpoint), this.#tooLate(done.signal)]);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.#rest(endpoint, error.message);
      return undefined;
    } finally {
      done.abort();
    }
  }

  async #askedHead(endpoint: Endpoint): Promise<Head> {
    await this.#check(endpoint);
    const { number, timestamp } = await this.#answerOf<{ number: string; timestamp: string }>(
      endpoint,
      "eth_getBlockByNumber",
      ["latest", false],
    );
    return { number: Number(number), timestamp: Number(timestamp) };
  }

  async #tooLate(signal: AbortSignal): Promise<never> {
    await sleep(this.#lookMs, undefined, { signal });
    throw new NodeBehindError(`no answer in ${this.#lookMs / 1000} s`);
  }

  async #answerOf<T = string>(endpoint: Endpoint, method: string, params: unknown[]): Promise<T> {
    this.#id += 1;
    const [answer] = await endpoint.transport.ask({ jsonrpc: "2.0", id: this.#id, method, params });
    if (answer === undefined || !("result" in answer)) throw new NodeBehindError(`no answer to ${method}`);
    return answer.result as T;
  }
}

interface Head {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
}

/** What keeps a node from being asked; undefined if it is up to date. */
export function lagOf(
  { number, timestamp }: Head,
  highest: number,
  { maxLagBlocks, maxHeadAgeSeconds }: EndpointRules,
  now = Date.now() / 1000,
): string | undefined {
  if (highest - number > maxLagBlocks) return `it is ${highest - number} blocks behind`;
  if (maxHeadAgeSeconds !== undefined && now - timestamp > maxHeadAgeSeconds) {
    return `its newest block is ${Math.floor(now - timestamp)} s old`;
  }
  return undefined;
}

function isLimited(answer: JsonRpcResult): boolean {
  return "error" in answer && LIMITED.has((answer.error as { code: number }).code);
}

function isDefined<T>(value: T | undefined): value is T {
  return value !== undefined;
}

/** Without its path, which may hold a secret. */
function hostOf({ url }: Endpoint): string {
  return new URL(url).host;
}
