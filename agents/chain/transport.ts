import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";

import { FetchRequest, type JsonRpcPayload, type JsonRpcResult, makeError } from "ethers";

/** A node has so long to answer. */
export const ANSWER_MS = 20_000;
/** How often a question is put again, each time later, to a node that says it was asked too much. */
const ATTEMPTS = 6;

/** A way to put questions to a node. */
export interface Transport {
  ask(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]>;
  close(): void;
}

/** @param alone whether there is nobody else to ask, so that a node that asks for patience gets it */
export function transportTo(url: string, alone: boolean): Transport {
  return /^wss?:/.test(url) ? new SocketTransport(url) : new HttpTransport(url, alone);
}

/** The library's requests, but that text is made into bytes and back by the platform, which is many times faster. */
class HttpTransport implements Transport {
  readonly #url: string;
  readonly #attempts: number;

  constructor(url: string, alone: boolean) {
    this.#url = url;
    this.#attempts = alone ? ATTEMPTS : 1;
  }

  /**
   * A node may close a connection that was idle in the very moment it is used again: that is worth a second try, on a
   * connection of its own.
   */
  async ask(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    try {
      return await this.#send(this.#request(), payload);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ECONNRESET")) throw error;
      const again = this.#request();
      const agent = again.url.startsWith("https") ? new HttpsAgent() : new HttpAgent();
      again.getUrlFunc = FetchRequest.createGetUrlFunc({ agent });
      return this.#send(again, payload);
    }
  }

  close(): void {
    // Connections are the platform's, which closes them when they are idle.
  }

  #request(): FetchRequest {
    const request = new FetchRequest(this.#url);
    request.timeout = ANSWER_MS;
    request.setThrottleParams({ maxAttempts: this.#attempts });
    return request;
  }

  async #send(request: FetchRequest, payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    request.body = Buffer.from(JSON.stringify(payload));
    request.setHeader("content-type", "application/json");
    const response = await request.send();
    response.assertOk();
    const answer = parsed(Buffer.from(response.body ?? []).toString());
    return Array.isArray(answer) ? answer : [answer];
  }
}

/** One connection, opened when it is needed, and again after it was lost. */
class SocketTransport implements Transport {
  readonly #url: string;
  #socket: Promise<WebSocket> | undefined;
  readonly #waiting = new Map<number, Waiting>();

  constructor(url: string) {
    this.#url = url;
  }

  async ask(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    const socket = await (this.#socket ??= this.#opened());
    return Promise.all([payload].flat().map((question) => this.#exchange(socket, question)));
  }

  close(): void {
    void this.#socket?.then(
      (socket) => {
        socket.close();
      },
      () => undefined,
    );
  }

  #opened(): Promise<WebSocket> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.#url);
      const late = setTimeout(() => {
        socket.close();
      }, ANSWER_MS);
      const onLost = (): void => {
        clearTimeout(late);
        this.#socket = undefined;
        const lost = makeError("the connection was lost", "NETWORK_ERROR", { event: "close" });
        reject(lost);
        for (const waiting of this.#waiting.values()) waiting.reject(lost);
        this.#waiting.clear();
      };
      socket.onopen = () => {
        clearTimeout(late);
        resolve(socket);
      };
      socket.onclose = onLost;
      socket.onerror = onLost;
      socket.onmessage = ({ data }) => {
        this.#hear(String(data));
      };
    });
  }

  #hear(text: string): void {
    for (const answer of [parsed(text)].flat()) this.#waiting.get(answer.id)?.resolve(answer);
  }

  #exchange(socket: WebSocket, question: JsonRpcPayload): Promise<JsonRpcResult> {
    const answer = new Promise<JsonRpcResult>((resolve, reject) => {
      this.#waiting.set(question.id, { resolve, reject });
    });
    const late = setTimeout(() => {
      const details = { operation: question.method, reason: "timeout" };
      this.#waiting.get(question.id)?.reject(makeError("no answer in time", "TIMEOUT", details));
    }, ANSWER_MS);
    socket.send(JSON.stringify(question));
    return answer.finally(() => {
      clearTimeout(late);
      this.#waiting.delete(question.id);
    });
  }
}

/** Who waits for an answer. */
interface Waiting {
  readonly resolve: (answer: JsonRpcResult) => void;
  readonly reject: (error: Error) => void;
}

function parsed(text: string): JsonRpcResult | JsonRpcResult[] {
  try {
    return JSON.parse(text) as JsonRpcResult | JsonRpcResult[];
  } catch (error) {
    const said = text.slice(0, 40);
    throw makeError(`the node answered with no JSON: ${said}`, "SERVER_ERROR", {
      request: "",
      info: { error },
    });
  }
}
