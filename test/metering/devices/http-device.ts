import { microWh } from "../../../agents/metering/devices/decimal.ts";
import { type Device, DeviceError, zeroCounters } from "../../../agents/metering/devices/device.ts";
import { figureAt, parseExactJson } from "../../../agents/metering/devices/json-figure.ts";

const TIMEOUT_MS = 5_000;

/** A meter that answers a GET with JSON, such as {"total_returned": 1234.5}. @param pointer where its Wh stand */
export function httpDevice(url: string, pointer: string): Device {
  const counters = zeroCounters();
  let isLost = false;
  return {
    counters,
    staleAfterSeconds: 60,
    async sample() {
      let text: string;
      try {
        text = await get(url);
      } catch (error) {
        if (!isLost) counters.disconnects += 1;
        isLost = true;
        throw error;
      }
      if (isLost) counters.reconnects += 1;
      isLost = false;
      const figure = figureAt(parseExactJson(text), pointer);
      return {
        registerMicroWh: microWh(figure, "Wh"),
        stepMicroWh: microWh({ digits: 1n, exponent: figure.exponent }, "Wh"),
        saidAt: performance.now(),
      };
    },
    close: () => Promise.resolve(),
  };
}

async function get(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), redirect: "error" });
    if (response.ok) return await response.text();
    throw new DeviceError("unreachable", `${url}: expected status 200, received ${response.status}`);
  } catch (error) {
    if (error instanceof DeviceError || !(error instanceof Error)) throw error;
    throw new DeviceError("unreachable", `${url} cannot be read: ${error.message}`, { cause: error });
  }
}
