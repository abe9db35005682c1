/**
 * A simulated wind turbine: wind at hub height from seeded noise, then the turbine's power curve. Wind is
 * in m/s. Floating point stays in here; whole watts leave.
 */

import { stepped, type MeterSource } from "../source.ts";
import { derivedSeed, smoothNoise, type Noise } from "./noise.ts";

/** A turbine and its site. */
export interface WindOptions {
  /** Power at and above the rated wind speed, in W. */
  readonly ratedW: bigint;
  /** Mean wind at hub height over the year, in m/s. */
  readonly meanSpeed: number;
  /** An integer; turbines of one seed stand in the same wind. */
  readonly seed: number;
}

const STEP_SECONDS = 60;

/** Time in which the weather turns: what a forecast can see coming. */
const WEATHER_PERIOD_SECONDS = 6 * 3600;

/** Time from gust to gust: what no forecast can see. */
const GUST_PERIOD_SECONDS = 300;

/** Greatest part by which a gust lifts or drops the wind of the hour. */
const GUST_SHARE = 0.25;

/** Wind speeds of the standard power curve, m/s. */
const CUT_IN_SPEED = 3;
const RATED_SPEED = 12;
const CUT_OUT_SPEED = 25;

/** The turbine as its meter sees it: the weather's wind with its gusts, in steps of 60 s. */
export function simulatedWind(options: WindOptions): MeterSource {
  const weather = weatherWind(options);
  const gust = smoothNoise(derivedSeed(options.seed, 1), GUST_PERIOD_SECONDS, (uniform) => 2 * uniform - 1);
  return turbine(options, (unixSeconds) => weather(unixSeconds) * (1 + GUST_SHARE * gust(unixSeconds)));
}

/** The turbine as a weather service sees it: the weather's wind without its gusts, in steps of 60 s. */
export function forecastWind(options: WindOptions): MeterSource {
  return turbine(options, weatherWind(options));
}

/**
 * Share of its rated power that a turbine gives at a wind speed: none below cut-in and from cut-out on, all
 * between rated and cut-out, and in between the cubic curve of C. Carrillo et al., "Review of power curve
 * modelling for wind turbines", Renewable and Sustainable Energy Reviews 21 (2013).
 */
export function powerCurve(speed: number): number {
  if (speed < CUT_IN_SPEED || speed >= CUT_OUT_SPEED) return 0;
  if (speed >= RATED_SPEED) return 1;
  return (speed ** 3 - CUT_IN_SPEED ** 3) / (RATED_SPEED ** 3 - CUT_IN_SPEED ** 3);
}

/** The turbine in a given wind. Each step is judged at its middle. */
function turbine(options: WindOptions, wind: Noise): MeterSource {
  return stepped(STEP_SECONDS, (start) => {
    const share = powerCurve(wind(start + STEP_SECONDS / 2));
    return BigInt(Math.floor(Number(options.ratedW) * share));
  });
}

/**
 * The slowly turning wind. Its nodes are Rayleigh distributed, which is how IEC 61400-1 has wind speeds
 * spread about the mean of a site; sqrt(pi) / 2 is the mean of the unscaled distribution.
 */
function weatherWind(options: WindOptions): Noise {
  const scale = options.meanSpeed / (Math.sqrt(Math.PI) / 2);
  return smoothNoise(
    options.seed,
    WEATHER_PERIOD_SECONDS,
    (uniform) => scale * Math.sqrt(-Math.log(1 - uniform)),
  );
}
