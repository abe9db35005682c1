import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { requesterOf, type EvidenceQuery, readQuery } from "./query.ts";
import type { Venue } from "./statement.ts";

const HEADERS_TIMEOUT_MS = 5_000;
const MAX_HEADER_BYTES = 8_192;

export interface EvidenceServerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Address of the party that serves: a request made to another is not one to it. */
  readonly holder: string;
  readonly chainId: bigint;
  /** The chain's time, unix seconds: a request expires by it, not by a local clock. */
  readonly now: () => number;
  /** The evidence for a query as JSON text; undefined if there is none, or none for this requester. */
  readonly answer: (query: EvidenceQuery, requester: string) => Promise<string | undefined>;
}

export interface EvidenceServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves evidence over HTTP to whoever is entitled to it. Everyone else, and every malformed or expired request, gets
 * the same answer, which tells nothing.
 */
export async function serveEvidence(options: EvidenceServerOptions): Promise<EvidenceServer> {
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
    void answerTo(request, options).then(({ status, body }) => {
      response.writeHead(status, { "content-type": "application/json" }).end(body);
    });
  });
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(options.port, options.host, resolve);
  });
  const { address, port, family } = server.address() as AddressInfo;
  const host = family === "IPv6" ? `[${address}]` : address;
  return { url: `http://${host}:${port}`, close: () => closed(server) };
}

const REFUSAL = { status: 404, body: '{"error":"no evidence for you here"}' };

async function answerTo(request: IncomingMessage, options: EvidenceServerOptions): Promise<typeof REFUSAL> {
  try {
    const signed = readQuery(request.method, request.url, request.headers.authorization);
    if (signed === undefined || signed.expires < options.now()) return REFUSAL;
    const venue: Venue = { chainId: options.chainId, aria: signed.query.aria };
    const body = await options.answer(signed.query, requesterOf(venue, options.holder, signed));
    return body === undefined ? REFUSAL : { status: 200, body };
  } catch (error) {
    // A fault of ours, not of the request: say so, but not what, and keep it for the log.
    process.emitWarning(error instanceof Error ? error : String(error));
    return { status: 500, body: '{"error":"evidence could not be read"}' };
  }
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve, reject) => {
    server.close((error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
