import { expect } from "chai";
import fc from "fast-check";

import {
  type AggregatorIntent,
  type AggregatorSituation,
  decide,
  type Policy,
  sweepDeadline,
} from "../../agents/aggregator/decide.ts";
import type { RequestRow } from "../../agents/settlement/rows.ts";
import type { Agreement, FlowRequest, Order } from "../../agents/chain/service-view.ts";
import {
  agreement,
  type Books,
  EPOCH_SECONDS,
  flowRequest,
  ledger,
  order,
  service,
  sweepAt,
} from "./situations.ts";

const POLICY: Policy = { epochsPerSweep: 1, figuresPerRequest: 100, promisedPercent: 100n };
const NOW = 100 * EPOCH_SECONDS + 5;
const RICH = { 2: 5_000_000n, 5: 1_000_000n, 6: 1_000_000n, 7: 1_000_000n };

function decisions(
  books: Books,
  change: Partial<AggregatorSituation> = {},
  policy: Partial<Policy> = {},
): AggregatorIntent[] {
  return decide(
    { ...POLICY, ...policy },
    {
      now: NOW,
      epoch: 100,
      service: service(books),
      ledger: ledger(RICH),
      forecastWh: () => 2_000n,
      ...change,
    },
  );
}

/** The requests decided on. */
function requested(...args: Parameters<typeof decisions>): Extract<AggregatorIntent, { kind: "request" }>[] {
  return decisions(...args).filter((intent) => intent.kind === "request");
}

const THREE: Agreement[] = [
  agreement({ account: 5n, price: 30_000n }),
  agreement({ account: 6n, price: 20_000n }),
  agreement({ account: 7n, price: 40_000n }),
];

describe("The Aggregator decides", function () {
  it("to do nothing while there is nothing to do", function () {
    expect(decisions({})).to.deep.equal([]);
  });

  describe("to post its bond", function () {
    it("with what is missing of it in its account", function () {
      expect(decisions({ bonded: false }, { ledger: ledger({ 2: 1_000_000n }) })).to.deep.equal([
        { kind: "postBond", short: 4_000_000n },
      ]);
      expect(decisions({ bonded: false })).to.deep.equal([{ kind: "postBond", short: 0n }]);
    });

    it("again after a fine cut it", function () {
      expect(decisions({ bonded: true }, { ledger: ledger({ 2: 4_800_000n }) })).to.deep.equal([
        { kind: "postBond", short: 200_000n },
      ]);
    });

    it("not for an ARIA whose last epoch has begun", function () {
      expect(decisions({ bonded: false, lastEpoch: 100 })).to.deep.equal([]);
      expect(decisions({ bonded: false, lastEpoch: 101 })).to.have.length(1);
    });
  });

  describe("to sweep", function () {
    const swept = (now: number, change: Parameters<typeof flowRequest>[1] = {}): number =>
      decisions({ requests: [flowRequest(98, { count: 2, ...change })] }, { now }).length;
    const end = 100 * EPOCH_SECONDS;

    it("a request from the end of its last epoch on, until the sweep window closes", function () {
      expect(swept(end - 1)).to.equal(0);
      expect(swept(end)).to.equal(1);
      expect(swept(end + 900)).to.equal(1);
      expect(swept(end + 901)).to.equal(0);
    });

    it("each once", function () {
      expect(swept(end, { sweep: sweepAt(end, 0n, 0n) })).to.equal(0);
      expect(swept(end, { released: true })).to.equal(0);
    });

    it("by the end of the first sweep window that is not over", function () {
      const deadline = (now: number, ...requests: FlowRequest[]) => sweepDeadline(service({ requests }), now);
      const [early, late] = [flowRequest(98), flowRequest(99)];
      expect(deadline(end, late, early)).to.equal(end);
      expect(deadline(end + 1, late, early)).to.equal(end + 900);
      expect(deadline(end - 1, late), "it is not over").to.be.undefined;
      expect(deadline(end + 901, late, early)).to.be.undefined;
      expect(deadline(end, { ...early, sweep: sweepAt(end, 0n) }, { ...late, released: true })).to.be
        .undefined;
    });

    it("before it requests", function () {
      const books = { requests: [flowRequest(99)], orders: [order(101, 500n)], agreements: [agreement()] };
      expect(decisions(books).map(({ kind }) => kind)).to.deep.equal(["sweep", "request"]);
    });
  });

  describe("to request", function () {
    const orders = [order(101, 3_000n, 3_000n, 3_000n, 3_000n)];

    it("the ordered baseline of the next epoch, the cheapest DERs first", function () {
      const [request, ...more] = requested({ orders, agreements: THREE });
      expect(more).to.be.empty;
      expect(request).to.include({ firstEpoch: 101, count: 1, order: orders[0] });
      expect(request?.rows.map(({ account, energyWh }) => [account, energyWh])).to.deep.equal([
        [5n, [1_000n]],
        [6n, [2_000n]],
      ]);
    });

    it("on the terms of the agreements", function () {
      const [request] = requested({ orders, agreements: [agreement()] });
      expect(request?.rows).to.deep.equal([
        { account: 5n, price: 30_000n, powerW: 10_000n, energyWh: [2_000n] },
      ]);
    });

    it("nothing without an order for the next epoch", function () {
      expect(requested({ agreements: THREE })).to.be.empty;
      expect(requested({ orders: [order(102, 1n)], agreements: THREE })).to.be.empty;
      expect(requested({ orders: [order(97, 1n, 1n, 1n, 1n)], agreements: THREE })).to.be.empty;
    });

    it("no epoch twice", function () {
      expect(requested({ orders, agreements: THREE, requests: [flowRequest(101)] })).to.be.empty;
      expect(requested({ orders, agreements: THREE, requests: [flowRequest(100)] })).to.have.length(1);
    });

    it("what is left of an order that has begun", function () {
      const begun = [order(99, 1n, 1n, 700n, 1n)];
      const [request] = requested({ orders: begun, agreements: THREE });
      expect(request?.rows.map(({ energyWh }) => energyWh)).to.deep.equal([[700n]]);
    });

    it("as many epochs at once as its policy has, the order covers and this ARIA will see", function () {
      const count = (epochsPerSweep: number, books: Books = {}): number | undefined =>
        requested({ orders, agreements: THREE, ...books }, {}, { epochsPerSweep })[0]?.count;
      expect(count(2)).to.equal(2);
      expect(count(9)).to.equal(4);
      expect(count(9, { lastEpoch: 102 })).to.equal(2);
      expect(count(9, { lastEpoch: 100 })).to.be.undefined;
      expect(count(9, { paused: true }), "in a pause").to.be.undefined;
    });

    it("only the promised share of the forecast, epoch by epoch", function () {
      const forecastWh = (_: string, epoch: number): bigint => BigInt(epoch);
      const [request] = requested(
        { orders, agreements: [agreement()] },
        { forecastWh },
        { epochsPerSweep: 3, promisedPercent: 80n },
      );
      expect(request?.rows[0]?.energyWh).to.deep.equal([80n, 81n, 82n]); // of 101, 102 and 103, rounded down
    });

    it("no more than a DER's power can deliver", function () {
      const [request] = requested(
        { orders, agreements: [agreement({ powerW: 5_001n })] },
        { forecastWh: () => 9_999n },
      );
      expect(request?.rows[0]?.energyWh).to.deep.equal([1_251n]); // a quarter hour of it, rounded up
    });

    describe("of a DER", function () {
      const asked = (change: Partial<Agreement>, policy: Partial<Policy> = {}): number =>
        requested({ orders, agreements: [agreement(change)] }, {}, policy).length;

      it("whose agreement is in force", function () {
        expect(asked({ since: 101 })).to.equal(1);
        expect(asked({ since: 102 })).to.equal(0);
        expect(asked({ status: "prospective" })).to.equal(0);
        expect(asked({ status: "closed" })).to.equal(0);
      });

      it("that leaves, as long as it stays for all epochs of the request", function () {
        expect(asked({ status: "leaving", until: 102 })).to.equal(1);
        expect(asked({ status: "leaving", until: 101 })).to.equal(0);
        expect(asked({ status: "leaving", until: 103 }, { epochsPerSweep: 2 })).to.equal(1);
        expect(asked({ status: "leaving", until: 102 }, { epochsPerSweep: 2 })).to.equal(0);
      });

      it("whose balance has not fallen under the floor of its deposit", function () {
        const with5 = (balance: bigint): number =>
          requested({ orders, agreements: [agreement()] }, { ledger: ledger({ ...RICH, 5: balance }) })
            .length;
        expect(with5(500_000n)).to.equal(1);
        expect(with5(499_999n)).to.equal(0);
      });
    });

    it("in pages that each fit a transaction", function () {
      const large = [order(101, 9_000n, 9_000n)];
      const pages = requested(
        { orders: large, agreements: THREE },
        {},
        { epochsPerSweep: 2, figuresPerRequest: 4 },
      );
      expect(pages.map(({ rows }) => rows.map(({ account }) => account))).to.deep.equal([[5n, 6n], [7n]]);
      expect(requested({ orders: large, agreements: THREE }, {}, { figuresPerRequest: 1 })).to.have.length(3);
    });

    describe("the rest of a run that it was kept from after some of its pages,", function () {
      const policy: Partial<Policy> = { epochsPerSweep: 2, figuresPerRequest: 2 };
      const rows = (...accounts: bigint[]): RequestRow[] =>
        accounts.map((account) => ({ account, price: 30_000n, powerW: 10_000n, energyWh: [2_000n, 1_000n] }));
      /** Of three DERs, these were asked for epochs 101 and 102. */
      const after = (...accounts: bigint[]): Books => {
        const request = flowRequest(101, { count: 2 }, rows(...accounts));
        const ordered: Order = { ...order(101, 6_000n, 6_000n), undrawn: [request] };
        return { orders: [ordered], requests: [request], agreements: THREE };
      };
      const accountsOf = (...args: Parameters<typeof requested>): bigint[] =>
        requested(...args).flatMap((request) => request.rows.map(({ account }) => account));

      it("to those that were not asked, and of what is left", function () {
        const pages = requested(after(5n), {}, policy);
        expect(pages.map((page) => [page.firstEpoch, page.count])).to.deep.equal([
          [101, 2],
          [101, 2],
        ]);
        expect(
          pages.flatMap((page) => page.rows.map(({ account, energyWh }) => [account, energyWh])),
        ).to.deep.equal([
          [6n, [2_000n, 2_000n]],
          [7n, [2_000n, 2_000n]],
        ]);
        expect(accountsOf(after(5n, 6n, 7n), {}, policy)).to.be.empty;
      });

      it("for the same run, whatever the policy is by now", function () {
        const [page] = requested(after(5n), {}, { epochsPerSweep: 9, figuresPerRequest: 2 });
        expect(page).to.include({ firstEpoch: 101, count: 2 });
      });

      it("not after a page that was not full: it was the last", function () {
        expect(accountsOf(after(5n), {}, { ...policy, figuresPerRequest: 4 })).to.be.empty;
        expect(accountsOf(after(5n, 6n), {}, { ...policy, figuresPerRequest: 4 })).to.deep.equal([7n]);
      });

      it("not once it has begun, nor in a pause, nor without its order", function () {
        expect(accountsOf(after(5n), { epoch: 101 }, policy), "its second epoch is to come").to.be.empty;
        expect(accountsOf({ ...after(5n), paused: true }, {}, policy)).to.be.empty;
        expect(accountsOf({ ...after(5n), orders: [] }, {}, policy)).to.be.empty;
        expect(accountsOf({ ...after(5n), orders: [order(101, 6_000n)] }, {}, policy), "too short").to.be
          .empty;
      });

      it("just as it would have been requested without a break, each DER once", function () {
        const fleet = fc.uniqueArray(
          fc.record({
            account: fc.bigInt({ min: 3n, max: 60n }),
            price: fc.bigInt({ min: 1n, max: 5n }),
            forecast: fc.bigInt({ min: 0n, max: 2_500n }),
          }),
          { minLength: 1, maxLength: 20, selector: ({ account }) => account },
        );
        const scene = fc.record({
          fleet,
          baselineWh: fc.array(fc.bigInt({ min: 0n, max: 20_000n }), { minLength: 1, maxLength: 3 }),
          figuresPerRequest: fc.integer({ min: 1, max: 12 }),
          stopAfter: fc.integer({ min: 0, max: 20 }),
        });
        fc.assert(
          fc.property(scene, ({ fleet: ders, baselineWh, figuresPerRequest, stopAfter }) => {
            const agreements = ders.map(({ account, price }) =>
              agreement({ account, price, der: `${account}` }),
            );
            const forecasts = new Map(ders.map(({ account, forecast }) => [`${account}`, forecast]));
            const balances = Object.fromEntries(ders.map(({ account }) => [`${account}`, 1_000_000n]));
            const change = {
              forecastWh: (der: string, epoch: number) => forecasts.get(der)! + BigInt(epoch % 2),
              ledger: ledger({ ...balances, 2: 5_000_000n }),
            };
            const ask = (made: readonly FlowRequest[]): ReturnType<typeof requested> => {
              const ordered: Order = { ...order(101, ...baselineWh), undrawn: [...made] };
              const books = { agreements, orders: [ordered], requests: made };
              return requested(books, change, { epochsPerSweep: 3, figuresPerRequest });
            };
            const all = ask([]);
            const made = all
              .slice(0, stopAfter)
              .map((page, i) => flowRequest(101, { id: BigInt(i), count: page.count }, page.rows));
            const rest = all.slice(stopAfter).map((page) => page.rows);
            expect(ask(made).map((page) => page.rows)).to.deep.equal(rest);
          }),
        );
      });
    });
  });
});
