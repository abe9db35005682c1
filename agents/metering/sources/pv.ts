/**
 * A simulated photovoltaic plant: the sun's position, a clear sky, the array's plane, passing clouds and
 * the inverter's limit, in that order. Angles are in degrees, irradiance in W/m2. Floating point stays in
 * here; whole watts leave.
 */

import { getPosition } from "suncalc";

import { stepped, type MeterSource } from "../source.ts";
import { smoothNoise, type Noise } from "./noise.ts";

/** A plant and the weather over it. */
export interface PvOptions {
  /** Power of the modules at 1000 W/m2, in W. */
  readonly peakW: bigint;
  /** Power the inverter is limited to, in W; the modules' peak when omitted. */
  readonly inverterW?: bigint | undefined;
  /** Degrees, north positive. */
  readonly latitude: number;
  /** Degrees, east positive. */
  readonly longitude: number;
  /** Tilt of the modules against the horizontal, 0 to 90 degrees. */
  readonly tiltDegrees: number;
  /** Where the modules face: degrees clockwise from north, so 90 is east and 180 south. */
  readonly azimuthDegrees: number;
  /** Share of the irradiated energy left after heat, dirt, cables and conversion, in percent. */
  readonly performanceRatioPercent: number;
  /** Share of the time that a cloud stands before the sun, in percent. */
  readonly cloudiness: number;
  /** An integer; plants of one seed and place sit under the same clouds. */
  readonly seed: number;
}

const STEP_SECONDS = 60;

/** Mean time from one cloud to the next; shorter than an epoch, so that epochs differ from the forecast. */
const CLOUD_PERIOD_SECONDS = 600;

/**
 * Light a cloud takes away: between these shares, all equally likely, so three quarters on average. That is
 * what an overcast sky takes by F. Kasten, G. Czeplak, "Solar and terrestrial radiation dependent on the
 * amount and type of cloud", Solar Energy 24 (1980).
 */
const THINNEST_CLOUD = 0.6;
const THICKEST_CLOUD = 0.9;

/** Irradiance at which modules are rated, W/m2 (standard test conditions, IEC 61215). */
const RATED_IRRADIANCE = 1000;

/** Irradiance outside the atmosphere, W/m2; the 3 % it varies over the year are below the model's error. */
const SOLAR_CONSTANT = 1361;

/** Share of light that common ground reflects. */
const GROUND_ALBEDO = 0.2;

/** The plant as its meter sees it: clear sky dimmed by the clouds that pass, in steps of 60 s. */
export function simulatedPv(options: PvOptions): MeterSource {
  const dimming = passingClouds(options);
  return dimmedPv(options, (unixSeconds) => 1 - dimming(unixSeconds));
}

/**
 * The plant as a day-ahead weather service sees it: clear sky times the mean transmittance of the clouds,
 * in steps of 60 s. It knows nothing of the clouds that then pass.
 */
export function forecastPv(options: PvOptions): MeterSource {
  const meanDimming = ((options.cloudiness / 100) * (THINNEST_CLOUD + THICKEST_CLOUD)) / 2;
  return dimmedPv(options, () => 1 - meanDimming);
}

/** The plant under a sky that lets the given share of light through. Each step is judged at its middle. */
function dimmedPv(options: PvOptions, transmittance: Noise): MeterSource {
  const limitW = options.inverterW ?? options.peakW;
  return stepped(STEP_SECONDS, (start) => {
    const middle = start + STEP_SECONDS / 2;
    const irradiance = clearSkyIrradiance(options, middle) * transmittance(middle);
    const performance = options.performanceRatioPercent / 100;
    const power = BigInt(Math.floor((Number(options.peakW) * performance * irradiance) / RATED_IRRADIANCE));
    return power < limitW ? power : limitW;
  });
}

/** Share of light taken away at an instant: nothing, or a cloud of random thickness with soft edges. */
function passingClouds(options: PvOptions): Noise {
  const cover = options.cloudiness / 100;
  return smoothNoise(options.seed, CLOUD_PERIOD_SECONDS, (uniform) =>
    uniform < cover ? THINNEST_CLOUD + (uniform / cover) * (THICKEST_CLOUD - THINNEST_CLOUD) : 0,
  );
}

/**
 * Irradiance on the array's plane under a clear sky, W/m2. Beam and sky light are projected by the
 * isotropic model of B. Liu, R. Jordan, "The long-term average performance of flat-plate solar-energy
 * collectors", Solar Energy 7 (1963).
 */
function clearSkyIrradiance(plane: PvOptions, unixSeconds: number): number {
  const sun = getPosition(new Date(unixSeconds * 1000), plane.latitude, plane.longitude);
  if (sun.altitude <= 0) return 0;

  const sinAltitude = Math.sin(radians(sun.altitude));
  const horizontal = haurwitz(sinAltitude);
  const diffuse = horizontal * erbsDiffuseShare(horizontal / (SOLAR_CONSTANT * sinAltitude));
  const beam = (horizontal - diffuse) / sinAltitude;

  const tilt = radians(plane.tiltDegrees);
  const sideways = Math.cos(radians(sun.azimuth - plane.azimuthDegrees));
  const cosIncidence =
    sinAltitude * Math.cos(tilt) + Math.cos(radians(sun.altitude)) * Math.sin(tilt) * sideways;
  const skySeen = (1 + Math.cos(tilt)) / 2;
  return beam * Math.max(0, cosIncidence) + diffuse * skySeen + horizontal * GROUND_ALBEDO * (1 - skySeen);
}

/**
 * Irradiance on level ground under a clear sky, W/m2, from the sine of the sun's apparent altitude. Source:
 * B. Haurwitz, "Insolation in relation to cloudiness and cloud density", Journal of Meteorology 2 (1945),
 * with the constants of pvlib's `clearsky.haurwitz`.
 */
function haurwitz(sinAltitude: number): number {
  return 1098 * sinAltitude * Math.exp(-0.059 / sinAltitude);
}

/**
 * Share of the light on level ground that comes from the sky rather than straight from the sun, from the
 * clearness index (light on the ground over light outside the atmosphere). Source: D. Erbs, S. Klein,
 * J. Duffie, "Estimation of the diffuse radiation fraction", Solar Energy 28 (1982).
 */
function erbsDiffuseShare(clearness: number): number {
  if (clearness <= 0.22) return 1 - 0.09 * clearness;
  if (clearness > 0.8) return 0.165;
  return (
    0.9511 - 0.1604 * clearness + 4.388 * clearness ** 2 - 16.638 * clearness ** 3 + 12.336 * clearness ** 4
  );
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
