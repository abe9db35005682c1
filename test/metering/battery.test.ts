import { expect } from "chai";
import fc from "fast-check";

import { energyWs } from "../../agents/metering/source.ts";
import { simulatedBattery, type BatteryOptions } from "../../agents/metering/sources/battery.ts";

const HOUR = 3600;
const DAY = 24 * HOUR;
const midnight = Date.UTC(2026, 5, 20) / 1000;

/** 10 kWh at 4 kW from 18:00 to 22:00: empty after two and a half hours. */
const evening: BatteryOptions = {
  capacityWh: 10_000n,
  dischargeW: 4000n,
  windowStartSeconds: 18 * HOUR,
  windowEndSeconds: 22 * HOUR,
};

describe("simulated battery", () => {
  it("gives its set power in the window and nothing outside it", () => {
    const battery = simulatedBattery(evening);
    expect(battery.powerW(midnight + 18 * HOUR - 1)).to.equal(0n);
    expect(battery.powerW(midnight + 18 * HOUR)).to.equal(4000n);
    expect(battery.powerW(midnight + 20.5 * HOUR - 1)).to.equal(4000n);
    expect(battery.powerW(midnight + 20.5 * HOUR)).to.equal(0n);
    expect(battery.powerW(midnight + 22 * HOUR)).to.equal(0n);
  });

  it("ends with the window when it lasts longer", () => {
    const large = simulatedBattery({ ...evening, capacityWh: 100_000n });
    expect(energyWs(large, midnight, midnight + DAY)).to.equal(16_000n * 3600n);
    expect(large.powerW(midnight + 22 * HOUR)).to.equal(0n);
  });

  it("gives the mean of the step in which it runs empty", () => {
    const small = simulatedBattery({ ...evening, capacityWh: 100n });
    expect(small.powerW(midnight + 18 * HOUR + 60)).to.equal(2000n);
    expect(energyWs(small, midnight, midnight + DAY)).to.equal(100n * 3600n);
  });

  it("is refilled every day", () => {
    const battery = simulatedBattery(evening);
    expect(energyWs(battery, midnight, midnight + 7 * DAY)).to.equal(7n * 10_000n * 3600n);
  });

  it("discharges across midnight, from one window's capacity", () => {
    const night = { ...evening, windowStartSeconds: 23 * HOUR, windowEndSeconds: 1 * HOUR };
    const battery = simulatedBattery({ ...night, capacityWh: 6000n });
    expect(battery.powerW(midnight + 23 * HOUR)).to.equal(4000n);
    expect(battery.powerW(midnight + DAY)).to.equal(4000n);
    expect(battery.powerW(midnight + DAY + HOUR / 2)).to.equal(0n);
  });

  it("takes the whole day when its window has no end", () => {
    const always = { ...evening, windowStartSeconds: 0, windowEndSeconds: DAY, capacityWh: 1_000_000n };
    expect(energyWs(simulatedBattery(always), midnight, midnight + DAY)).to.equal(96_000n * 3600n);
  });

  it("never gives more than its capacity a day, nor more than its window allows", () => {
    const watts = fc.bigInt({ min: 1n, max: 50_000n });
    const bound = fc.oneof(
      fc.nat({ max: 1440 }).map((minute) => minute * 60),
      fc.nat({ max: 96 }).map((quarter) => quarter * 900 + 15),
    );
    fc.assert(
      fc.property(watts, watts, bound, bound, (capacityWh, dischargeW, from, to) => {
        fc.pre(from <= DAY && to <= DAY);
        const battery = simulatedBattery({
          capacityWh,
          dischargeW,
          windowStartSeconds: from,
          windowEndSeconds: to,
        });
        const energy = energyWs(battery, midnight, midnight + DAY);
        const windowSeconds = (((to - from) % DAY) + DAY) % DAY || DAY;
        expect(energy <= capacityWh * 3600n).to.equal(true);
        expect(energy <= dischargeW * BigInt(windowSeconds)).to.equal(true);
      }),
    );
  });

  it("refuses a window that is not on whole seconds of a day", () => {
    expect(() => simulatedBattery({ ...evening, windowStartSeconds: -1 })).to.throw(RangeError);
    expect(() => simulatedBattery({ ...evening, windowEndSeconds: 90_000 })).to.throw(RangeError);
    expect(() => simulatedBattery({ ...evening, windowEndSeconds: 0.5 })).to.throw(RangeError);
  });
});
