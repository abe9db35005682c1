import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

import { FetchRequest, isError, type JsonRpcPayload, type JsonRpcResult, makeError } from "ethers";

/** A node has so long to answer. */
export const ANSWER_MS = 20_000;
/** How often a question is put again, each time later, to a node that says it was asked too much. */
const ATTEMPTS = 6;
/** How often it is put, after these pauses, to one whose connection breaks, or whose answer is none. */
const PAUSES_MS = [0, 200, 600];

/** Bad gateway, service unavailable, gateway timeout. */
const GATEWAY_STATUS = new Set([502, 503, 504]);

/** What a node answered is no answer. Its code is the library's for that. */
export class AnswerError extends Error {
  override readonly name = "AnswerError";
  readonly code = "SERVER_ERROR";
}

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
  readonly #alone: boolean;

  constructor(url: string, alone: boolean) {
    this.#url = url;
    this.#alone = alone;
  }

  /**
   * A node may close a connection that was idle in the very moment it is used again: that is worth a second try, on a
   * connection of its own. If there is nobody else to ask, it is asked some more.
   */
  async ask(payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    const pauses = this.#alone ? PAUSES_MS : PAUSES_MS.slice(0, 1);
    let request = this.#request();
    for (const pause of pauses) {
      try {
        return await this.#send(request, payload);
      } catch (error) {
        if (!isPassing(error)) throw error;
        await sleep(pause);
        request = this.#request();
        const agent = request.url.startsWith("https") ? new HttpsAgent() : new HttpAgent();
        request.getUrlFunc = FetchRequest.createGetUrlFunc({ agent });
      }
    }
    return this.#send(request, payload);
  }

  close(): void {
    // Connections are the platform's, which closes them when they are idle.
  }

  #request(): FetchRequest {
    const request = new FetchRequest(this.#url);
    request.timeout = ANSWER_MS;
    request.setThrottleParams({ maxAttempts: this.#alone ? ATTEMPTS : 1 });
    return request;
  }

  async #send(request: FetchRequest, payload: JsonRpcPayload | JsonRpcPayload[]): Promise<JsonRpcResult[]> {
    request.body = Buffer.from(JSON.stringify(payload));
    request.setHeader("content-type", "application/json");
    const response = await request.send();
    response.assertOk();
    const answers = [parsed(Buffer.from(response.body ?? []).toString())].flat();
    requireAnswers([payload].flat(), answers);
    return answers;
  }
}

/** A connection that broke, an answer that is none, or a server in front of the node that cannot reach it just now. */
function isPassing(error: unknown): boolean {
  if (error instanceof AnswerError) return true;
  if (isError(error, "SERVER_ERROR")) return GATEWAY_STATUS.has(error.response?.statusCode ?? 0);
  return error instanceof Error && "code" in error && error.code === "ECONNRESET";
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

  async #exchange(socket: WebSocket, question: JsonRpcPayload): Promise<JsonRpcResult> {
    const answer = new Promise<JsonRpcResult>((resolve, reject) => {
      this.#waiting.set(question.id, { resolve, reject });
    });
    const late = setTimeout(() => {
      const details = { operation: question.method, reason: "timeout" };
      this.#waiting.get(question.id)?.reject(makeError("no answer in time", "TIMEOUT", details));
    }, ANSWER_MS);
    socket.send(JSON.stringify(question));
    try {
      const given = await answer;
      requireAnswers([question], [given]);
      return given;
    } finally {
      clearTimeout(late);
      this.#waiting.delete(question.id);
    }
  }
}

/** Who waits for an answer. */
interface Waiting {
  readonly resolve: (answer: JsonRpcResult) => void;
  readonly reject: (error: Error) => void;
}

/** What is never null: of the standard's questions, all but those about something that may not be there. */
const ALWAYS_SOMETHING = /^eth_(?!get(TransactionReceipt|TransactionByHash|BlockByNumber|BlockByHash)$)/;

/** @throws {AnswerError} when a node says nothing where there is always something */
function requireAnswers(questions: readonly JsonRpcPayload[], answers: readonly JsonRpcResult[]): void {
  const silent = questions.find(({ id, method }) => {
    const answer = answers.find((candidate) => candidate.id === id);
    return (
      answer !== undefined && "result" in answer && answer.result === null && ALWAYS_SOMETHING.test(method)
    );
  });
  if (silent !== undefined) throw new AnswerError(`the node answered nothing to ${silent.method}`);
}

function parsed(text: string): JsonRpcResult | JsonRpcResult[] {
  try {
    return JSON.parse(text) as JsonRpcResult | JsonRpcResult[];
  } catch (error) {
    throw new AnswerError(`the node answered with no JSON: ${text.slice(0, 40)}`, { cause: error });
  }
}
