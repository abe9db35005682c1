/** Stands before a real node, and answers as bad ones do: too late, not at all, nonsense, of another time or chain. */

import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface Question {
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

/**
 * What becomes of a question: a result, an error of JSON-RPC, a status of HTTP, or a connection that breaks. Undefined lets
 * the node answer.
 */
export type Answer =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string } }
  | { readonly status: number; readonly body?: string }
  | "broken";

export type Manner = (
  question: Question,
  /** The number of the HTTP request that it came with: those of a batch share it. */
  request: number,
) => Answer | undefined | Promise<Answer | undefined>;

/** Answers as the node does. */
export const HONEST: Manner = () => undefined;

export class FaultyNode {
  manner: Manner = HONEST;
  /** How many questions of each method came. */
  readonly asked = new Map<string, number>();
  readonly #server: Server;
  readonly #target: string;
  #requests = 0;

  /** @param target URL of the real node */
  constructor(target: string) {
    this.#target = target;
    this.#server = createServer((request, response) => {
      void text(request).then((body) => this.#answer(body, response));
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(body: string, response: ServerResponse): Promise<void> {
    const questions = [JSON.parse(body) as Question | Question[]].flat();
    const answers: object[] = [];
    const request = (this.#requests += 1);
    for (const question of questions) {
      this.asked.set(question.method, (this.asked.get(question.method) ?? 0) + 1);
      const answer = (await this.manner(question, request)) ?? (await this.#honest(question));
      if (answer === "broken") {
        response.destroy();
        return;
      }
      if ("status" in answer) {
        response.writeHead(answer.status).end(answer.body ?? "");
        return;
      }
      answers.push({ jsonrpc: "2.0", id: question.id, ...answer });
    }
    response
      .setHeader("content-type", "application/json")
      .end(JSON.stringify(body.startsWith("[") ? answers : answers[0]));
  }

  async #honest(question: Question): Promise<Answer> {
    try {
      const response = await fetch(this.#target, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(question),
      });
      return (await response.json()) as Answer;
    } catch {
      return "broken"; // the node is down, and so is what stands before it
    }
  }
}
