import { expect } from "chai";
import fc from "fast-check";

import {
  findRow,
  packEnergy,
  packRows,
  packShortfalls,
  type RequestRow,
  rowBytes,
  shortfallsOfRow,
  unpackEnergy,
  unpackRows,
  unpackShortfalls,
  WireError,
} from "../../agents/settlement/rows.ts";

const uint32 = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n });

/** A request: its number of epochs, and rows that are sorted by account, each once. */
const request = fc.integer({ min: 1, max: 20 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    rows: fc
      .uniqueArray(
        fc.record({
          account: uint32,
          price: uint32,
          powerW: uint32,
          energyWh: fc.array(uint32, { minLength: count, maxLength: count }),
        }),
        { minLength: 1, maxLength: 12, selector: ({ account }) => account },
      )
      .map((rows) => rows.sort((a, b) => Number(a.account - b.account))),
  }),
);

function row(account: bigint, ...energyWh: bigint[]): RequestRow {
  return { account, price: 30_000n, powerW: 10_000n, energyWh };
}

/** What is thrown, which must be a WireError. */
function wireError(action: () => unknown): WireError {
  try {
    action();
  } catch (error) {
    expect(error).to.be.instanceOf(WireError);
    return error as WireError;
  }
  throw new Error("nothing was thrown");
}

describe("Rows on the wire", function () {
  it("lie as the contracts read them: account, price, power, then the epochs, big-endian", function () {
    const packed = packRows([{ account: 1n, price: 0x0203n, powerW: 0x0405n, energyWh: [6n, 0x01000007n] }]);
    expect(packed).to.equal(["0x", "00000001", "00000203", "00000405", "00000006", "01000007"].join(""));
  });

  it("are 12 bytes and 4 more an epoch", function () {
    expect(rowBytes(1)).to.equal(16);
    expect(rowBytes(96)).to.equal(396);
    fc.assert(
      fc.property(request, ({ rows, count }) => {
        expect(packRows(rows)).to.have.length(2 + 2 * rows.length * rowBytes(count));
      }),
    );
  });

  it("come back as they were packed", function () {
    fc.assert(
      fc.property(request, ({ rows, count }) => {
        expect(unpackRows(packRows(rows), count)).to.deep.equal(rows);
      }),
    );
  });

  it("can be none at all", function () {
    expect(unpackRows("0x", 4)).to.deep.equal([]);
    expect(unpackEnergy("0x")).to.deep.equal([]);
    expect(unpackShortfalls("0x", 4)).to.deep.equal([]);
    expect(packRows([])).to.equal("0x");
  });

  it("are refused when the length is not that of whole rows", function () {
    const packed = packRows([row(1n, 5n), row(2n, 6n)]);
    const error = wireError(() => unpackRows(packed.slice(0, -2), 1));
    expect(error.expected).to.equal("a multiple of 16 bytes");
    expect(error.received).to.equal("31 bytes");
    expect(error.message).to.equal("request: expected a multiple of 16 bytes, received 31 bytes");
    expect(wireError(() => unpackRows(packed, 2)).expected).to.equal("a multiple of 20 bytes");
  });

  it("refuse figures that do not fit their bytes, instead of cutting them off", function () {
    expect(() => packEnergy([2n ** 32n])).to.throw();
    expect(() => packEnergy([-1n])).to.throw();
    expect(() => packRows([{ ...row(1n, 1n), account: 2n ** 32n }])).to.throw();
    expect(() => packRows([{ ...row(1n, 1n), powerW: 2n ** 32n }])).to.throw();
  });
});

describe("Energy on the wire", function () {
  it("comes back as it was packed", function () {
    fc.assert(
      fc.property(fc.array(uint32, { maxLength: 100 }), (figures) => {
        expect(unpackEnergy(packEnergy(figures))).to.deep.equal(figures);
      }),
    );
  });

  it("is refused when the length is not that of whole figures", function () {
    const error = wireError(() => unpackEnergy("0x0000000102"));
    expect(error.expected).to.equal("a multiple of 4 bytes");
    expect(error.received).to.equal("5 bytes");
  });
});

describe("findRow", function () {
  it("finds each row, and its place", function () {
    fc.assert(
      fc.property(request, ({ rows, count }) => {
        const packed = packRows(rows);
        rows.forEach((each, index) => {
          expect(findRow(packed, count, each.account)).to.deep.equal({ index, row: each });
        });
      }),
    );
  });

  it("finds nothing for an account that has no row", function () {
    fc.assert(
      fc.property(request, uint32, ({ rows, count }, account) => {
        fc.pre(rows.every((each) => each.account !== account));
        expect(findRow(packRows(rows), count, account)).to.be.undefined;
      }),
    );
    expect(findRow("0x", 1, 1n)).to.be.undefined;
  });

  it("is not misled by an account's number among the other figures", function () {
    const packed = packRows([row(1n, 7n, 7n), { ...row(9n, 7n, 7n), price: 7n, powerW: 7n }]);
    expect(findRow(packed, 2, 7n)).to.be.undefined;
  });
});

describe("Shortfalls on the wire", function () {
  it("come back as they were packed, together and row by row", function () {
    fc.assert(
      fc.property(request, ({ rows, count }) => {
        const missing = rows.map(({ energyWh }) => energyWh.map((wh) => wh / 2n));
        const packed = packShortfalls(missing);
        expect(unpackShortfalls(packed, count)).to.deep.equal(missing);
        missing.forEach((of, index) => {
          expect(shortfallsOfRow(packed, count, index)).to.deep.equal(of);
        });
      }),
    );
  });

  it("are refused when the length is not that of whole rows", function () {
    const packed = packShortfalls([
      [1n, 2n],
      [3n, 4n],
    ]);
    expect(wireError(() => unpackShortfalls(packed, 3)).message).to.equal(
      "shortfalls: expected a multiple of 12 bytes, received 16 bytes",
    );
  });
});
