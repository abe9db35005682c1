/** What a meter publishes by MQTT, from its bytes to a sample. */

import { type EnergyUnit, microWh, type PowerUnit, watts } from "./decimal.ts";
import { DeviceError, type Sample } from "./device.ts";
import { figureAt, parseExactJson, valueAt } from "./json-figure.ts";

/** Where in a message what is written. */
export interface MessageForm {
  /** JSON Pointer to the register of exported energy; "" when the message is the bare figure. */
  readonly register: string;
  readonly unit: EnergyUnit;
  /** Energy in µWh at which the register begins again at 0. */
  readonly spanMicroWh?: bigint | undefined;
  /** JSON Pointer to the power exported now. */
  readonly power?: string | undefined;
  readonly powerUnit: PowerUnit;
  /** JSON Pointer to the device's own time or counter: a message in which it has not changed is a repetition. */
  readonly clock?: string | undefined;
  /** JSON Pointer to what tells this device from another, such as a serial number. */
  readonly identity?: string | undefined;
}

/** The most bytes a message of a meter may have. */
const MESSAGE_BYTES = 65_536;

/** The most characters a device's name may have: it is stored with each reading. */
const IDENTITY_CHARACTERS = 128;

export interface Message {
  readonly sample: Sample;
  readonly clock: string | undefined;
}

/** @throws {DeviceError} when it is not of this form, or lacks the register. */
export function readMessage(payload: Uint8Array, form: MessageForm, saidAt: number): Message {
  if (payload.length > MESSAGE_BYTES)
    throw new DeviceError("malformed", `expected at most ${MESSAGE_BYTES} bytes, received ${payload.length}`);
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("utf8");
  // "NaN" and the like are no JSON but are understood as no figure.
  const document = form.register === "" ? text : parseExactJson(text);
  const register = figureAt(document, form.register);
  const registerMicroWh = microWh(register, form.unit);
  if (registerMicroWh < 0n)
    throw new DeviceError(
      "malformed",
      `expected a register of 0 or more, received ${registerMicroWh / 1_000_000n} Wh`,
    );
  const { spanMicroWh } = form;
  if (spanMicroWh !== undefined && registerMicroWh >= spanMicroWh)
    throw new DeviceError(
      "malformed",
      `expected a register below ${spanMicroWh} µWh, received ${registerMicroWh} µWh`,
    );
  const stepMicroWh = microWh({ digits: 1n, exponent: register.exponent }, form.unit);
  const powerW = form.power === undefined ? undefined : powerAt(document, form.power, form.powerUnit);
  const identity = textAt(document, form.identity);
  if (identity !== undefined && identity.length > IDENTITY_CHARACTERS)
    throw new DeviceError(
      "malformed",
      `expected an identity of at most ${IDENTITY_CHARACTERS} characters, received ${identity.length}`,
    );
  return {
    sample: { registerMicroWh, stepMicroWh, spanMicroWh, powerW, identity, saidAt },
    clock: textAt(document, form.clock),
  };
}

/** A device that has no figure for its power may still have its register. */
function powerAt(document: unknown, pointer: string, unit: PowerUnit): bigint | undefined {
  try {
    return watts(figureAt(document, pointer), unit);
  } catch (error) {
    if (error instanceof DeviceError && error.kind === "missing") return undefined;
    throw error;
  }
}

function textAt(document: unknown, pointer: string | undefined): string | undefined {
  const value = pointer === undefined ? undefined : valueAt(document, pointer);
  return typeof value === "string" ? value : undefined;
}
