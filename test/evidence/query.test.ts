import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";

import { expect } from "chai";

import {
  askForEvidence,
  type Fetched,
  type FetchLimits,
  fetchEvidence,
} from "../../agents/evidence/query.ts";
import { readQuery, requesterOf, type SignedQuery, targetOf } from "../../agents/evidence/request.ts";
import { serveEvidence } from "../../agents/evidence/server.ts";
import {
  ARIA,
  CHAIN,
  EVIDENCE,
  HOLDER,
  HostileServer,
  NOW,
  OPERATOR,
  OTHER_ARIA,
  QUERY,
  SERVED,
  signed,
  STATEMENT,
  STRANGER,
  textOf,
} from "./wire.ts";

const { aria, account, epoch } = QUERY;
const OK = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

function ask(url: string, limits?: FetchLimits, signer = OPERATOR): Promise<Fetched> {
  return askForEvidence(url, HOLDER, QUERY, signer, CHAIN, NOW, limits);
}

describe("A client of evidence", function () {
  let hostile: HostileServer | undefined;

  afterEach(async function () {
    await hostile?.close();
    hostile = undefined;
  });

  async function treatedSo(treat: (socket: Socket) => void, limits?: FetchLimits): Promise<Fetched> {
    hostile = await HostileServer.start(treat);
    return ask(hostile.url, limits);
  }

  /** Sends a block over and over, as fast as it is taken. @returns what was sent, bytes */
  function pour(socket: Socket, block: string): () => number {
    let sent = 0;
    const more = (): void => {
      while (socket.writable && socket.write(block)) sent += block.length;
    };
    socket.on("drain", more);
    more();
    return () => sent;
  }

  it("gets evidence, or the statement alone, from a party that has it for it", async function () {
    const server = await serveEvidence(SERVED);
    try {
      expect(await ask(server.url)).to.deep.equal({ evidence: EVIDENCE });
      const request = { aria, account, epoch };
      expect(await fetchEvidence(server.url, HOLDER, request, OPERATOR, CHAIN, NOW)).to.equal(EVIDENCE);
      const statement = { ...request, what: "statement" } as const;
      expect(await fetchEvidence(server.url, HOLDER, statement, OPERATOR, CHAIN, NOW)).to.equal(STATEMENT);
    } finally {
      await server.close();
    }
  });

  it("is told no more than that it was refused", async function () {
    const server = await serveEvidence(SERVED);
    try {
      expect(await ask(server.url, {}, STRANGER)).to.deep.equal({ failure: "refused" });
      expect(await fetchEvidence(server.url, HOLDER, QUERY, STRANGER, CHAIN, NOW)).to.be.undefined;
    } finally {
      await server.close();
    }
    expect(await ask(server.url), "closed").to.deep.equal({ failure: "unreachable" });
  });

  it("asks at addresses of http and https only", async function () {
    for (const url of ["ftp://localhost", "file:///etc/passwd", "data:,{}", "localhost", ""]) {
      expect(await ask(url), url).to.deep.equal({ failure: "unreachable" });
    }
    expect(await ask("https://127.0.0.1:9")).to.deep.equal({ failure: "unreachable" });
  });

  for (const status of ["204 No Content", "206 Partial Content", "404 Not Found", "500 Oops", "429 Later"]) {
    it(`takes no evidence from an answer ${status}`, async function () {
      const fetched = await treatedSo((socket) => socket.end(`HTTP/1.1 ${status}\r\n\r\n{}`));
      expect(fetched).to.deep.equal({ failure: "refused" });
    });
  }

  for (const status of [301, 302, 303, 307, 308]) {
    it(`does not follow a redirect ${status}`, async function () {
      const elsewhere = await HostileServer.start((socket) => socket.end(`${OK}\r\n{}`));
      try {
        const to = `${elsewhere.url}${targetOf(QUERY)}`;
        const redirect = `HTTP/1.1 ${status} There\r\nlocation: ${to}\r\ncontent-length: 0\r\n\r\n`;
        expect(await treatedSo((socket) => socket.end(redirect))).to.deep.equal({ failure: "refused" });
        expect(elsewhere.connections).to.equal(0);
      } finally {
        await elsewhere.close();
      }
    });
  }

  it("takes evidence of the largest size, and not a byte more", async function () {
    const answer = `${OK}\r\n${EVIDENCE}`;
    const end = (socket: Socket): unknown => socket.end(answer);
    expect(await treatedSo(end, { maxBytes: EVIDENCE.length })).to.deep.equal({ evidence: EVIDENCE });
    await hostile?.close();
    expect(await treatedSo(end, { maxBytes: EVIDENCE.length - 1 })).to.deep.equal({ failure: "too large" });
  });

  it("stops reading an answer without end", async function () {
    let sent = (): number => 0;
    const fetched = await treatedSo(
      (socket) => {
        socket.write(`${OK}\r\n`);
        sent = pour(socket, "x".repeat(2 ** 16));
      },
      { maxBytes: 2 ** 20 },
    );
    expect(fetched).to.deep.equal({ failure: "too large" });
    expect(sent()).to.be.lessThan(64 * 2 ** 20);
  });

  it("counts what an answer unpacks to", async function () {
    const packed = gzipSync(Buffer.alloc(16 * 2 ** 20));
    const head = `${OK}content-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`;
    const fetched = await treatedSo((socket) => socket.end(Buffer.concat([Buffer.from(head), packed])), {
      maxBytes: 2 ** 20,
    });
    expect(fetched).to.deep.equal({ failure: "too large" });
  });

  it("does not read headers without end", async function () {
    const fetched = await treatedSo((socket) => {
      socket.write(OK);
      pour(socket, "x-more: y\r\n".repeat(1_000));
    });
    expect(fetched).to.deep.equal({ failure: "unreachable" });
  });

  const slow: Record<string, (socket: Socket) => void> = {
    "says nothing": () => undefined,
    "never ends its headers": (socket) => socket.write(OK),
    "never ends its answer": (socket) => socket.write(`${OK}content-length: 9\r\n\r\n{`),
    "sends its answer drop by drop": (socket) => {
      socket.write(`${OK}\r\n`);
      const drip = setInterval(() => socket.write(" "), 20);
      socket.on("close", () => {
        clearInterval(drip);
      });
    },
    "promises an answer again and again": (socket) => {
      const drip = setInterval(() => socket.write("HTTP/1.1 102 Processing\r\n\r\n"), 20);
      socket.on("close", () => {
        clearInterval(drip);
      });
    },
  };
  for (const [what, treat] of Object.entries(slow)) {
    it(`does not wait for a server that ${what}`, async function () {
      const started = performance.now();
      expect(await treatedSo(treat, { deadlineMs: 300 })).to.deep.equal({ failure: "too slow" });
      expect(performance.now() - started).to.be.lessThan(3_000);
    });
  }

  const broken: Record<string, (socket: Socket) => void> = {
    "hangs up": (socket) => socket.end(),
    "resets the connection": (socket) => socket.resetAndDestroy(),
    "hangs up before the end of its headers": (socket) => socket.end(OK),
    "hangs up before the end of its answer": (socket) => socket.end(`${OK}content-length: 99\r\n\r\n{}`),
    "hangs up amid a chunk": (socket) => socket.end(`${OK}transfer-encoding: chunked\r\n\r\n10\r\n{"it":`),
    "does not speak HTTP": (socket) => socket.end("220 mail.example.org ESMTP\r\n"),
  };
  for (const [what, treat] of Object.entries(broken)) {
    it(`takes nothing from a server that ${what}`, async function () {
      expect(await treatedSo(treat)).to.deep.equal({ failure: "unreachable" });
    });
  }

  const noText: Record<string, string> = {
    "bytes that occur in no UTF-8": "ff fe 80 80",
    "an overlong form": "c0 af",
    "half a surrogate": "ed a0 80",
    "a character cut short": "7b 22 c3",
  };
  for (const [what, hex] of Object.entries(noText)) {
    it(`takes no evidence of ${what}`, async function () {
      const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
      const answer = Buffer.concat([Buffer.from(`${OK}\r\n`), bytes]);
      expect(await treatedSo((socket) => socket.end(answer))).to.deep.equal({ failure: "not text" });
    });
  }

  it("keeps every character as it was sent", async function () {
    const text = '\ufeff{"der":"Zürich ☀ 🌞"}\0\r\n';
    const fetched = await treatedSo((socket) => {
      for (const byte of Buffer.from(`${OK}\r\n${text}`)) socket.write(Buffer.of(byte));
      socket.end();
    });
    expect(fetched).to.deep.equal({ evidence: text });
  });

  it("signs each request with another nonce", async function () {
    const seen: string[] = [];
    hostile = await HostileServer.start((socket) => socket.end());
    const inner = globalThis.fetch;
    globalThis.fetch = (input, init) => {
      seen.push((init?.headers as Record<"authorization", string>).authorization.split(" ")[2] ?? "");
      return inner(input, init);
    };
    try {
      for (let i = 0; i < 3; i += 1) await ask(hostile.url);
    } finally {
      globalThis.fetch = inner;
    }
    expect(new Set(seen).size).to.equal(3);
    for (const nonce of seen) expect(nonce).to.match(/^0x[0-9a-f]{64}$/);
  });
});

describe("A signed query", function () {
  let request: SignedQuery;

  before(async function () {
    request = await signed();
  });

  it("reads as it was sent", function () {
    const authorization = /Authorization: (.*)\r\n/.exec(textOf(request))?.[1];
    expect(readQuery("GET", targetOf(QUERY), authorization)).to.deep.equal(request);
    for (const method of ["POST", "get", undefined]) {
      expect(readQuery(method, targetOf(QUERY), authorization)).to.be.undefined;
    }
    expect(readQuery("GET", undefined, authorization)).to.be.undefined;
    expect(readQuery("GET", targetOf(QUERY), undefined)).to.be.undefined;
    for (const nonsense of ["x", "", "-1", "1e3", "0x10", "4294967296", `0x${"g".repeat(40)}`]) {
      for (const [name, value] of Object.entries({ aria, account, epoch, what: QUERY.what })) {
        const target = targetOf(QUERY).replace(`${name}=${value}`, `${name}=${nonsense}`);
        expect(readQuery("GET", target, authorization), target).to.be.undefined;
      }
    }
  });

  it("gives its signer away for this holder, ARIA and chain, and every word of it, only", function () {
    const venue = { chainId: CHAIN, aria: ARIA };
    const { query } = request;
    expect(requesterOf(venue, HOLDER, request)).to.equal(OPERATOR.address);
    const others = [
      requesterOf({ chainId: CHAIN, aria: OTHER_ARIA }, HOLDER, request),
      requesterOf({ chainId: 1n, aria: ARIA }, HOLDER, request),
      requesterOf(venue, STRANGER.address, request),
      requesterOf(venue, HOLDER, { ...request, expires: request.expires + 1 }),
      requesterOf(venue, HOLDER, { ...request, nonce: `0x${"00".repeat(32)}` }),
      requesterOf(venue, HOLDER, { ...request, query: { ...query, account: 6n } }),
      requesterOf(venue, HOLDER, { ...request, query: { ...query, epoch: 7 } }),
      requesterOf(venue, HOLDER, { ...request, query: { ...query, what: "statement" } }),
    ];
    for (const other of others) expect(other).to.not.equal(OPERATOR.address);
  });

  it("is the one in the documentation", function () {
    const page = readFileSync(new URL("../../docs/access.md", import.meta.url), "utf8");
    const [, target, authorization] = /GET (\S+) HTTP[^]*?Authorization: (.*)/.exec(page) ?? [];
    const example = readQuery("GET", target, authorization)!;
    const [, holder = "", signer] = /is to `(.*)` on chain 31337, signed by `(.*)`/.exec(page) ?? [];
    expect(requesterOf({ chainId: CHAIN, aria: example.query.aria }, holder, example)).to.equal(signer);
  });

  it("has no signer if nobody can have signed it", function () {
    const venue = { chainId: CHAIN, aria: ARIA };
    for (const signature of ["0x", `0x${"00".repeat(65)}`, request.signature.slice(0, -2).concat("05")]) {
      expect(requesterOf(venue, HOLDER, { ...request, signature })).to.be.undefined;
    }
  });
});
