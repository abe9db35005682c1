/** Stands between the Operator and a party, and shows the Operator what it likes instead of the party's evidence. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What becomes of the evidence for an epoch; undefined lets the connection break. */
export type Tampering = (honest: string) => string | Buffer | undefined | Promise<string | undefined>;

export class Intermediary {
  readonly #server: Server;
  readonly #tamperings = new Map<number, Tampering>();
  #party = "";

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#pass(request, response);
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** @param party URL that the party really serves at */
  standsFor(party: string): void {
    this.#party = party;
  }

  tamper(epoch: number, tampering: Tampering): void {
    this.#tamperings.set(epoch, tampering);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = new URL(request.url ?? "", this.#party);
    const headers = Object.fromEntries(
      Object.entries(request.headers).filter(([name]) => name === "authorization" || name.startsWith("x-")),
    ) as Record<string, string>;
    const honest = await fetch(target, { headers });
    const tampering = this.#tamperings.get(Number(target.searchParams.get("epoch")));
    const body = await honest.text();
    const shown = tampering === undefined ? body : await tampering(body);
    if (shown === undefined) {
      response.destroy();
      return;
    }
    response
      .writeHead(tampering === undefined ? honest.status : 200, { "content-type": "application/json" })
      .end(shown);
  }
}
