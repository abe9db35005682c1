import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { HDNodeWallet } from "ethers";

import { type MeterSource, scaled, shiftedTime } from "../../agents/metering/source.ts";
import { firstFullDay, type Replay } from "../../agents/metering/sources/replay.ts";
import {
  openForecast,
  openSource,
  sourceSpec,
  type SourceSpecInput,
} from "../../agents/metering/sources/spec.ts";
import { type Span, type Timetable, within } from "./timetable.ts";

/** What a DER is in the plot for. */
export type Part = "honest" | "outage" | "short-changed" | "boaster" | "misfit" | "leaver";

/** One DER of the demo. */
export interface Member {
  readonly name: string;
  readonly kind: "pv" | "wind" | "battery" | "replay";
  readonly part: Part;
  readonly powerW: bigint;
  /** units per kWh */
  readonly price: bigint;
  readonly walletKey: string;
  readonly meterKey: string;
  readonly address: string;
  readonly meterAddress: string;
  /** What it really feeds. */
  readonly fed: MeterSource;
  /** What is expected of it. */
  readonly forecast: MeterSource;
  /** What its own meter, and the Aggregator's at its connection, are shown: the truth, but for the two cheats. */
  readonly ownMeter: MeterSource;
  readonly aggregatorMeter: MeterSource;
  readonly ownGainPpm: bigint;
  readonly aggregatorGainPpm: bigint;
}

/** The mnemonic that Hardhat's and Anvil's development accounts come from: worth nothing anywhere else. */
const MNEMONIC = "test test test test test test test test test test test junk";
const PARTS: readonly Part[] = ["outage", "short-changed", "boaster", "misfit", "leaver"];
const PLACE = { latitude: 47.38, longitude: 8.54 };
/** Meters of accuracy class 0.2: within 0.2 % of the truth. */
const METER_CLASS_PPM = 2_000;
/** What is left, of ten tenths, of the flow that a cheat hides or an ailing inverter lets through. */
const REMAINING_TENTHS = 3n;

export interface CastOptions {
  readonly ders: number;
  readonly seed: number;
  readonly timetable: Timetable;
  /** The most a DER may ask, units per kWh; the misfit asks more. */
  readonly maxPrice: bigint;
  readonly replay: Replay | undefined;
}

/** The branch that development accounts are children of; derived once, as it is slow on purpose. */
const BRANCH = HDNodeWallet.fromPhrase(MNEMONIC, undefined, "m/44'/60'/0'/0");

/** A key of the development mnemonic. */
export function developmentKey(index: number): string {
  return BRANCH.deriveChild(index).privateKey;
}

/** Chooses the DERs: the first five have a part in the plot, the rest are honest. */
export function castMembers(options: CastOptions): Member[] {
  const dice = xoroshiro128plus(options.seed);
  const roll = (from: number, to: number): number => uniformInt(dice, from, to);
  return Array.from({ length: options.ders }, (_, index) => member(index, options, roll));
}

function member(index: number, options: CastOptions, roll: (from: number, to: number) => number): Member {
  const part = PARTS[index] ?? "honest";
  const kind = kindOf(index, part, options);
  // Those with a part are large and cheap, so that they are asked for much in every hour of sun.
  const powerW = part === "honest" ? 1_000n * BigInt(roll(3, 30)) : 1_000n * BigInt(roll(16, 24));
  const price = part === "honest" ? BigInt(roll(26_000, 40_000)) : BigInt(roll(20_000, 25_000));
  const { source, forecast } = plant(kind, powerW, options, roll);
  const { timetable } = options;
  const fed = feedOf(part, source, timetable);
  const [wallet, meter] = [BRANCH.deriveChild(100 + 2 * index), BRANCH.deriveChild(101 + 2 * index)];
  return {
    name: `${kind}-${String(index + 1).padStart(2, "0")}`,
    kind,
    part,
    powerW,
    price: part === "misfit" ? options.maxPrice + 1n : price,
    walletKey: wallet.privateKey,
    meterKey: meter.privateKey,
    address: wallet.address,
    meterAddress: meter.address,
    fed,
    forecast,
    ownMeter: part === "boaster" ? source : fed,
    aggregatorMeter: part === "short-changed" ? reduced(fed, timetable.underReport) : fed,
    ownGainPpm: BigInt(roll(-METER_CLASS_PPM, METER_CLASS_PPM)),
    aggregatorGainPpm: BigInt(roll(-METER_CLASS_PPM, METER_CLASS_PPM)),
  };
}

function kindOf(index: number, part: Part, { replay }: CastOptions): Member["kind"] {
  if (replay !== undefined) return "replay";
  if (part !== "honest" || index % 6 < 4) return "pv";
  return index % 6 === 4 ? "wind" : "battery";
}

/** What a plant in order would feed, and what is expected of it. */
function plant(
  kind: Member["kind"],
  powerW: bigint,
  { replay, timetable }: CastOptions,
  roll: (from: number, to: number) => number,
): { source: MeterSource; forecast: MeterSource } {
  const seed = roll(0, 2 ** 31 - 1);
  if (replay !== undefined) {
    const offset = firstFullDay(replay) - timetable.midnight;
    const peakW = BigInt(replay.report.peakW);
    const sized = (series: MeterSource): MeterSource =>
      shiftedTime(peakW === 0n ? series : scaled(series, powerW, peakW), offset);
    return { source: sized(replay.source), forecast: sized(replay.forecast) };
  }
  const spec = sourceSpec.parse(specOf(kind, Number(powerW), seed, roll));
  return { source: openSource(spec), forecast: openForecast(spec) };
}

function specOf(
  kind: Member["kind"],
  powerW: number,
  seed: number,
  roll: (from: number, to: number) => number,
): SourceSpecInput {
  switch (kind) {
    case "wind":
      return { kind: "wind", ratedW: powerW, meanSpeed: 6.5, seed };
    case "battery": {
      const windowStartSeconds = roll(60, 74) * 900;
      const windowEndSeconds = windowStartSeconds + 4 * 3_600;
      return {
        kind: "battery",
        capacityWh: 3 * powerW,
        dischargeW: powerW,
        windowStartSeconds,
        windowEndSeconds,
      };
    }
    default:
      return {
        kind: "pv",
        peakW: powerW,
        ...PLACE,
        tiltDegrees: roll(15, 40),
        azimuthDegrees: roll(150, 210),
        seed,
        cloudiness: 25,
      };
  }
}

function feedOf(
  part: Part,
  source: MeterSource,
  { outage, overClaim, firstAfter, epochSeconds }: Timetable,
): MeterSource {
  switch (part) {
    case "outage":
      return altered(source, outage, 0n);
    case "boaster":
      return reduced(source, overClaim);
    case "leaver":
      return altered(source, { from: firstAfter * epochSeconds, to: Infinity }, 0n);
    default:
      return source;
  }
}

function reduced(source: MeterSource, span: Span): MeterSource {
  return altered(source, span, REMAINING_TENTHS);
}

/** The source, of which so many tenths are left during a span. Spans begin and end with epochs, and so with steps. */
function altered(source: MeterSource, span: Span, tenths: bigint): MeterSource {
  return {
    stepSeconds: source.stepSeconds,
    powerW: (instant) => (source.powerW(instant) * (within(instant, span) ? tenths : 10n)) / 10n,
  };
}
