import type { Socket } from "node:net";

/** An answer as it goes over the wire. */
export interface Reply {
  readonly head: string;
  readonly body: string;
}

/** How long a client may go on sending after it was answered; a connection reset at once could lose the answer. */
const LINGER_MS = 1_000;
const RETRY_AFTER_SECONDS = 10;

/** The same for everyone who gets no evidence, whatever the reason. */
export const REFUSAL = replyOf("404 Not Found", '{"error":"no evidence for you here"}');
export const TOO_MANY = replyOf("429 Too Many Requests", '{"error":"too many requests"}', {
  "retry-after": String(RETRY_AFTER_SECONDS),
});
/** A fault of ours; only those entitled to evidence are told of it. */
export const FAULT = replyOf("500 Internal Server Error", '{"error":"evidence could not be read"}');

export function evidenceReply(json: string): Reply {
  return replyOf("200 OK", json);
}

/**
 * Answers and ends the connection. Written by hand, so that what is not even HTTP is answered with the same bytes as
 * what is.
 */
export function reply(socket: Socket, { head, body }: Reply, headOnly = false): void {
  if (socket.writableEnded || socket.destroyed) return;
  socket.end(headOnly ? head : head + body, () => {
    const linger = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once("close", () => {
      clearTimeout(linger);
    });
  });
}

function replyOf(status: string, body: string, more: Record<string, string> = {}): Reply {
  const headers = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "cache-control": "no-store",
    connection: "close",
    ...more,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return { head: `HTTP/1.1 ${status}\r\n${lines.join("")}\r\n`, body };
}
