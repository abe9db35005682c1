import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "chai";

import { fetchEvidence } from "../../agents/evidence/query.ts";
import { authorizationOf, type EvidenceQuery, targetOf } from "../../agents/evidence/request.ts";
import { type EvidenceServer, serveEvidence } from "../../agents/evidence/server.ts";
import {
  ARIA,
  CHAIN,
  dial,
  EVIDENCE,
  exchange,
  HOLDER,
  NEIGHBOURS_EPOCH,
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

function wire(status: string, body: string): string {
  const headers = [
    "content-type: application/json",
    `content-length: ${body.length}`,
    "cache-control: no-store",
    "connection: close",
  ];
  return [`HTTP/1.1 ${status}`, ...headers, "", body].join("\r\n");
}

/** What everyone who gets nothing gets, byte for byte. */
const REFUSAL = wire("404 Not Found", '{"error":"no evidence for you here"}');

function answerWith(body: string): string {
  return wire("200 OK", body);
}

describe("An evidence server", function () {
  let server: EvidenceServer;
  let answered: EvidenceQuery[];

  beforeEach(async function () {
    answered = [];
    server = await serveEvidence({
      ...SERVED,
      answer: (query, access) => {
        answered.push(query);
        return SERVED.answer(query, access);
      },
    });
  });

  afterEach(async function () {
    await server.close();
  });

  it("answers whom it is for", async function () {
    expect(await fetchEvidence(server.url, HOLDER, QUERY, OPERATOR, CHAIN, NOW)).to.equal(EVIDENCE);
    expect(answered).to.deep.equal([QUERY]);
  });

  it("answers with JSON that is not to be kept, and ends the connection", async function () {
    expect(await exchange(server.url, textOf(await signed()))).to.equal(answerWith(EVIDENCE));
  });

  it("gives the statement to whom the evidence is for, if it asks for that", async function () {
    const query = { ...QUERY, what: "statement" } as const;
    expect(await exchange(server.url, textOf(await signed({ query })))).to.equal(answerWith(STATEMENT));
  });

  it("gives the Operator the statement, but not the evidence, of an epoch that only a neighbour disputes", async function () {
    const query = { ...QUERY, epoch: NEIGHBOURS_EPOCH };
    const statement = await signed({ query: { ...query, what: "statement" } });
    expect(await exchange(server.url, textOf(statement))).to.equal(answerWith(STATEMENT));
    expect(await exchange(server.url, textOf(await signed({ query })))).to.equal(REFUSAL);
  });

  it("takes requests up to their last second, and none that expires further ahead than they may", async function () {
    for (const [expires, answer] of [
      [NOW - 1, REFUSAL],
      [NOW, answerWith(EVIDENCE)],
      [NOW + 1_200, answerWith(EVIDENCE)],
      [NOW + 1_201, REFUSAL],
    ] as const) {
      const request = textOf(await signed({ expires }));
      expect(await exchange(server.url, request), `expires ${expires - NOW} s ahead`).to.equal(answer);
    }
  });

  it("takes a request once", async function () {
    const request = await signed();
    expect(await exchange(server.url, textOf(request))).to.equal(answerWith(EVIDENCE));
    expect(await exchange(server.url, textOf(request))).to.equal(REFUSAL);
    const sameNonce = await signed({ nonce: request.nonce, expires: NOW + 1 });
    expect(await exchange(server.url, textOf(sameNonce))).to.equal(REFUSAL);
    expect(answered).to.have.length(1);
  });

  it("takes a request once of those sent at the same time", async function () {
    const request = textOf(await signed());
    const answers = await Promise.all(Array.from({ length: 8 }, () => exchange(server.url, request)));
    expect(answers.filter((answer) => answer !== REFUSAL)).to.deep.equal([answerWith(EVIDENCE)]);
  });

  it("takes no request that it refused before, though it would answer it by now", async function () {
    let disputed = false;
    const waiting = await serveEvidence({
      ...SERVED,
      access: (query, requester) =>
        SERVED.access(disputed ? query : { ...query, epoch: query.epoch - 1 }, requester),
    });
    try {
      const request = textOf(await signed());
      expect(await exchange(waiting.url, request)).to.equal(REFUSAL);
      disputed = true;
      expect(await exchange(waiting.url, request)).to.equal(REFUSAL);
      expect(await exchange(waiting.url, textOf(await signed()))).to.equal(answerWith(EVIDENCE));
    } finally {
      await waiting.close();
    }
  });

  it("does not take a request again when the chain's time goes back", async function () {
    let now = NOW;
    const turning = await serveEvidence({ ...SERVED, now: () => now });
    try {
      const request = textOf(await signed({ expires: NOW + 10 }));
      expect(await exchange(turning.url, request)).to.equal(answerWith(EVIDENCE));
      now = NOW + 11;
      expect(await exchange(turning.url, textOf(await signed()))).to.equal(answerWith(EVIDENCE));
      now = NOW;
      expect(await exchange(turning.url, request)).to.equal(REFUSAL);
    } finally {
      await turning.close();
    }
  });

  describe("refuses, with the same bytes:", function () {
    const uint32 = 2 ** 32;
    const foreign: Record<string, Parameters<typeof signed>[0]> = {
      "a stranger's request": { signer: STRANGER },
      "a request that was made to another party, and passed on": { holder: STRANGER.address },
      "a request of another chain": { chainId: 1n },
      "a request of another ARIA": { query: { ...QUERY, aria: OTHER_ARIA } },
      "a request about another account": { query: { ...QUERY, account: 6n } },
      "a request about an epoch without a dispute": { query: { ...QUERY, epoch: 7 } },
      "a request that expired": { expires: NOW - 1 },
      "a request that expires too far ahead": { expires: NOW + 9_999 },
    };
    for (const [what, signing] of Object.entries(foreign)) {
      it(what, async function () {
        expect(await exchange(server.url, textOf(await signed(signing)))).to.equal(REFUSAL);
      });
    }

    /** What is sent instead of the target that was signed. */
    const targets: Record<string, (target: string) => string> = {
      "another epoch": (target) => target.replace(/epoch=\d+/, `epoch=${NEIGHBOURS_EPOCH}`),
      "another account": (target) => target.replace("account=5", "account=6"),
      "another ARIA": (target) => target.replace(ARIA, OTHER_ARIA),
      "something else": (target) => target.replace("what=evidence", "what=statement"),
      "something that is never given": (target) => target.replace("what=evidence", "what=readings"),
      "an address without a checksum": (target) => target.replace(ARIA, ARIA.toLowerCase()),
      "an address with a wrong checksum": (target) => target.replace("fB69", "Fb69"),
      "nothing in particular": () => "/evidence",
      "another path": (target) => target.replace("/evidence", "/"),
      "another host": (target) => `http://example.org${target}`,
      "an asterisk": () => "*",
      "a parameter left out": (target) => target.replace(/&epoch=\d+/, ""),
      "a parameter too many": (target) => `${target}&more=1`,
      "a parameter twice": (target) => `${target}&account=5`,
      "parameters in another order": (target) =>
        target.replace(/(account=5)&(epoch=\d+)/, (_, account, epoch) => `${epoch}&${account}`),
      "a number that is written otherwise": (target) => target.replace("account=5", "account=05"),
      "a number in hex": (target) => target.replace("account=5", "account=0x5"),
      "a negative number": (target) => target.replace("account=5", "account=-5"),
      "an account beyond 32 bits": (target) => target.replace("account=5", `account=${uint32 + 5}`),
      "an epoch beyond 32 bits": (target) => target.replace(/epoch=\d+/, `epoch=${uint32 + QUERY.epoch}`),
      "escaped letters": (target) => target.replace("aria", "%61ria"),
      "escaped bytes that are no UTF-8": (target) => `${target}%ff%fe`,
      "bytes that are no UTF-8": (target) => `${target}\xff\xfe`,
      "a fragment": (target) => `${target}#more`,
      "a URL of 2 kB": (target) => `${target}&${"x".repeat(2_048)}`,
      "a URL beyond all limits": (target) => `${target}&${"x".repeat(100_000)}`,
    };
    for (const [what, alter] of Object.entries(targets)) {
      it(`a request for ${what}`, async function () {
        const request = await signed();
        const text = textOf(request, { target: alter(targetOf(request.query)) });
        expect(await exchange(server.url, Buffer.from(text, "latin1"))).to.equal(REFUSAL);
        expect(answered).to.be.empty;
      });
    }

    const authorizations: Record<string, (authorization: string) => string> = {
      none: () => "",
      "of another scheme": (header) => header.replace("ProofOfFlow", "Bearer"),
      "with another nonce": (header) => header.replace(/ 0x[0-9a-f]{64} /, ` 0x${"77".repeat(32)} `),
      "with a short nonce": (header) => header.replace(/ 0x[0-9a-f]{64} /, " 0x77 "),
      "with a longer life": (header) => header.replace(String(NOW + 300), String(NOW + 301)),
      "with a life beyond all numbers": (header) => header.replace(String(NOW + 300), "9".repeat(400)),
      "with a signature cut short": (header) => header.slice(0, -2),
      "with a signature that nobody can have made": (header) => header.slice(0, -2).concat("05"),
      "with a signature of zeros": (header) => header.replace(/0x[0-9a-f]{130}/, `0x${"00".repeat(65)}`),
      "with a signature of capitals": (header) => header.slice(0, -130) + header.slice(-130).toUpperCase(),
      "of bytes that are no UTF-8": () => "ProofOfFlow \xff\xfe\xc0\x80",
      "of 7 kB": (header) => header.concat(" ".repeat(10), "x".repeat(7_000)),
      "beyond all limits": (header) => header.concat("x".repeat(100_000)),
    };
    for (const [what, alter] of Object.entries(authorizations)) {
      it(`a request with an authorization ${what}`, async function () {
        const request = await signed();
        const text = textOf(request, { authorization: alter(authorizationOf(request)) });
        expect(await exchange(server.url, Buffer.from(text, "latin1"))).to.equal(REFUSAL);
        expect(answered).to.be.empty;
      });
    }

    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH"]) {
      it(`the method ${method}`, async function () {
        expect(await exchange(server.url, textOf(await signed(), { method }))).to.equal(REFUSAL);
      });
    }

    const bodies: Record<string, string> = {
      "a body": "Content-Length: 2\r\n\r\n{}",
      "a body in chunks": "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
      "a body of 4 MB": `Content-Length: 4000000\r\n\r\n${"x".repeat(4_000_000)}`,
      "a body that is announced and never comes": "Content-Length: 1000000000000\r\n",
      "a body that waits for leave": "Content-Length: 2\r\nExpect: 100-continue\r\n",
      "a body of two lengths": "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
      "an expectation of another kind": "Expect: evidence\r\n",
      "more headers than fit": `X-More: ${"x".repeat(9_000)}\r\n`,
      "a header that is none": "no colon here\r\n",
    };
    for (const [what, more] of Object.entries(bodies)) {
      it(`a request with ${what}`, async function () {
        expect(await exchange(server.url, textOf(await signed(), { more }))).to.equal(REFUSAL);
        expect(answered).to.be.empty;
      });
    }

    for (const [what, bytes] of Object.entries({
      "what is not HTTP": Buffer.from("HELO example.org\r\n\r\n"),
      "the beginning of TLS": Buffer.from("160301010001", "hex"),
      "zeros without end": Buffer.alloc(100_000),
      "HTTP of another century": Buffer.from("GET / HTTP/9.9\r\n\r\n"),
      "a request without a host": Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    })) {
      it(what, async function () {
        expect(await exchange(server.url, bytes)).to.equal(REFUSAL);
      });
    }

    it("a wish to go on with another protocol", async function () {
      const more = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
      expect(await exchange(server.url, textOf(await signed({ signer: STRANGER }), { more }))).to.equal(
        REFUSAL,
      );
    });

    it("evidence that it does not have", async function () {
      const empty = await serveEvidence({ ...SERVED, answer: () => Promise.resolve(undefined) });
      try {
        expect(await exchange(empty.url, textOf(await signed()))).to.equal(REFUSAL);
      } finally {
        await empty.close();
      }
    });

    it("everybody while it does not know the chain's time", async function () {
      const early = await serveEvidence({
        ...SERVED,
        now: () => {
          throw new Error("no block was followed yet");
        },
      });
      const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
      try {
        expect(await exchange(early.url, textOf(await signed()))).to.equal(REFUSAL);
        expect((await warned).message).to.equal("no block was followed yet");
      } finally {
        await early.close();
      }
    });
  });

  it("refuses HEAD with the same head, which is all that HTTP allows", async function () {
    const [head] = REFUSAL.split(/(?<=\r\n\r\n)/);
    expect(await exchange(server.url, textOf(await signed(), { method: "HEAD" }))).to.equal(head);
  });

  it("answers the first of several requests on one connection, and ends it", async function () {
    const requests = [await signed(), await signed({ query: { ...QUERY, epoch: 7 } }), await signed()];
    const text = requests.map((request) => textOf(request)).join("");
    expect(await exchange(server.url, text)).to.equal(answerWith(EVIDENCE));
    expect(answered).to.have.length(1);
  });

  it("says that evidence could not be read, but not why, when the fault is its own", async function () {
    const broken = await serveEvidence({
      ...SERVED,
      answer: () => Promise.reject(new Error("disk on fire")),
    });
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    try {
      const answer = await exchange(broken.url, textOf(await signed()));
      expect(answer).to.equal(wire("500 Internal Server Error", '{"error":"evidence could not be read"}'));
      expect((await warned).message).to.equal("disk on fire");
      expect(await exchange(broken.url, textOf(await signed({ signer: STRANGER })))).to.equal(REFUSAL);
    } finally {
      await broken.close();
    }
  });

  it("does not send evidence that is longer than anyone reads", async function () {
    const large = await serveEvidence({ ...SERVED, limits: { answerBytes: EVIDENCE.length - 1 } });
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    try {
      expect(await exchange(large.url, textOf(await signed()))).to.match(/^HTTP\/1\.1 500 /);
      expect((await warned).message).to.equal("evidence too large: expected at most 14 bytes, received 15");
    } finally {
      await large.close();
    }
  });

  it("is at an address that IPv6 can have as well", async function () {
    const six = await serveEvidence({ ...SERVED, host: "::1" });
    try {
      expect(six.url).to.match(/^http:\/\/\[::1\]:\d+$/);
      expect(await fetchEvidence(six.url, HOLDER, QUERY, OPERATOR, CHAIN, NOW)).to.equal(EVIDENCE);
    } finally {
      await six.close();
    }
  });

  it("outlives clients that reset their connections", async function () {
    for (const method of ["GET", "POST", "CONNECT", "HELO"]) {
      const socket = dial(server.url).on("error", () => undefined);
      socket.write(textOf(await signed({ signer: STRANGER }), { method }));
      await once(socket, "data");
      socket.resetAndDestroy();
    }
    await sleep(50);
    expect(await exchange(server.url, textOf(await signed()))).to.equal(answerWith(EVIDENCE));
  });

  it("closes while a client keeps its connection open", async function () {
    const socket = dial(server.url).on("error", () => undefined);
    socket.write("GET /evi");
    await sleep(50);
    await server.close();
    socket.destroy();
    server = await serveEvidence(SERVED);
  });
});
