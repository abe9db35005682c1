/** Figures out of the text a device sends: JSON or a bare number, with every digit it has. */

import { type Decimal, parseDecimal } from "./decimal.ts";
import { DeviceError } from "./device.ts";

/** JSON whose numbers are kept as the text they are written in, since a double has not all their digits. */
export function parseExactJson(text: string): unknown {
  try {
    return JSON.parse(text, exactNumber as (key: string, value: unknown) => unknown) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new DeviceError("malformed", `expected JSON, received ${excerpt(text)}`, { cause: error });
  }
}

/** TypeScript's library does not know the third argument yet; Node.js has it from version 21 on. */
function exactNumber(_key: string, value: unknown, context: { source?: string }): unknown {
  return typeof value === "number" ? context.source : value;
}

/** The value a JSON Pointer (RFC 6901) leads to; undefined when there is none. "" is the whole. */
export function valueAt(document: unknown, pointer: string): unknown {
  return pointer
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>(
      (value, key) =>
        typeof value === "object" && value !== null && Object.hasOwn(value, key)
          ? (value as Record<string, unknown>)[key]
          : undefined,
      document,
    );
}

/** What devices write where they have no figure. */
const NO_FIGURE = new Set(["", "null", "nan", "n/a", "unknown", "unavailable"]);

/**
 * The figure a pointer leads to.
 * @throws {DeviceError} missing when the device has none there, malformed when it is no decimal number.
 */
export function figureAt(document: unknown, pointer: string): Decimal {
  const value = valueAt(document, pointer) ?? "";
  const decimal = typeof value === "string" ? parseDecimal(value) : undefined;
  if (decimal !== undefined) return decimal;
  const place = pointer === "" ? "the payload" : pointer;
  if (typeof value === "string" && NO_FIGURE.has(value.trim().toLowerCase()))
    throw new DeviceError("missing", `expected a figure at ${place}, received none`);
  throw new DeviceError(
    "malformed",
    `expected a decimal number at ${place}, received ${excerpt(typeof value === "string" ? value : JSON.stringify(value))}`,
  );
}

const EXCERPT_CHARACTERS = 60;

/** What a stranger wrote, short and on one line. */
function excerpt(text: string): string {
  const line = JSON.stringify(text.slice(0, EXCERPT_CHARACTERS));
  return text.length > EXCERPT_CHARACTERS ? `${line} and more` : line;
}
