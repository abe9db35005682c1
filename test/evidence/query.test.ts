import { request } from "node:http";

import { expect } from "chai";
import { Wallet } from "ethers";

import { type EvidenceQuery, fetchEvidence, readQuery, requesterOf } from "../../agents/evidence/query.ts";
import { type EvidenceServer, serveEvidence } from "../../agents/evidence/server.ts";

const ARIA = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
const OTHER_ARIA = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB";
const CHAIN = 31_337n;
const NOW = 1_782_000_000;
const OPERATOR = new Wallet(`0x${"0a".repeat(32)}`);
/** Whose evidence it is. */
const HOLDER = new Wallet(`0x${"0c".repeat(32)}`).address;
const STRANGER = new Wallet(`0x${"0b".repeat(32)}`);
const QUERY: EvidenceQuery = { aria: ARIA, account: 5n, epoch: 1_980_000 };
const EVIDENCE = '{"it":"flowed"}';
const REFUSAL = '{"error":"no evidence for you here"}';

interface Answer {
  status: number | undefined;
  type: string | undefined;
  body: string;
}

/** Sends just this, and returns the answer as it comes. */
function send(
  url: string,
  path: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(new URL(path, url), { method, headers }, (response) => {
      let body = "";
      response
        .setEncoding("utf8")
        .on("data", (chunk: string) => (body += chunk))
        .on("end", () => {
          resolve({ status: response.statusCode, type: response.headers["content-type"], body });
        });
    })
      .on("error", reject)
      .end();
  });
}

/** What fetchEvidence sends, kept for the tests to alter. */
async function signedRequest(
  query = QUERY,
  signer = OPERATOR,
  now = NOW,
  holder = HOLDER,
): Promise<{ path: string; authorization: string }> {
  let kept = { path: "", authorization: "" };
  const eavesdropper = await serveEvidence({ ...LISTEN, answer: () => Promise.resolve(undefined) });
  const inner = globalThis.fetch;
  globalThis.fetch = (input, init) => {
    const { pathname, search } = input as URL;
    const { authorization } = init?.headers as Record<"authorization", string>;
    kept = { path: `${pathname}${search}`, authorization };
    return inner(input, init);
  };
  try {
    await fetchEvidence(eavesdropper.url, holder, query, signer, CHAIN, now);
  } finally {
    globalThis.fetch = inner;
    await eavesdropper.close();
  }
  return kept;
}

const LISTEN = {
  holder: HOLDER,
  host: "127.0.0.1",
  port: 0,
  chainId: CHAIN,
  now: () => NOW,
};

describe("Evidence over HTTP", function () {
  let server: EvidenceServer;
  let asked: { query: EvidenceQuery; requester: string }[];

  beforeEach(async function () {
    asked = [];
    server = await serveEvidence({
      ...LISTEN,
      answer: (query, requester) => {
        asked.push({ query, requester });
        const { aria, account, epoch } = query;
        const entitled =
          requester === OPERATOR.address && aria === ARIA && account === 5n && epoch === QUERY.epoch;
        return Promise.resolve(entitled ? EVIDENCE : undefined);
      },
    });
  });

  afterEach(async function () {
    await server.close();
  });

  it("answers whom it is for", async function () {
    expect(await fetchEvidence(server.url, HOLDER, QUERY, OPERATOR, CHAIN, NOW)).to.equal(EVIDENCE);
    expect(asked).to.deep.equal([{ query: QUERY, requester: OPERATOR.address }]);
  });

  it("answers with JSON", async function () {
    const { path, authorization } = await signedRequest();
    expect(await send(server.url, path, { authorization })).to.deep.equal({
      status: 200,
      type: "application/json",
      body: EVIDENCE,
    });
  });

  it("is nothing to a party that is not entitled", async function () {
    expect(await fetchEvidence(server.url, HOLDER, QUERY, STRANGER, CHAIN, NOW)).to.be.undefined;
    expect(asked.map(({ requester }) => requester)).to.deep.equal([STRANGER.address]);
  });

  it("is nothing where nobody answers", async function () {
    await server.close();
    expect(await fetchEvidence(server.url, HOLDER, QUERY, OPERATOR, CHAIN, NOW)).to.be.undefined;
    server = await serveEvidence({ ...LISTEN, answer: () => Promise.resolve(undefined) });
  });

  it("can be asked for during five minutes of chain time, and not after", async function () {
    for (const [signedAt, body] of [
      [NOW, EVIDENCE],
      [NOW - 300, EVIDENCE],
      [NOW - 301, REFUSAL],
    ] as const) {
      const { path, authorization } = await signedRequest(QUERY, OPERATOR, signedAt);
      expect((await send(server.url, path, { authorization })).body, `signed at ${signedAt}`).to.equal(body);
    }
  });

  describe("refuses, all with the same answer:", function () {
    const REFUSED: Answer = { status: 404, type: "application/json", body: REFUSAL };
    let path: string;
    let authorization: string;

    before(async function () {
      ({ path, authorization } = await signedRequest());
    });

    /** What is sent instead of the entitled request. */
    const cases: Record<string, () => [string, Record<string, string>, string?]> = {
      "no authorization": () => [path, {}],
      "another scheme": () => [path, { authorization: authorization.replace("ProofOfFlow", "Bearer") }],
      "a signature cut short": () => [path, { authorization: authorization.slice(0, -2) }],
      "a signature that nobody can have made": () => [
        path,
        { authorization: authorization.slice(0, -2).concat("05") },
      ],
      "a signature of nothing but zeros": () => [
        path,
        { authorization: authorization.replace(/0x.*/, `0x${"00".repeat(65)}`) },
      ],
      "a longer life than was signed": () => [
        path,
        { authorization: authorization.replace(String(NOW + 300), String(NOW + 9_999)) },
      ],
      "a request that expired": () => [
        path,
        { authorization: authorization.replace(String(NOW + 300), String(NOW - 1)) },
      ],
      "a request replayed for another epoch": () => [
        path.replace(`epoch=${QUERY.epoch}`, `epoch=${QUERY.epoch + 1}`),
        { authorization },
      ],
      "a request replayed for another account": () => [
        path.replace("account=5", "account=6"),
        { authorization },
      ],
      "a request replayed to another ARIA": () => [path.replace(ARIA, OTHER_ARIA), { authorization }],
      "an address with a wrong checksum": () => [
        path.replace(ARIA, ARIA.replace("fB69", "Fb69")),
        { authorization },
      ],
      "no query": () => ["/evidence", { authorization }],
      "a parameter left out": () => [path.replace(/&epoch=\d+/, ""), { authorization }],
      "a parameter too many": () => [`${path}&more=1`, { authorization }],
      "an account that is no number": () => [path.replace("account=5", "account=0x5"), { authorization }],
      "an account that is negative": () => [path.replace("account=5", "account=-5"), { authorization }],
      "an account beyond 32 bits": () => [path.replace("account=5", "account=9999999999"), { authorization }],
      "an epoch beyond 32 bits": () => [
        path.replace(`epoch=${QUERY.epoch}`, "epoch=9999999999"),
        { authorization },
      ],
      "another path": () => [path.replace("/evidence", "/"), { authorization }],
      "the method POST": () => [path, { authorization }, "POST"],
      "the method PUT": () => [path, { authorization }, "PUT"],
      "the method DELETE": () => [path, { authorization }, "DELETE"],
      "the method OPTIONS": () => [path, { authorization }, "OPTIONS"],
    };
    for (const [what, altered] of Object.entries(cases)) {
      it(what, async function () {
        const [target, headers, method] = altered();
        expect(await send(server.url, target, headers, method)).to.deep.equal(REFUSED);
        expect(asked.filter(({ requester }) => requester === OPERATOR.address)).to.be.empty;
      });
    }

    it("an address without its checksum", async function () {
      const headers = { authorization };
      expect(await send(server.url, path.replace(ARIA, ARIA.toLowerCase()), headers)).to.deep.equal(REFUSED);
    });

    it("a request that was made to another party, and passed on", async function () {
      const passedOn = await signedRequest(QUERY, OPERATOR, NOW, STRANGER.address);
      const headers = { authorization: passedOn.authorization };
      expect(await send(server.url, passedOn.path, headers)).to.deep.equal(REFUSED);
    });

    it("a request that a stranger signed", async function () {
      const foreign = await signedRequest(QUERY, STRANGER);
      const headers = { authorization: foreign.authorization };
      expect(await send(server.url, foreign.path, headers)).to.deep.equal(REFUSED);
    });

    it("evidence that it does not have", async function () {
      const other = await signedRequest({ ...QUERY, epoch: 7 });
      const headers = { authorization: other.authorization };
      expect(await send(server.url, other.path, headers)).to.deep.equal(REFUSED);
    });
  });

  it("says that evidence could not be read, but not why, when the fault is its own", async function () {
    const broken = await serveEvidence({
      ...LISTEN,
      answer: () => Promise.reject(new Error("disk on fire")),
    });
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    try {
      const { path, authorization } = await signedRequest();
      const { status, body } = await send(broken.url, path, { authorization });
      expect(status).to.equal(500);
      expect(body).to.equal('{"error":"evidence could not be read"}');
      expect((await warned).message).to.equal("disk on fire");
      expect(await fetchEvidence(broken.url, HOLDER, QUERY, OPERATOR, CHAIN, NOW)).to.be.undefined;
    } finally {
      await broken.close();
    }
  });

  it("is served at an address that IPv6 can have as well", async function () {
    const six = await serveEvidence({
      ...LISTEN,
      host: "::1",
      answer: () => Promise.resolve(EVIDENCE),
    });
    try {
      expect(six.url).to.match(/^http:\/\/\[::1\]:\d+$/);
      expect(await fetchEvidence(six.url, HOLDER, QUERY, OPERATOR, CHAIN, NOW)).to.equal(EVIDENCE);
    } finally {
      await six.close();
    }
  });
});

describe("A signed query", function () {
  it("reads as it was sent, and gives its signer away for this holder, ARIA and chain only", async function () {
    const { path, authorization } = await signedRequest();
    const signed = readQuery("GET", path, authorization)!;
    expect(signed.query).to.deep.equal(QUERY);
    expect(signed.expires).to.equal(NOW + 300);
    expect(requesterOf({ chainId: CHAIN, aria: ARIA }, HOLDER, signed)).to.equal(OPERATOR.address);
    expect(requesterOf({ chainId: CHAIN, aria: OTHER_ARIA }, HOLDER, signed)).to.not.equal(OPERATOR.address);
    expect(requesterOf({ chainId: CHAIN, aria: ARIA }, STRANGER.address, signed)).to.not.equal(
      OPERATOR.address,
    );
    expect(requesterOf({ chainId: 1n, aria: ARIA }, HOLDER, signed)).to.not.equal(OPERATOR.address);
  });
});
