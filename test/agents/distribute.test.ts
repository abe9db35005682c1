import { expect } from "chai";
import fc from "fast-check";

import { distribute, type Offer, shortfalls } from "../../agents/aggregator/distribute.ts";
import { paged } from "../../agents/chain/pages.ts";

describe("distribute", function () {
  const wh = fc.bigInt({ min: 0n, max: 5_000n });
  const scene = fc.integer({ min: 1, max: 5 }).chain((epochs) =>
    fc.record({
      baselineWh: fc.array(wh, { minLength: epochs, maxLength: epochs }),
      offers: fc.uniqueArray(
        fc.record({
          account: fc.bigInt({ min: 1n, max: 50n }),
          price: fc.bigInt({ min: 1n, max: 5n }),
          powerW: wh,
          capacityWh: wh,
          forecastWh: fc.array(wh, { minLength: epochs, maxLength: epochs }),
        }),
        { maxLength: 8, selector: ({ account }) => account },
      ),
    }),
  );

  const mostOf = ({ capacityWh, forecastWh }: Offer, epoch: number): bigint =>
    forecastWh[epoch]! < capacityWh ? forecastWh[epoch]! : capacityWh;
  const askedOf = (rows: ReturnType<typeof distribute>, { account }: Offer, epoch: number): bigint =>
    rows.find((row) => row.account === account)?.energyWh[epoch] ?? 0n;
  const total = (figures: readonly bigint[]): bigint => figures.reduce((sum, figure) => sum + figure, 0n);

  it("asks for all of the baseline if it can be had, and never for more", function () {
    fc.assert(
      fc.property(scene, ({ baselineWh, offers }) => {
        const rows = distribute(baselineWh, offers);
        baselineWh.forEach((ordered, epoch) => {
          const available = total(offers.map((offer) => mostOf(offer, epoch)));
          const asked = total(offers.map((offer) => askedOf(rows, offer, epoch)));
          expect(asked).to.equal(ordered < available ? ordered : available);
        });
      }),
    );
  });

  it("asks nobody for more than its forecast and its power", function () {
    fc.assert(
      fc.property(scene, ({ baselineWh, offers }) => {
        const rows = distribute(baselineWh, offers);
        for (const offer of offers) {
          for (const epoch of baselineWh.keys()) {
            expect(askedOf(rows, offer, epoch) <= mostOf(offer, epoch)).to.be.true;
          }
        }
      }),
    );
  });

  it("asks a dearer DER only for what the cheaper ones do not have", function () {
    fc.assert(
      fc.property(scene, ({ baselineWh, offers }) => {
        const rows = distribute(baselineWh, offers);
        for (const epoch of baselineWh.keys()) {
          for (const dearer of offers.filter((offer) => askedOf(rows, offer, epoch) > 0n)) {
            for (const cheaper of offers.filter(({ price }) => price < dearer.price)) {
              expect(askedOf(rows, cheaper, epoch)).to.equal(mostOf(cheaper, epoch));
            }
          }
        }
      }),
    );
  });

  it("gives rows sorted by account, each once, and none that asks for nothing", function () {
    fc.assert(
      fc.property(scene, ({ baselineWh, offers }) => {
        const rows = distribute(baselineWh, offers);
        const accounts = rows.map(({ account }) => account);
        expect(accounts).to.deep.equal([...new Set(accounts)].sort((a, b) => Number(a - b)));
        for (const { energyWh } of rows) {
          expect(energyWh).to.have.length(baselineWh.length);
          expect(total(energyWh) > 0n).to.be.true;
        }
      }),
    );
  });

  it("prefers the lower account among equal prices, in whatever order they offer", function () {
    const offer = { price: 1n, powerW: 0n, capacityWh: 100n, forecastWh: [100n] };
    const offers = [
      { ...offer, account: 9n },
      { ...offer, account: 3n },
    ];
    expect(distribute([150n], offers).map(({ account, energyWh }) => [account, energyWh])).to.deep.equal([
      [3n, [100n]],
      [9n, [50n]],
    ]);
  });
});

describe("paged", function () {
  it("splits rows without losing, doubling or moving any", function () {
    const accounts = fc.array(fc.bigInt({ min: 1n, max: 99n }), { maxLength: 30 });
    fc.assert(
      fc.property(accounts, fc.integer({ min: 1, max: 10 }), (list, size) => {
        const rows = list.map((account) => ({ account, price: 1n, powerW: 1n, energyWh: [1n] }));
        const pages = paged(rows, size);
        expect(pages.flat()).to.deep.equal(rows);
        for (const page of pages) expect(page.length).to.be.within(1, size);
      }),
    );
  });
});

describe("shortfalls", function () {
  it("are what is missing, and nothing where more was delivered", function () {
    expect(shortfalls([100n, 100n, 100n, 0n], [100n, 30n, 150n, 5n])).to.deep.equal([0n, 70n, 0n, 0n]);
    expect(shortfalls([100n, 100n], [])).to.deep.equal([100n, 100n]);
  });
});
