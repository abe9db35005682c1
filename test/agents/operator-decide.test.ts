import { expect } from "chai";

import type { Ledger } from "../../agents/chain/ledger.ts";
import {
  COMMISSIONINGS_PER_PAGE,
  decide,
  type OperatorIntent,
  type OperatorSituation,
  type Policy,
  RELEASES_PER_PAGE,
  rulingDeadline,
} from "../../agents/operator/decide.ts";
import {
  agreement,
  type Books,
  dispute,
  EPOCH_SECONDS,
  flowRequest,
  ledger,
  METER,
  order,
  service,
  sweepAt,
} from "./situations.ts";

const POLICY: Policy = {
  funds: { minimum: 1_000n, target: 5_000n },
  epochsPerOrder: 4,
  firstEpoch: 0,
  untilEpoch: undefined,
};
const FUNDED: Ledger = ledger({ 1: 5_000n });
const NOW = 100 * EPOCH_SECONDS + 5;

function decisions(
  books: Books,
  change: Partial<OperatorSituation> = {},
  policy: Partial<Policy> = {},
): OperatorIntent[] {
  return decide(
    { ...POLICY, ...policy },
    {
      now: NOW,
      epoch: 100,
      service: service(books),
      ledger: FUNDED,
      baselineWh: (epoch) => BigInt(10 * epoch),
      inspected: () => true,
      audited: () => false,
      ...change,
    },
  );
}

function allOf<K extends OperatorIntent["kind"]>(
  kind: K,
  intents: readonly OperatorIntent[],
): Extract<OperatorIntent, { kind: K }>[] {
  return intents.filter((intent) => intent.kind === kind) as Extract<OperatorIntent, { kind: K }>[];
}

/** The decision of one kind, alone of its kind; undefined if there is none. */
function decision<K extends OperatorIntent["kind"]>(
  kind: K,
  intents: readonly OperatorIntent[],
): Extract<OperatorIntent, { kind: K }> | undefined {
  const those = allOf(kind, intents);
  expect(those.length).to.be.at.most(1);
  return those[0];
}

const ANOTHER = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
const ORDERED = { orders: [order(100, 1n, 1n, 1n, 1n)] };

describe("The Operator decides", function () {
  it("to do nothing while all is in order", function () {
    expect(decisions({ ...ORDERED, agreements: [agreement()], requests: [flowRequest(101)] })).to.deep.equal(
      [],
    );
  });

  describe("to fund its account", function () {
    it("up to the target, when it falls under the minimum", function () {
      const funded = (balance: bigint): OperatorIntent[] =>
        decisions(ORDERED, { ledger: ledger({ 1: balance }) });
      expect(funded(999n)).to.deep.equal([{ kind: "fund", amount: 4_001n }]);
      expect(funded(1_000n)).to.deep.equal([]);
    });

    it("before it orders", function () {
      const kinds = decisions({}, { ledger: ledger({}) }).map(({ kind }) => kind);
      expect(kinds).to.deep.equal(["fund", "order"]);
    });
  });

  describe("to commission", function () {
    it("all that wait and whose meters were inspected", function () {
      const waiting = [
        agreement({ account: 5n, der: "A", status: "prospective" }),
        agreement({ account: 6n, der: "B", status: "prospective", offeredMeter: "not inspected" }),
        agreement({ account: 7n, der: "C", status: "prospective", offeredMeter: ANOTHER }),
        agreement({ account: 8n, der: "D", status: "active" }),
        agreement({ account: 9n, der: "E", status: "leaving" }),
        agreement({ account: 10n, der: "F", status: "closed" }),
      ];
      const inspected = (meter: string): boolean => [METER, ANOTHER].includes(meter);
      expect(decisions({ ...ORDERED, agreements: waiting }, { inspected })).to.deep.equal([
        {
          kind: "commission",
          commissionings: [
            { der: "A", meter: METER },
            { der: "C", meter: ANOTHER },
          ],
        },
      ]);
    });

    it("nobody with a key that is another's, or that two offer: whose meter it is a person has to see", function () {
      const meters = [{ key: METER, fromEpoch: 90 }];
      const copied = agreement({ account: 6n, der: "B", status: "prospective" });
      for (const other of [
        agreement({ meters }),
        agreement({ meters, status: "closed" }),
        agreement({ status: "prospective" }),
      ])
        expect(decisions({ ...ORDERED, agreements: [other, copied] })).to.deep.equal([]);
      const again = agreement({ account: 6n, der: "B", status: "prospective", meters });
      const turnedAway = agreement({ status: "closed" });
      const [commission] = allOf("commission", decisions({ ...ORDERED, agreements: [turnedAway, again] }));
      expect(commission?.commissionings).to.deep.equal([{ der: "B", meter: METER }]);
    });
  });

  it("to commission, and to release, in pages that each fit a transaction", function () {
    const waiting = Array.from({ length: 2 * COMMISSIONINGS_PER_PAGE + 1 }, (_, i) =>
      agreement({ account: BigInt(i), der: `${i}`, status: "prospective", offeredMeter: `meter ${i}` }),
    );
    const pages = allOf("commission", decisions({ ...ORDERED, agreements: waiting }));
    const page = COMMISSIONINGS_PER_PAGE;
    expect(pages.map(({ commissionings }) => commissionings.length)).to.deep.equal([page, page, 1]);
    const ders = pages.flatMap(({ commissionings }) => commissionings.map(({ der }) => der));
    expect(ders).to.deep.equal(waiting.map(({ der }) => der));

    const over = Array.from({ length: RELEASES_PER_PAGE + 1 }, (_, i) => flowRequest(50, { id: BigInt(i) }));
    const ids = allOf("release", decisions({ ...ORDERED, requests: over })).map(
      ({ requestIds }) => requestIds,
    );
    expect(ids.map(({ length }) => length)).to.deep.equal([RELEASES_PER_PAGE, 1]);
    expect(ids.flat()).to.deep.equal(over.map(({ id }) => id));
  });

  describe("to order", function () {
    it("what the grid needs, from the next epoch on", function () {
      expect(decisions({})).to.deep.equal([
        { kind: "order", firstEpoch: 101, baselineWh: [1_010n, 1_020n, 1_030n, 1_040n] },
      ]);
    });

    it("not before the first epoch of its policy", function () {
      expect(decisions({}, {}, { firstEpoch: 102 })).to.deep.equal([]);
      expect(decision("order", decisions({}, { epoch: 101 }, { firstEpoch: 102 }))).to.include({
        firstEpoch: 102,
      });
    });

    it("next when the last order runs out, and from its end on", function () {
      const next = (epoch: number): OperatorIntent[] =>
        decisions({ orders: [order(101, 1n, 1n, 1n)] }, { epoch });
      expect(next(101)).to.deep.equal([]);
      expect(next(102)).to.deep.equal([]);
      expect(decision("order", next(103))).to.include({ firstEpoch: 104 });
      expect(decision("order", next(110))).to.include({ firstEpoch: 111 }); // not what has begun
    });

    it("no more epochs than it is to, or than this ARIA will see", function () {
      const epochs = (books: Books, policy: Partial<Policy> = {}): number =>
        decision("order", decisions(books, {}, policy))?.baselineWh.length ?? 0;
      expect(epochs({}, { untilEpoch: 103 })).to.equal(2);
      expect(epochs({}, { untilEpoch: 101 })).to.equal(0);
      expect(epochs({ lastEpoch: 103 })).to.equal(3);
      expect(epochs({ lastEpoch: 100 })).to.equal(0);
      expect(epochs({ lastEpoch: 99 })).to.equal(0);
    });
  });

  describe("to rule", function () {
    it("on each open dispute while there is time", function () {
      const [first, second] = [dispute(NOW - 100), dispute(NOW - 1_800, { id: 2n })];
      expect(decisions({ ...ORDERED, disputes: [first, second] })).to.deep.equal([
        { kind: "rule", dispute: first },
        { kind: "rule", dispute: second },
      ]);
    });

    it("by the end of the first ruling window that is not over", function () {
      const deadline = (...raised: [at: number, change?: Parameters<typeof dispute>[1]][]) =>
        rulingDeadline(
          service({
            disputes: raised.map(([at, change], i) => dispute(NOW - at, { id: BigInt(i), ...change })),
          }),
          NOW,
        );
      expect(deadline()).to.be.undefined;
      expect(deadline([100], [1_700], [1_801])).to.equal(NOW + 100);
      expect(deadline([1_700, { status: "ruled" }], [1_801])).to.be.undefined;
    });

    it("on none that is over, or overdue", function () {
      const disputes = [
        dispute(NOW - 100, { id: 1n, status: "ruled" }),
        dispute(NOW - 100, { id: 2n, status: "defaulted" }),
        dispute(NOW - 1_801, { id: 3n }),
      ];
      expect(decisions({ ...ORDERED, disputes })).to.deep.equal([]);
    });
  });

  describe("to audit a sweep", function () {
    const audited = (request: ReturnType<typeof flowRequest>, of: Partial<OperatorSituation> = {}) =>
      decision("audit", decisions({ ...ORDERED, requests: [request] }, of))?.request;
    const WINDOW = 300;

    it("once its dispute window is over, and not for ever", function () {
      const sweptBefore = (seconds: number) => flowRequest(90, { sweep: sweepAt(NOW - seconds, 0n) });
      for (const seconds of [WINDOW + 1, WINDOW + 3_600]) {
        const request = sweptBefore(seconds);
        expect(audited(request), `${seconds}`).to.equal(request);
      }
      for (const seconds of [0, WINDOW, WINDOW + 3_601])
        expect(audited(sweptBefore(seconds)), `${seconds}`).to.be.undefined;
      expect(audited(flowRequest(90))).to.be.undefined;
    });

    it("not while it is disputed, whose fine is the DER's, and not twice", function () {
      const sweep = sweepAt(NOW - WINDOW - 1, 0n);
      expect(audited(flowRequest(90, { sweep, openDisputes: 1 }))).to.be.undefined;
      expect(audited(flowRequest(90, { sweep }), { audited: () => true })).to.be.undefined;
      const released = flowRequest(90, { sweep, released: true });
      expect(audited(released)).to.equal(released);
    });

    it("only while there is a bond to fine the Aggregator from", function () {
      const requests = [flowRequest(90, { sweep: sweepAt(NOW - WINDOW - 1, 0n) })];
      for (const bonded of [true, false])
        expect(allOf("audit", decisions({ ...ORDERED, requests, bonded }))).to.have.length(bonded ? 1 : 0);
    });
  });

  describe("to release the escrow", function () {
    const released = (...requests: ReturnType<typeof flowRequest>[]): bigint[] =>
      decision("release", decisions({ ...ORDERED, requests }))?.requestIds ?? [];

    it("of a swept request once its dispute window is over", function () {
      expect(released(flowRequest(90, { sweep: sweepAt(NOW - 301, 0n) }))).to.deep.equal([90n]);
      expect(released(flowRequest(90, { sweep: sweepAt(NOW - 300, 0n) }))).to.deep.equal([]);
    });

    it("of a request never swept once sweep and dispute windows are over", function () {
      // Epoch 98 ends at 99 * 900 s; 900 s to sweep, then 300 s to dispute.
      const lapsed = 99 * EPOCH_SECONDS + 900 + 1 + 300;
      const at = (now: number): OperatorIntent[] =>
        decisions({ ...ORDERED, requests: [flowRequest(98)] }, { now });
      expect(decision("release", at(lapsed))).to.be.undefined;
      expect(decision("release", at(lapsed + 1))).to.deep.equal({ kind: "release", requestIds: [98n] });
    });

    it("of none that is disputed, or was released before", function () {
      const sweep = sweepAt(NOW - 1_000, 0n);
      expect(released(flowRequest(90, { sweep, openDisputes: 1 }))).to.deep.equal([]);
      expect(released(flowRequest(90, { sweep, released: true }))).to.deep.equal([]);
    });

    it("of all of them at once", function () {
      const sweep = sweepAt(NOW - 1_000, 0n);
      expect(
        released(flowRequest(90, { sweep }), flowRequest(91, { sweep }), flowRequest(101)),
      ).to.deep.equal([90n, 91n]);
    });
  });

  it("what is most urgent first", function () {
    const sweep = sweepAt(NOW - 1_000, 0n);
    const books: Books = {
      disputes: [dispute(NOW)],
      requests: [flowRequest(90, { sweep })],
      agreements: [agreement({ status: "prospective" })],
    };
    const kinds = decisions(books, { ledger: ledger({}) }).map(({ kind }) => kind);
    expect(kinds).to.deep.equal(["rule", "audit", "release", "fund", "commission", "order"]);
  });
});
