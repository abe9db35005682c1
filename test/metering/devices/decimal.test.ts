import { expect } from "chai";
import fc from "fast-check";

import { microWh, parseDecimal, watts } from "../../../agents/metering/devices/decimal.ts";

describe("Decimal figures of devices", function () {
  const microWhOf = (text: string, unit: "Wh" | "kWh" | "MWh"): bigint => microWh(parseDecimal(text)!, unit);

  it("become µWh to the last digit, where a double would not", function () {
    expect(microWhOf("12345678901.123456", "Wh")).to.equal(12_345_678_901_123_456n);
    expect(microWhOf("0.1", "kWh") + microWhOf("0.2", "kWh")).to.equal(microWhOf("0.3", "kWh"));
    expect(microWhOf("8000.1", "MWh")).to.equal(8_000_100_000_000_000n);
    expect(microWhOf("1.5e3", "Wh")).to.equal(microWhOf("1.5", "kWh"));
    expect(microWhOf(" +7 ", "Wh")).to.equal(7_000_000n);
  });

  it("are rounded down, also below zero", function () {
    expect(microWhOf("0.0000019", "Wh")).to.equal(1n);
    expect(microWhOf("-0.0000011", "Wh")).to.equal(-2n);
    expect(watts(parseDecimal("2.3456")!, "kW")).to.equal(2_345n);
    expect(watts(parseDecimal("-0.5")!, "W")).to.equal(-1n);
  });

  it("are the same in each unit, however they are written", function () {
    const figure = fc.tuple(fc.bigInt(0n, 10n ** 15n), fc.integer({ min: 0, max: 6 }));
    fc.assert(
      fc.property(figure, ([digits, places]) => {
        const padded = String(digits).padStart(places + 1, "0");
        const point = padded.length - places;
        const inWh = places === 0 ? padded : `${padded.slice(0, point)}.${padded.slice(point)}`;
        const expected = digits * 10n ** BigInt(6 - places);
        expect(microWhOf(inWh, "Wh")).to.equal(expected);
        expect(microWhOf(`${inWh}e-3`, "kWh")).to.equal(expected);
        expect(microWhOf(`${digits}E-${places + 6}`, "MWh")).to.equal(expected);
      }),
    );
  });

  it("never rise by being rounded", function () {
    fc.assert(
      fc.property(fc.bigInt(), fc.integer({ min: -30, max: 10 }), (digits, exponent) => {
        const rounded = microWh({ digits, exponent }, "Wh");
        const scale = 10n ** BigInt(Math.max(0, -exponent - 6));
        const exact = digits * 10n ** BigInt(Math.max(0, exponent + 6));
        expect(rounded * scale <= exact && exact < (rounded + 1n) * scale).to.equal(true);
      }),
    );
  });

  const none = [
    "",
    " ",
    "NaN",
    "Infinity",
    "1,5",
    "0x10",
    "1.",
    ".5",
    "1e",
    "1e999",
    "--1",
    "1 2",
    "9".repeat(21),
  ];
  for (const text of none) {
    it(`are not ${JSON.stringify(text)}`, function () {
      expect(parseDecimal(text)).to.equal(undefined);
    });
  }
});
