/** A source as it stands in an agent's JSON configuration file, and how it is opened. */

import { z } from "zod/v4";

import { scaled, shiftedTime, type MeterSource } from "../source.ts";
import { simulatedBattery } from "./battery.ts";
import { forecastPv, simulatedPv } from "./pv.ts";
import type { ReplayReport } from "./cleaning.ts";
import { firstFullDay, loadReplay } from "./replay.ts";
import { forecastWind, simulatedWind } from "./wind.ts";

/** JSON has no bigint: watts and watt-hours stand there as whole numbers. */
const positiveWhole = z.number().int().positive().transform(BigInt);

const seed = z.number().int();
const secondOfDay = z.number().int().min(0).max(86_400);

const pvSpec = z
  .object({
    kind: z.literal("pv"),
    peakW: positiveWhole,
    inverterW: positiveWhole.optional(),
    latitude: z.number().min(-90).max(90),
    longitude: z.number().min(-180).max(180),
    tiltDegrees: z.number().min(0).max(90),
    azimuthDegrees: z.number().min(0).max(360),
    seed,
    performanceRatioPercent: z.number().min(0).max(100).default(85),
    cloudiness: z.number().min(0).max(100),
  })
  .strict();

const windSpec = z
  .object({
    kind: z.literal("wind"),
    ratedW: positiveWhole,
    meanSpeed: z.number().positive(),
    seed,
  })
  .strict();

const batterySpec = z
  .object({
    kind: z.literal("battery"),
    capacityWh: positiveWhole,
    dischargeW: positiveWhole,
    windowStartSeconds: secondOfDay,
    windowEndSeconds: secondOfDay,
  })
  .strict();

const replaySpec = z
  .object({
    kind: z.literal("replay"),
    file: z.string().min(1),
    column: z.string(),
    unit: z.enum(["W", "kW"]),
    timeColumn: z.string().optional(),
    zone: z.string().optional(),
    timeFormat: z.string().optional(),
    /** Peak of the replayed series, W: a large plant's curve for a small one. As measured when omitted. */
    scaleToW: positiveWhole.optional(),
    /** Instant of the chain at which the file's first full day begins. The file's own time when omitted. */
    startUnixSeconds: z.number().int().optional(),
  })
  .strict();

/** Schema of a source; unknown fields are refused, so that a misspelt one is not silently a default. */
export const sourceSpec = z.discriminatedUnion("kind", [pvSpec, windSpec, batterySpec, replaySpec]);

/** A checked source, with energy and power as bigint. */
export type SourceSpec = z.output<typeof sourceSpec>;

/** A source as it is written in JSON. */
export type SourceSpecInput = z.input<typeof sourceSpec>;

/**
 * Opens what the meter reads. Meters of one source share the opened one, which remembers its steps.
 *
 * @param told of what was done to the data of a replay
 * @throws ReplayError when a replay cannot be opened.
 */
export function openSource(spec: SourceSpec, told?: (report: ReplayReport) => void): MeterSource {
  switch (spec.kind) {
    case "pv":
      return simulatedPv(spec);
    case "wind":
      return simulatedWind(spec);
    case "battery":
      return simulatedBattery(spec);
    case "replay":
      return openReplay(spec, "source", told);
  }
}

/**
 * Opens what is known of the source beforehand, which is what its operator offers and sells.
 *
 * @throws ReplayError when a replay cannot be opened.
 */
export function openForecast(spec: SourceSpec): MeterSource {
  switch (spec.kind) {
    case "pv":
      return forecastPv(spec);
    case "wind":
      return forecastWind(spec);
    case "battery":
      return simulatedBattery(spec);
    case "replay":
      return openReplay(spec, "forecast");
  }
}

/** Scale and time are those of the measured series for both, so that the forecast stays beside it. */
function openReplay(
  spec: z.output<typeof replaySpec>,
  series: "source" | "forecast",
  told?: (report: ReplayReport) => void,
): MeterSource {
  const replay = loadReplay(spec);
  told?.(replay.report);
  const peakW = BigInt(replay.report.peakW);
  // A series without any power has no peak to scale, and stays at 0 W.
  const scaleToW = peakW === 0n ? undefined : spec.scaleToW;
  const power = scaleToW === undefined ? replay[series] : scaled(replay[series], scaleToW, peakW);
  if (spec.startUnixSeconds === undefined) return power;
  return shiftedTime(power, firstFullDay(replay) - spec.startUnixSeconds);
}
