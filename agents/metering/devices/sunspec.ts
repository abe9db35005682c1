/** A meter or inverter that speaks SunSpec over Modbus TCP. It is connected to for each sample, so nothing stays half open. */

import { once } from "node:events";
import { Socket } from "node:net";

import { ModbusTCPClient, responses, UserRequestError } from "jsmodbus";

import { type Device, DeviceError, type Sample, zeroCounters } from "./device.ts";
import {
  COMMON_WORDS,
  energyModel,
  energyOf,
  identityOf,
  listModels,
  type ReadWords,
  wordsNeeded,
} from "./sunspec-models.ts";

export interface SunSpecOptions {
  readonly host: string;
  readonly port: number;
  /** Modbus unit (slave) number. */
  readonly unitId: number;
  /** The model with the energy; the best there is when omitted. */
  readonly model?: number | undefined;
  /** For all of a sample, seconds. */
  readonly timeoutSeconds: number;
  readonly staleAfterSeconds: number;
}

export function sunspecDevice(options: SunSpecOptions): Device {
  const counters = zeroCounters();
  let connection: "none yet" | "up" | "down" = "none yet";
  return {
    counters,
    staleAfterSeconds: options.staleAfterSeconds,
    async sample() {
      try {
        const sample = await readSample(options);
        if (connection === "down") counters.reconnects += 1;
        connection = "up";
        return sample;
      } catch (error) {
        if (error instanceof DeviceError && error.kind === "unreachable") {
          if (connection === "up") counters.disconnects += 1;
          connection = "down";
        }
        throw error;
      }
    },
    close: () => Promise.resolve(),
  };
}

/** The common model. */
const COMMON = 1;

async function readSample(options: SunSpecOptions): Promise<Sample> {
  return connected(options, async (read) => {
    const models = await listModels(read);
    const common = models.find(({ id, words }) => id === COMMON && words >= COMMON_WORDS);
    const identity = common && identityOf(await needed(read, common.address, COMMON_WORDS));
    const model = energyModel(models, options.model);
    const words = await needed(read, model.address, wordsNeeded(model));
    return { ...energyOf(model.id, words), identity, saidAt: performance.now() };
  });
}

/** Connects, works and disconnects, all within the time-out. */
async function connected<T>(
  { host, port, unitId, timeoutSeconds }: SunSpecOptions,
  work: (read: ReadWords) => Promise<T>,
): Promise<T> {
  const socket = new Socket();
  const client = new ModbusTCPClient(socket, unitId, timeoutSeconds * 1000);
  const deadline = setTimeout(() => {
    socket.destroy(new Error(`no answer within ${timeoutSeconds} s`));
  }, timeoutSeconds * 1000);
  // The reason of a broken connection: what breaks off the request in hand does not tell it.
  let broken: Error | undefined;
  socket.on("error", (error) => (broken = error));
  try {
    socket.connect({ host, port });
    await once(socket, "connect");
    return await work((address, count) => readWords(client, address, count));
  } catch (error) {
    if (error instanceof DeviceError) throw error;
    const reason = broken?.message ?? reasonOf(error);
    throw new DeviceError("unreachable", `${host}:${port} cannot be read: ${reason}`, { cause: error });
  } finally {
    clearTimeout(deadline);
    socket.destroy();
  }
}

/** Exceptions with which devices say that they have no such registers: illegal address, illegal value, failure. */
const NO_SUCH_REGISTERS: readonly (number | undefined)[] = [2, 3, 4];

async function readWords(
  client: ModbusTCPClient,
  address: number,
  count: number,
): Promise<readonly number[] | undefined> {
  try {
    const { response } = await client.readHoldingRegisters(address, count);
    const words = response.body.valuesAsArray;
    return words.length === count ? [...words] : undefined;
  } catch (error) {
    if (NO_SUCH_REGISTERS.includes(exceptionCode(error))) return undefined;
    throw error;
  }
}

async function needed(read: ReadWords, address: number, count: number): Promise<readonly number[]> {
  const words = await read(address, count);
  if (words !== undefined) return words;
  throw new DeviceError("malformed", `expected ${count} words at ${address}, received fewer or none`);
}

/** The library's error has the device's answer in it, if there was one. */
function exceptionCode(error: unknown): number | undefined {
  if (!(error instanceof UserRequestError) || error.err !== "ModbusException") return undefined;
  const body: unknown = (error.response as { body?: unknown } | undefined)?.body;
  return body instanceof responses.ExceptionResponseBody ? body.code : undefined;
}

function reasonOf(error: unknown): string {
  if (error instanceof UserRequestError) return error.message || error.err;
  return error instanceof Error ? error.message : String(error);
}
