import { type JsonRpcPayload, JsonRpcProvider, type JsonRpcResult } from "ethers";

import { type EndpointRules, Endpoints } from "./endpoints.ts";

/** How often a receipt is asked for while it is not there yet. A node that mines at once answers at once. */
const POLLING_MS = 250;

export interface NodeOptions {
  /** More nodes of the same chain, asked in this order when those before fail. */
  readonly otherUrls?: readonly string[] | undefined;
  readonly rules?: EndpointRules | undefined;
  /** Told of nodes that fail, and which one is asked instead. */
  readonly told?: ((event: string, fields: Readonly<Record<string, unknown>>) => void) | undefined;
}

/**
 * A node at an HTTP or WebSocket address, or the first of several that is in order. Each question goes out at once, and
 * no answer is kept: after a block it would be wrong.
 */
export function nodeAt(url: string, options: NodeOptions = {}): Node {
  return new Node(url, options);
}

/** The library's provider, on transports of our own. */
export class Node extends JsonRpcProvider {
  readonly #endpoints: Endpoints;

  constructor(url: string, { otherUrls = [], rules, told = () => undefined }: NodeOptions) {
    super(url, undefined, {
      staticNetwork: true,
      batchStallTime: 0,
      pollingInterval: POLLING_MS,
      cacheTimeout: -1,
    });
    this.#endpoints = new Endpoints([url, ...otherUrls], rules ?? { maxLagBlocks: Infinity }, told);
  }

  /** Host of the node that answered last. */
  get inUse(): string | undefined {
    return this.#endpoints.current;
  }

  override _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    return this.#endpoints.ask(payload);
  }

  override destroy(): void {
    this.#endpoints.close();
    super.destroy();
  }
}
