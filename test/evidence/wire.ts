/** An evidence server of one query, and connections to it byte by byte, for the tests of evidence over HTTP. */

import { createServer, type Server, type Socket, connect } from "node:net";

import { hexlify, randomBytes, Wallet } from "ethers";

import { accessOf, NO_ACCESS } from "../../agents/evidence/access.ts";
import {
  authorizationOf,
  type EvidenceQuery,
  LIFE_SECONDS,
  type SignedQuery,
  signQuery,
  targetOf,
} from "../../agents/evidence/request.ts";
import type { EvidenceServerOptions } from "../../agents/evidence/server.ts";

export const ARIA = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
export const OTHER_ARIA = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB";
export const CHAIN = 31_337n;
export const NOW = 1_782_000_000;
export const OPERATOR = new Wallet(`0x${"0a".repeat(32)}`);
/** Whose evidence it is. */
export const HOLDER = new Wallet(`0x${"0c".repeat(32)}`).address;
export const STRANGER = new Wallet(`0x${"0b".repeat(32)}`);
export const QUERY: EvidenceQuery = { aria: ARIA, account: 5n, epoch: 1_980_000, what: "evidence" };
/** An epoch in which somebody else has a dispute. */
export const NEIGHBOURS_EPOCH = QUERY.epoch + 1;
export const EVIDENCE = '{"it":"flowed"}';
export const STATEMENT = '{"so":"signed"}';

/** A server for the Operator, whose account 5 has a dispute in one epoch, and a neighbour one in the next. */
export const SERVED: EvidenceServerOptions = {
  holder: HOLDER,
  host: "127.0.0.1",
  port: 0,
  chainId: CHAIN,
  now: () => NOW,
  access: ({ aria, account, epoch }, requester) => {
    if (requester !== OPERATOR.address || aria !== ARIA || account !== QUERY.account) return NO_ACCESS;
    const disputed = epoch === QUERY.epoch ? "own" : epoch === NEIGHBOURS_EPOCH ? "other" : "none";
    return accessOf("der", "operator", disputed);
  },
  answer: ({ what }) => Promise.resolve(what === "evidence" ? EVIDENCE : STATEMENT),
};

export interface Signing {
  readonly query?: EvidenceQuery;
  readonly signer?: Wallet;
  readonly holder?: string;
  readonly chainId?: bigint;
  readonly expires?: number;
  readonly nonce?: string;
}

export function signed({
  query = QUERY,
  signer = OPERATOR,
  holder = HOLDER,
  chainId = CHAIN,
  expires = NOW + LIFE_SECONDS,
  nonce = hexlify(randomBytes(32)),
}: Signing = {}): Promise<SignedQuery> {
  return signQuery(signer, chainId, holder, { query, nonce, expires });
}

/** A request as text; the parts that are given take the place of those that were signed. */
export function textOf(
  request: SignedQuery,
  {
    method = "GET",
    target = targetOf(request.query),
    authorization = authorizationOf(request),
    more = "",
  } = {},
): string {
  const header = authorization === "" ? "" : `Authorization: ${authorization}\r\n`;
  return `${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${header}${more}\r\n`;
}

/** Sends just these bytes, and returns all that comes back until the other side closes. */
export function exchange(url: string, bytes: string | Buffer, localAddress = "127.0.0.1"): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = dial(url, localAddress);
    let received = "";
    socket
      .setEncoding("latin1")
      .on("data", (chunk) => (received += chunk.toString()))
      .on("error", reject)
      .on("close", () => {
        resolve(received);
      });
    socket.write(bytes);
  });
}

export function dial(url: string, localAddress = "127.0.0.1"): Socket {
  const { hostname, port } = new URL(url);
  return connect({ host: hostname, port: Number(port), localAddress });
}

/** A server that treats whoever connects as it is told to. */
export class HostileServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(treat: (socket: Socket) => void): Promise<HostileServer> {
    const server = createServer();
    const hostile = new HostileServer(server);
    server.on("connection", (socket) => {
      hostile.#sockets.add(socket);
      socket.on("error", () => undefined); // the client hangs up on it
      socket.once("data", () => {
        treat(socket);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return hostile;
  }

  get url(): string {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? `http://127.0.0.1:${address.port}` : "";
  }

  /** Connections that were made to it, open or not. */
  get connections(): number {
    return this.#sockets.size;
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }
}
