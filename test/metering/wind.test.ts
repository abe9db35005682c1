import { expect } from "chai";

import { energyWs } from "../../agents/metering/source.ts";
import {
  forecastWind,
  powerCurve,
  simulatedWind,
  type WindOptions,
} from "../../agents/metering/sources/wind.ts";

const turbine: WindOptions = { ratedW: 50_000n, meanSpeed: 7, seed: 1 };
const DAY = 86_400;
const start = Date.UTC(2026, 5, 20) / 1000;

const minutesOfADay = (source: { powerW(at: number): bigint }): bigint[] =>
  Array.from({ length: 1440 }, (_, minute) => source.powerW(start + minute * 60));

describe("power curve of a turbine", () => {
  it("gives nothing below cut-in, and begins there from nothing", () => {
    expect(powerCurve(0)).to.equal(0);
    expect(powerCurve(2.999)).to.equal(0);
    expect(powerCurve(3)).to.equal(0);
    expect(powerCurve(3.1)).to.be.within(0.0001, 0.01);
  });

  it("rises with the cube of the wind up to its rated speed", () => {
    expect(Math.abs(powerCurve(8) - (512 - 27) / (1728 - 27))).to.be.at.most(1e-12);
    expect(powerCurve(11.999)).to.be.within(0.999, 0.9999);
    expect(powerCurve(12)).to.equal(1);
  });

  it("stays at its rated power until it is cut out in a storm", () => {
    expect(powerCurve(24.999)).to.equal(1);
    expect(powerCurve(25)).to.equal(0);
    expect(powerCurve(40)).to.equal(0);
  });
});

describe("simulated wind", () => {
  it("is never negative and never above its rated power", () => {
    const powers = minutesOfADay(simulatedWind({ ...turbine, meanSpeed: 12 })).map(Number);
    expect(Math.min(...powers)).to.be.at.least(0);
    expect(Math.max(...powers)).to.equal(50_000);
  });

  it("is the same for the same seed and other for another", () => {
    expect(minutesOfADay(simulatedWind(turbine))).to.deep.equal(minutesOfADay(simulatedWind(turbine)));
    expect(minutesOfADay(simulatedWind({ ...turbine, seed: 2 }))).to.not.deep.equal(
      minutesOfADay(simulatedWind(turbine)),
    );
  });

  it("has a plausible yield: a fifth to two fifths of its rated power over a season at 7 m/s", () => {
    const yieldWs = energyWs(simulatedWind(turbine), start, start + 90 * DAY);
    expect(Number(yieldWs) / (50_000 * 90 * DAY)).to.be.within(0.2, 0.4);
  });

  it("averages near its forecast, from which its gusts depart", () => {
    const [actual, forecast] = [simulatedWind(turbine), forecastWind(turbine)];
    const to = start + 30 * DAY;
    const ratio = Number(energyWs(actual, start, to)) / Number(energyWs(forecast, start, to));
    expect(Math.abs(ratio - 1)).to.be.at.most(0.05);
    expect(minutesOfADay(actual)).to.not.deep.equal(minutesOfADay(forecast));
  });
});
