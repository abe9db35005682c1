import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";

import { FetchRequest, type JsonRpcPayload, JsonRpcProvider, type JsonRpcResult } from "ethers";

/** How often a receipt is asked for while it is not there yet. A node that mines at once answers at once. */
const POLLING_MS = 250;

/** A node at an HTTP address. Each question goes out at once, and no answer is kept: after a block it would be wrong. */
export function nodeAt(url: string): JsonRpcProvider {
  return new Node(url, undefined, {
    staticNetwork: true,
    batchStallTime: 0,
    pollingInterval: POLLING_MS,
    cacheTimeout: -1,
  });
}

/** The library's provider, but that text is made into bytes and back by the platform, which is many times faster. */
class Node extends JsonRpcProvider {
  /**
   * A node may close a connection that was idle in the very moment it is used again: that is worth a second try, on a
   * connection of its own.
   */
  override async _send(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    try {
      return await ask(this._getConnection(), payload);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ECONNRESET")) throw error;
      const again = this._getConnection();
      const agent = again.url.startsWith("https") ? new HttpsAgent() : new HttpAgent();
      again.getUrlFunc = FetchRequest.createGetUrlFunc({ agent });
      return ask(again, payload);
    }
  }
}

async function ask(
  request: FetchRequest,
  payload: JsonRpcPayload | JsonRpcPayload[],
): Promise<JsonRpcResult[]> {
  request.body = Buffer.from(JSON.stringify(payload));
  request.setHeader("content-type", "application/json");
  const response = await request.send();
  response.assertOk();
  const answer = JSON.parse(Buffer.from(response.body ?? []).toString()) as JsonRpcResult | JsonRpcResult[];
  return Array.isArray(answer) ? answer : [answer];
}
