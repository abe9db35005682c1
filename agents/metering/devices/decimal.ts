/** Decimal figures as devices write them, to integers: exact, without floating point. */

/** digits x 10^exponent */
export interface Decimal {
  readonly digits: bigint;
  readonly exponent: number;
}

export const MICRO_WH_PER_WH = 1_000_000n;

const EXPONENT_OF = { W: 0, kW: 3, Wh: 6, kWh: 9, MWh: 12 } as const;

export type EnergyUnit = "Wh" | "kWh" | "MWh";
export type PowerUnit = "W" | "kW";

/** A number as in JSON, up to 40 digits; what is longer no meter means. */
const DECIMAL = /^([+-]?)(\d{1,20})(?:\.(\d{1,20}))?(?:[eE]([+-]?\d{1,2}))?$/;

/** Undefined for what is no decimal number. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = DECIMAL.exec(text.trim());
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", power = "0"] = match;
  const digits = BigInt(whole + fraction);
  return { digits: sign === "-" ? -digits : digits, exponent: Number(power) - fraction.length };
}

/** In µWh, rounded down. */
export function microWh(value: Decimal, unit: EnergyUnit): bigint {
  return scaled(value, EXPONENT_OF[unit]);
}

/** In W, rounded down. */
export function watts(value: Decimal, unit: PowerUnit): bigint {
  return scaled(value, EXPONENT_OF[unit]);
}

/** digits x 10^(exponent + by), rounded down. */
function scaled({ digits, exponent }: Decimal, by: number): bigint {
  const power = exponent + by;
  if (power >= 0) return digits * 10n ** BigInt(power);
  const divisor = 10n ** BigInt(-power);
  const quotient = digits / divisor;
  return digits < 0n && digits % divisor !== 0n ? quotient - 1n : quotient;
}
