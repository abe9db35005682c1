import { expect } from "chai";
import fc from "fast-check";

import { energyWs } from "../../agents/metering/source.ts";
import { forecastPv, simulatedPv, type PvOptions } from "../../agents/metering/sources/pv.ts";

/** A roof near Zurich; solar noon there is at about 11:25 UTC. */
const roof: PvOptions = {
  peakW: 10_000n,
  latitude: 47,
  longitude: 8.5,
  tiltDegrees: 30,
  azimuthDegrees: 180,
  performanceRatioPercent: 85,
  cloudiness: 0,
  seed: 1,
};
const HOUR = 3600;
const DAY = 24 * HOUR;
const june = Date.UTC(2026, 5, 20) / 1000;
const december = Date.UTC(2026, 11, 20) / 1000;

describe("simulated PV", () => {
  it("gives nothing at night, in steps of a minute", () => {
    const source = simulatedPv(roof);
    expect(source.stepSeconds).to.equal(60);
    expect(source.powerW(june)).to.equal(0n);
    expect(energyWs(source, june + 21 * HOUR, june + DAY + 2 * HOUR)).to.equal(0n);
  });

  it("comes near its peak times its performance ratio at noon in June", () => {
    const noon = simulatedPv(roof).powerW(june + 11.4 * HOUR);
    expect(Number(noon)).to.be.within(0.95 * 8500, 1.05 * 8500);
  });

  it("yields a plausible clear day: about 6.5 to 8 kWh per kW in June, a third of it in December", () => {
    const source = simulatedPv(roof);
    const summer = energyWs(source, june, june + DAY) / 3600n;
    const winter = energyWs(source, december, december + DAY) / 3600n;
    expect(Number(summer)).to.be.within(65_000, 80_000);
    expect(Number(winter)).to.be.within(15_000, 35_000);
  });

  it("never exceeds the inverter, nor the modules' peak when none is named", () => {
    const place = fc.record({
      latitude: fc.double({ min: -90, max: 90, noNaN: true }),
      tiltDegrees: fc.integer({ min: 0, max: 90 }),
      azimuthDegrees: fc.integer({ min: 0, max: 360 }),
      cloudiness: fc.integer({ min: 0, max: 100 }),
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(place, fc.nat({ max: 366 * DAY }), (variation, offset) => {
        const plant = { ...roof, ...variation, performanceRatioPercent: 100 };
        const instant = june + offset;
        for (const open of [simulatedPv, forecastPv]) {
          expect(Number(open(plant).powerW(instant))).to.be.within(0, 10_000);
          expect(Number(open({ ...plant, inverterW: 6000n }).powerW(instant))).to.be.within(0, 6000);
        }
      }),
    );
  });

  it("has its morning facing east, its noon facing south and its evening facing west", () => {
    const facing = (azimuthDegrees: number, hour: number): number =>
      Number(simulatedPv({ ...roof, azimuthDegrees }).powerW(june + hour * HOUR));
    expect(facing(90, 7))
      .to.be.above(facing(180, 7))
      .and.above(2 * facing(270, 7));
    expect(facing(180, 11.4)).to.be.above(facing(90, 11.4)).and.above(facing(270, 11.4));
    expect(facing(270, 16))
      .to.be.above(facing(180, 16))
      .and.above(2 * facing(90, 16));
  });

  it("lies flat with the same yield whichever way it faces", () => {
    const flat = (azimuthDegrees: number): bigint =>
      energyWs(simulatedPv({ ...roof, tiltDegrees: 0, azimuthDegrees }), june, june + DAY);
    expect(flat(90)).to.equal(flat(270));
  });

  it("faces the noon sun from the north on the southern hemisphere", () => {
    const southern = { ...roof, latitude: -34, longitude: 18.5 };
    const north = energyWs(simulatedPv({ ...southern, azimuthDegrees: 0 }), december, december + DAY);
    const inJune = (azimuthDegrees: number): bigint =>
      energyWs(simulatedPv({ ...southern, azimuthDegrees }), june, june + DAY);
    expect(inJune(0) > inJune(180)).to.equal(true);
    expect(north > inJune(0)).to.equal(true);
  });
});

describe("clouds over PV", () => {
  const noonHours = (plant: PvOptions): bigint[] =>
    Array.from({ length: 240 }, (_, minute) => simulatedPv(plant).powerW(june + 9 * HOUR + minute * 60));
  const cloudy = { ...roof, cloudiness: 50 };

  it("are the same for the same seed and others for another", () => {
    expect(noonHours(cloudy)).to.deep.equal(noonHours(cloudy));
    expect(noonHours({ ...cloudy, seed: 2 })).to.not.deep.equal(noonHours(cloudy));
  });

  it("pass: some minutes are clear, some are dim", () => {
    const clear = noonHours(roof);
    const shares = noonHours(cloudy).map((power, minute) => Number(power) / Number(clear[minute]));
    expect(Math.max(...shares)).to.be.above(0.95);
    expect(Math.min(...shares)).to.be.below(0.4);
  });

  it("leave about a quarter when the sky is overcast", () => {
    const clear = energyWs(simulatedPv(roof), june, june + DAY);
    const overcast = energyWs(simulatedPv({ ...roof, cloudiness: 100 }), june, june + DAY);
    expect(Math.abs(Number(overcast) / Number(clear) - 0.25)).to.be.at.most(0.03);
  });

  it("are unknown to the forecast, which is the same for every seed", () => {
    const instant = june + 10 * HOUR;
    expect(forecastPv(cloudy).powerW(instant)).to.equal(forecastPv({ ...cloudy, seed: 2 }).powerW(instant));
  });

  it("average to the forecast over a month, yet leave single epochs far from it", () => {
    const [actual, forecast] = [simulatedPv(cloudy), forecastPv(cloudy)];
    const ratio = (from: number, to: number): number =>
      Number(energyWs(actual, from, to)) / Number(energyWs(forecast, from, to));
    expect(Math.abs(ratio(june, june + 30 * DAY) - 1)).to.be.at.most(0.03);

    const epochs = Array.from({ length: 16 }, (_, epoch) => june + 9 * HOUR + epoch * 900);
    expect(Math.max(...epochs.map((from) => Math.abs(ratio(from, from + 900) - 1)))).to.be.above(0.2);
  });

  it("are none in a clear sky: there the forecast is right", () => {
    expect(energyWs(forecastPv(roof), june, june + DAY)).to.equal(
      energyWs(simulatedPv(roof), june, june + DAY),
    );
  });
});
