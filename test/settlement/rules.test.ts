import { expect } from "chai";
import fc from "fast-check";

import {
  BPS,
  capacityWh,
  depositFor,
  escrow,
  excess,
  fee,
  floorOf,
  payment,
  penalty,
  refund,
  tolerance,
} from "../../agents/settlement/rules.ts";

const uint = (most: bigint): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max: most });
const energyWh = uint(2n ** 32n - 1n);
const price = uint(2n ** 32n - 1n);
const share = uint(BPS);

/** Cuts a whole into parts, each at least zero, that make it up again. */
function parts(whole: bigint, cuts: readonly bigint[]): bigint[] {
  const places = [0n, ...cuts.map((cut) => cut % (whole + 1n)), whole].sort((a, b) => Number(a - b));
  return places.slice(1).map((place, i) => place - (places[i] ?? 0n));
}

function total(figures: readonly bigint[]): bigint {
  return figures.reduce((sum, figure) => sum + figure, 0n);
}

const cuts = fc.array(energyWh, { maxLength: 6 });

describe("Settlement rules", function () {
  describe("payment", function () {
    it("is the energy's price per kWh, rounded down", function () {
      expect(payment(1_000n, 30_000n)).to.equal(30_000n);
      expect(payment(999n, 1n)).to.equal(0n);
      expect(payment(1_999n, 1n)).to.equal(1n);
      expect(payment(0n, 30_000n)).to.equal(0n);
    });

    it("is never more for the parts than for the whole", function () {
      fc.assert(
        fc.property(energyWh, price, cuts, (whole, at, where) => {
          const paid = total(parts(whole, where).map((part) => payment(part, at)));
          expect(paid <= payment(whole, at)).to.be.true;
          expect(payment(whole, at) - paid <= BigInt(where.length)).to.be.true; // less than a unit a cut
        }),
      );
    });
  });

  describe("fee", function () {
    it("is a share of what is paid, rounded down", function () {
      expect(fee(10_000n, 300n)).to.equal(300n);
      expect(fee(33n, 300n)).to.equal(0n);
      expect(fee(34n, 300n)).to.equal(1n);
      expect(fee(10_000n, 0n)).to.equal(0n);
    });
  });

  describe("escrow", function () {
    it("is price and fee, rounded up", function () {
      expect(escrow(1_000n, 10_000n, 300n)).to.equal(10_300n);
      expect(escrow(1n, 1n, 0n)).to.equal(1n);
      expect(escrow(1_001n, 1n, 0n)).to.equal(2n);
      expect(escrow(0n, 30_000n, 300n)).to.equal(0n);
    });

    it("covers the payment, the fee on it and every award on what is left", function () {
      fc.assert(
        fc.property(energyWh, price, share, cuts, (requested, at, feeBps, where) => {
          const [credited = 0n, ...awards] = parts(requested, where);
          const paid = payment(credited, at);
          const due = paid + fee(paid, feeBps) + total(awards.map((award) => payment(award, at)));
          expect(due <= escrow(requested, at, feeBps)).to.be.true;
        }),
      );
    });

    it("covers a request of many rows, whose fee is taken on the sum", function () {
      const row = fc.tuple(energyWh, price, share);
      fc.assert(
        fc.property(fc.array(row, { minLength: 1, maxLength: 8 }), share, (rows, feeBps) => {
          const held = total(rows.map(([requested, at]) => escrow(requested, at, feeBps)));
          const credited = rows.map(([requested, at, delivered]) =>
            payment((requested * delivered) / BPS, at),
          );
          expect(total(credited) + fee(total(credited), feeBps) <= held).to.be.true;
        }),
      );
    });
  });

  describe("tolerance", function () {
    it("is a share of the energy, rounded down, but at least the floor", function () {
      expect(tolerance(10_000n, 200n, 10n)).to.equal(200n);
      expect(tolerance(549n, 200n, 10n)).to.equal(10n);
      expect(tolerance(599n, 200n, 10n)).to.equal(11n);
      expect(tolerance(0n, 200n, 10n)).to.equal(10n);
      expect(tolerance(49n, 200n, 0n)).to.equal(0n);
    });
  });

  describe("excess", function () {
    it("is what is missing beyond the tolerance", function () {
      expect(excess(10_000n, 1_000n, 1_000n, 10n)).to.equal(0n);
      expect(excess(10_000n, 1_001n, 1_000n, 10n)).to.equal(1n);
      expect(excess(10_000n, 10_000n, 1_000n, 10n)).to.equal(9_000n);
      expect(excess(50n, 10n, 1_000n, 10n)).to.equal(0n);
    });

    it("is never more than what is missing, and grows from zero at the edge", function () {
      fc.assert(
        fc.property(energyWh, energyWh, share, uint(100n), (requested, missing, bps, floor) => {
          const beyond = excess(requested, missing, bps, floor);
          const next = excess(requested, missing + 1n, bps, floor);
          expect(beyond <= missing).to.be.true;
          expect(next - beyond === 0n || next - beyond === 1n).to.be.true;
        }),
      );
    });
  });

  describe("penalty", function () {
    it("is a share of the missing energy's price, rounded down once", function () {
      expect(penalty(9_000n, 30_000n, 5_000n)).to.equal(135_000n);
      expect(penalty(1n, 1_999n, 10_000n)).to.equal(1n);
      expect(penalty(3n, 1_000n, 5_000n)).to.equal(1n); // 1.5
      expect(penalty(0n, 30_000n, 5_000n)).to.equal(0n);
    });
  });

  describe("refund", function () {
    it("is in proportion to what is forgiven, rounded down", function () {
      expect(refund(100n, 3n, 1n)).to.equal(33n);
      expect(refund(100n, 3n, 3n)).to.equal(100n);
      expect(refund(100n, 3n, 0n)).to.equal(0n);
    });

    it("is nothing where nothing was penalised", function () {
      expect(refund(0n, 0n, 0n)).to.equal(0n);
    });

    it("of all disputes together is never more than what was taken", function () {
      fc.assert(
        fc.property(uint(2n ** 64n - 1n), energyWh, cuts, (taken, penalised, where) => {
          const refunds = parts(penalised, where).map((forgiven) => refund(taken, penalised, forgiven));
          expect(total(refunds) <= taken).to.be.true;
        }),
      );
    });
  });

  describe("capacity", function () {
    it("is what a power can deliver in an epoch, rounded up", function () {
      expect(capacityWh(10_000n, 900n)).to.equal(2_500n);
      expect(capacityWh(1n, 900n)).to.equal(1n);
      expect(capacityWh(5n, 900n)).to.equal(2n);
      expect(capacityWh(0n, 900n)).to.equal(0n);
    });

    it("refuses nobody who runs at full power", function () {
      fc.assert(
        fc.property(energyWh, uint(86_400n), (powerW, seconds) => {
          expect(capacityWh(powerW, seconds) * 3_600n >= powerW * seconds).to.be.true;
        }),
      );
    });
  });

  describe("deposit", function () {
    it("goes by the kW, rounded up", function () {
      expect(depositFor(10_000n, 100_000n)).to.equal(1_000_000n);
      expect(depositFor(1n, 1n)).to.equal(1n);
      expect(depositFor(1_001n, 1n)).to.equal(2n);
    });

    it("has a floor, a share of it, rounded up", function () {
      expect(floorOf(1_000_000n, 5_000n)).to.equal(500_000n);
      expect(floorOf(1n, 5_000n)).to.equal(1n);
      expect(floorOf(3n, 5_000n)).to.equal(2n);
      expect(floorOf(3n, 0n)).to.equal(0n);
    });

    it("is never below its own floor", function () {
      fc.assert(
        fc.property(uint(2n ** 64n - 1n), share, (deposit, bps) => {
          expect(floorOf(deposit, bps) <= deposit).to.be.true;
        }),
      );
    });
  });
});
