/** Values as the bytes that databases keep of them, and back. What does not come back as it was is refused. */

import { FieldError } from "../metering/reading.ts";

export function hex(bytes: Uint8Array): string {
  return `0x${bufferOf(bytes).toString("hex")}`;
}

export function textOf(bytes: Uint8Array | null): string | undefined {
  return bytes === null ? undefined : bufferOf(bytes).toString("utf8");
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Only what UTF-8 can hold, so that what is read back is what was saved. */
export function textBytes(field: string, text: string | undefined): Buffer | null {
  if (text === undefined) return null;
  const bytes = Buffer.from(text, "utf8");
  if (bytes.toString("utf8") !== text) throw new FieldError(field, "Unicode text", "half a surrogate pair");
  return bytes;
}

/** Only lower case, so that what is read back is what was saved. */
export function hexBytes(field: string, value: string, length = (value.length - 2) / 2): Buffer {
  if (!/^0x([0-9a-f]{2})+$/.test(value) || value.length !== 2 + 2 * length)
    throw new FieldError(field, `0x and ${length} bytes in lower-case hex`, value);
  return Buffer.from(value.slice(2), "hex");
}

export function requestIdBytes(value: bigint): Buffer {
  return unsignedBytes("requestId", value, 32);
}

export function disputeIdBytes(value: bigint): Buffer {
  return unsignedBytes("disputeId", value, 8);
}

/** Big-endian, so that they sort as the numbers do. */
function unsignedBytes(field: string, value: bigint, length: number): Buffer {
  const bits = 8 * length;
  if (value < 0n || value >= 2n ** BigInt(bits))
    throw new FieldError(field, `0 to 2^${bits} - 1`, String(value));
  return Buffer.from(value.toString(16).padStart(2 * length, "0"), "hex");
}
