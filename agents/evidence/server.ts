import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, Socket } from "node:net";

import { listen } from "../runtime/listen.ts";
import type { Access } from "./access.ts";
import { Gate, type GateOptions } from "./gate.ts";
import { addressKey, forwardedFor, SERVER_LIMITS, type ServerLimits, TokenBuckets } from "./limits.ts";
import { evidenceReply, FAULT, REFUSAL, type Reply, reply, TOO_MANY } from "./reply.ts";
import type { EvidenceQuery } from "./request.ts";

/** Path, parameters and headers together. */
const MAX_HEADER_BYTES = 8_192;
/** How often Node.js looks for requests that take too long. */
const TIMEOUT_CHECK_MS = 1_000;

export interface EvidenceServerOptions extends GateOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Whether all requests come through a proxy of ours, which tells in `X-Forwarded-For` whom they are from. */
  readonly behindProxy?: boolean;
  readonly limits?: Partial<ServerLimits>;
  /** JSON text for a query that was admitted; undefined if there is nothing to show. */
  readonly answer: (query: EvidenceQuery, access: Access) => Promise<string | undefined>;
}

export interface EvidenceServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves evidence over HTTP to whoever is entitled to it. Everyone else gets one and the same answer. */
export async function serveEvidence(options: EvidenceServerOptions): Promise<EvidenceServer> {
  const desk = new Desk(options);
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    requireHostHeader: false, // Node.js would answer by itself
    headersTimeout: desk.limits.headersMs,
    requestTimeout: desk.limits.headersMs, // the headers are all there is of a request
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
  });
  server.maxConnections = desk.limits.connections;
  server.maxRequestsPerSocket = 1;
  server.on("connection", (socket) => {
    desk.receive(socket);
  });
  server.on("request", (request) => void desk.serve(request));
  for (const event of ["checkContinue", "checkExpectation", "connect"] as const) {
    server.on(event, (request: IncomingMessage) => {
      desk.refuse(request.socket);
    });
  }
  server.on("clientError", (_error, socket) => {
    if (socket instanceof Socket) desk.refuse(socket);
  });
  await listen(server, options, "listen.port");
  const { address, port, family } = server.address() as AddressInfo;
  const host = family === "IPv6" ? `[${address}]` : address;
  return { url: `http://${host}:${port}`, close: () => closed(server, desk) };
}

/** Where requests come in, are counted, and are answered. */
class Desk {
  readonly limits: ServerLimits;
  readonly #options: EvidenceServerOptions;
  readonly #gate: Gate;
  readonly #perAddress: TokenBuckets;
  readonly #connections = new Map<string, Set<Socket>>();

  constructor(options: EvidenceServerOptions) {
    this.#options = options;
    this.limits = { ...SERVER_LIMITS, ...options.limits };
    this.#gate = new Gate(options, this.limits);
    this.#perAddress = new TokenBuckets(this.limits.perAddress);
  }

  /** A new connection; one too many is ended at once, before it says anything. */
  receive(socket: Socket): void {
    // Node.js lets go of a connection after CONNECT: one that is then reset must not take the program with it.
    socket.on("error", () => undefined);
    const end = setTimeout(() => socket.destroy(), this.limits.connectionMs);
    const key = addressKey(socket.remoteAddress);
    const open = (this.#connections.get(key) ?? new Set()).add(socket);
    this.#connections.set(key, open);
    socket.once("close", () => {
      clearTimeout(end);
      open.delete(socket);
      if (open.size === 0) this.#connections.delete(key);
    });
    if (this.#options.behindProxy === true || open.size <= this.limits.connectionsPerAddress) return;
    reply(socket, TOO_MANY);
    socket.destroySoon();
  }

  /** Ends all connections, also those that Node.js no longer counts as HTTP. */
  clear(): void {
    for (const open of this.#connections.values()) for (const socket of open) socket.destroy();
  }

  async serve(request: IncomingMessage): Promise<void> {
    const { socket, method } = request;
    request.resume(); // nobody reads what a request may carry; it must not hold up its end
    reply(socket, await this.#replyTo(request), method === "HEAD");
  }

  /** Refuses what is no request, or asks for something else than an answer. */
  refuse(socket: Socket): void {
    if (socket.writableEnded || socket.destroyed) return;
    socket.resume();
    reply(socket, this.#perAddress.take(addressKey(socket.remoteAddress)) ? REFUSAL : TOO_MANY);
  }

  async #replyTo(request: IncomingMessage): Promise<Reply> {
    if (!this.#perAddress.take(addressKey(this.#remoteAddress(request)))) return TOO_MANY;
    const admission = this.#admit(request);
    if (admission === "refused") return REFUSAL;
    if (admission === "too many") return TOO_MANY;
    try {
      return this.#checked(await this.#options.answer(admission.query, admission.access));
    } catch (error) {
      warn(error);
      return FAULT;
    }
  }

  #admit(request: IncomingMessage): ReturnType<Gate["admit"]> {
    try {
      return this.#gate.admit(request);
    } catch (error) {
      warn(error); // a fault of ours, but whoever asks is not known to be entitled to hear of it
      return "refused";
    }
  }

  #checked(json: string | undefined): Reply {
    if (json === undefined) return REFUSAL;
    const bytes = Buffer.byteLength(json);
    const { answerBytes } = this.limits;
    if (bytes > answerBytes) {
      throw new RangeError(`evidence too large: expected at most ${answerBytes} bytes, received ${bytes}`);
    }
    return evidenceReply(json);
  }

  #remoteAddress({ headers, socket }: IncomingMessage): string | undefined {
    const forwarded = this.#options.behindProxy === true ? forwardedFor(headers) : undefined;
    return forwarded ?? socket.remoteAddress;
  }
}

/** The client is not told what went wrong with us; the log is. */
function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}

function closed(server: Server, desk: Desk): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => {
      if (error) reject(error);
      else resolve();
    });
    desk.clear();
  });
}
