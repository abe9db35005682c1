/** SunSpec's register maps: finding the models, and their points as exact figures. Registers are 16-bit words. */

import { microWh, watts } from "./decimal.ts";
import { DeviceError, type Sample } from "./device.ts";

/** Reads `count` words from an address on. Undefined where the device has no such registers. */
export type ReadWords = (address: number, count: number) => Promise<readonly number[] | undefined>;

/** Where the map may begin; "SunS" stands there. */
const BASES = [40_000, 50_000, 0];
const MARKER = [0x5375, 0x6e53];
const END_OF_MODELS = 0xffff;
/** No device has as many: a list that goes on longer is none. */
const MOST_MODELS = 256;
const LAST_ADDRESS = 0xffff;

/** A model in the device's list, by the address of its ID. */
export interface Model {
  readonly id: number;
  readonly address: number;
  /** Words, with ID and length. */
  readonly words: number;
}

/** @throws {DeviceError} when there is no map, or its list of models does not end. */
export async function listModels(read: ReadWords): Promise<Model[]> {
  let address = (await findMap(read)) + MARKER.length;
  const models: Model[] = [];
  while (models.length < MOST_MODELS && address < LAST_ADDRESS) {
    const [id, length] = (await read(address, 2)) ?? [];
    if (id === END_OF_MODELS) return models;
    if (id === undefined || length === undefined) break;
    models.push({ id, address, words: length + 2 });
    address += length + 2;
  }
  throw new DeviceError(
    "malformed",
    `expected a list of SunSpec models that ends, received ${models.length} models and no end`,
  );
}

async function findMap(read: ReadWords): Promise<number> {
  for (const base of BASES) {
    const words = await read(base, MARKER.length);
    if (words?.[0] === MARKER[0] && words?.[1] === MARKER[1]) return base;
  }
  throw new DeviceError("malformed", `expected "SunS" at one of the addresses ${BASES.join(", ")}`);
}

/** Where a model has what a meter needs: offsets from its ID, in words. */
interface EnergyPoints {
  readonly register: number;
  /** acc32: 0 means that it does not count. uint64: all ones means that. */
  readonly type: "acc32" | "uint64";
  readonly registerScale: number;
  /** Inverters count what they feed as positive; meters do not agree on a sign, so their power is not read. */
  readonly power?: readonly [value: number, scale: number];
}

const INVERTER: EnergyPoints = { register: 24, type: "acc32", registerScale: 26, power: [14, 15] };
const METER: EnergyPoints = { register: 38, type: "acc32", registerScale: 54 };
const DER: EnergyPoints = { register: 19, type: "uint64", registerScale: 120, power: [10, 116] };

/** Models with exported energy in integers, the preferred first. Those in floating point (111 to 113) lose Wh. */
const ENERGY_MODELS: readonly (readonly [id: number, points: EnergyPoints])[] = [
  [701, DER],
  [103, INVERTER],
  [102, INVERTER],
  [101, INVERTER],
  [204, METER],
  [203, METER],
  [202, METER],
  [201, METER],
];

export const ENERGY_MODEL_IDS = ENERGY_MODELS.map(([id]) => id);

/** The model to read energy from: the one asked for, or the best there is. */
export function energyModel(models: readonly Model[], wanted: number | undefined): Model {
  const ids = wanted === undefined ? ENERGY_MODEL_IDS : [wanted];
  for (const id of ids) {
    const model = models.find((each) => each.id === id);
    if (model !== undefined) return model;
  }
  throw new DeviceError(
    "missing",
    `expected a SunSpec model ${ids.join(", ")}, received ${models.map(({ id }) => id).join(", ")}`,
  );
}

/** How much of an energy model must be read: to its last point that is used. */
export function wordsNeeded({ id, words }: Model): number {
  const { registerScale, power = [0, 0] } = pointsOf(id);
  const needed = Math.max(registerScale, ...power) + 1;
  if (words >= needed) return needed;
  throw new DeviceError("malformed", `expected ${needed} words in SunSpec model ${id}, received ${words}`);
}

/**
 * What an energy model says.
 * @throws {DeviceError} missing when it has no register, malformed when a scale is out of range.
 */
export function energyOf(id: number, words: readonly number[]): Omit<Sample, "identity" | "saidAt"> {
  const points = pointsOf(id);
  const isLong = points.type === "uint64";
  const count = bigEndian(words.slice(points.register, points.register + (isLong ? 4 : 2)));
  const end = 1n << (isLong ? 64n : 32n);
  // An accumulator is never all ones by the standard's letter, but devices say so for lack of a figure.
  if ((!isLong && count === 0n) || count === end - 1n)
    throw new DeviceError("missing", `expected a register in SunSpec model ${id}, received ${count}`);
  const exponent = scaleAt(words, points.registerScale);
  if (exponent === undefined)
    throw new DeviceError("missing", `expected a scale of the register in SunSpec model ${id}`);
  const energy = (digits: bigint): bigint => microWh({ digits, exponent }, "Wh");
  return {
    registerMicroWh: energy(count),
    stepMicroWh: energy(1n),
    spanMicroWh: energy(end),
    powerW: points.power && powerOf(words, points.power),
  };
}

const NOT_IMPLEMENTED_INT16 = -0x8000;

function powerOf(words: readonly number[], [at, scale]: readonly [number, number]): bigint | undefined {
  const value = int16(words[at]);
  const exponent = scaleAt(words, scale);
  if (value === NOT_IMPLEMENTED_INT16 || exponent === undefined) return undefined;
  return watts({ digits: BigInt(value), exponent }, "W");
}

/** A scale factor (sunssf): a power of ten from -10 to 10; undefined when it is not implemented. */
function scaleAt(words: readonly number[], at: number): number | undefined {
  const exponent = int16(words[at]);
  if (exponent === NOT_IMPLEMENTED_INT16) return undefined;
  if (exponent >= -10 && exponent <= 10) return exponent;
  throw new DeviceError("malformed", `expected a SunSpec scale from -10 to 10, received ${exponent}`);
}

/** Words of the common model (1), from its ID to its serial number. */
export const COMMON_WORDS = 66;
const MANUFACTURER = [2, 18] as const;
const PRODUCT = [18, 34] as const;
const SERIAL = [50, 66] as const;

/** Manufacturer, product and serial number; undefined without a serial number. */
export function identityOf(words: readonly number[]): string | undefined {
  const [manufacturer, product, serial] = [MANUFACTURER, PRODUCT, SERIAL].map(([from, to]) =>
    textOf(words.slice(from, to)),
  );
  return serial === undefined || serial === "" ? undefined : `${manufacturer} ${product} ${serial}`.trim();
}

/** A string ends at its first zero byte. Only what prints is kept. */
function textOf(words: readonly number[]): string {
  const bytes = words.flatMap((word) => [word >> 8, word & 0xff]);
  const end = bytes.indexOf(0);
  const text = Buffer.from(end < 0 ? bytes : bytes.slice(0, end)).toString("latin1");
  return text.replace(/[^\x20-\x7e]/g, "").trim();
}

function pointsOf(id: number): EnergyPoints {
  const points = ENERGY_MODELS.find(([known]) => known === id)?.[1];
  if (points === undefined)
    throw new RangeError(`expected a model of ${ENERGY_MODEL_IDS.join(", ")}, received ${id}`);
  return points;
}

function bigEndian(words: readonly number[]): bigint {
  return words.reduce((value, word) => (value << 16n) | BigInt(word), 0n);
}

function int16(word = 0x8000): number {
  return word >= 0x8000 ? word - 0x1_0000 : word;
}
