/** A Modbus TCP server that serves SunSpec models, for the tests: an inverter as far as the wire shows. */

import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

import { ModbusTCPRequest, ModbusTCPResponse, ModbusTCPServer, requests, responses } from "jsmodbus";

const ILLEGAL_ADDRESS = 2;
const END_OF_MODELS = [0xffff, 0];

/** A register map: words by address. What is not there is refused as an illegal address. */
export type Words = Map<number, number>;

export class ModbusServer {
  words: Words = new Map();
  /** The only unit that answers. */
  unitId = 1;
  /** Sent instead of the next answers, whatever was asked; undefined to answer. */
  garbage: Buffer | undefined;
  /** Called before each answer, with the address asked for. */
  beforeAnswer: (address: number) => void = () => undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  constructor() {
    this.#server = createServer();
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket)).on("error", () => undefined);
    });
    // Without a buffer of its own the server asks for each answer.
    const noBuffer = { holding: undefined } as object;
    new ModbusTCPServer(this.#server, noBuffer).on("readHoldingRegisters", (request, answer) => {
      const { body } = request;
      if (
        !(request instanceof ModbusTCPRequest) ||
        !(body instanceof requests.ReadHoldingRegistersRequestBody)
      )
        return;
      this.beforeAnswer(body.start);
      if (this.garbage !== undefined) answer(this.garbage);
      else if (request.unitId === this.unitId) {
        const words = this.#range(body.start, body.count);
        const response =
          words === undefined
            ? new responses.ExceptionResponseBody(body.fc, ILLEGAL_ADDRESS)
            : new responses.ReadHoldingRegistersResponseBody(2 * words.length, words);
        answer(ModbusTCPResponse.fromRequest(request, response).createPayload());
      }
    });
  }

  get port(): number {
    return this.#port;
  }

  /** Listens: on a free port at first, then on that one again. */
  async start(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, "close");
  }

  #range(start: number, count: number): number[] | undefined {
    const words = Array.from({ length: count }, (_, i) => this.words.get(start + i));
    return words.every((word) => word !== undefined) ? words : undefined;
  }
}

/** A model's words by their offset from its ID, which they begin with; the rest are 0. */
export interface Placed {
  readonly id: number;
  readonly length: number;
  readonly at: Readonly<Record<number, number | readonly number[]>>;
}

/** A map with these models one after the other, and the end after them. */
export function mapOf(
  models: readonly Placed[],
  base = 40_000,
  end: readonly number[] = END_OF_MODELS,
): Words {
  const words = [0x5375, 0x6e53];
  for (const { id, length, at } of models) {
    const model = [id, length, ...Array<number>(length).fill(0)];
    for (const [offset, value] of Object.entries(at)) {
      [value].flat().forEach((word, i) => (model[Number(offset) + i] = word));
    }
    words.push(...model);
  }
  return new Map([...words, ...end].map((word, i) => [base + i, word]));
}

/** Model 1: who made the device, and its number. */
export function common(serial = "SN-1"): Placed {
  return { id: 1, length: 66, at: { 2: text("Example"), 18: text("Inverter 8"), 50: text(serial) } };
}

/** Models 101 to 103: an inverter's power in W and register in Wh, each times ten to its scale. */
export function inverter(wh: number, whScale: number, w = 0, wScale = 0, id = 103): Placed {
  return {
    id,
    length: 50,
    at: { 14: word(w), 15: word(wScale), 24: [Math.floor(wh / 0x1_0000), wh % 0x1_0000], 26: word(whScale) },
  };
}

/** Model 701: as above, in 64 bits. */
export function der(wh: bigint, whScale: number, w = 0, wScale = 0): Placed {
  const words = [48n, 32n, 16n, 0n].map((shift) => Number((wh >> shift) & 0xffffn));
  return { id: 701, length: 153, at: { 10: word(w), 19: words, 116: word(wScale), 120: word(whScale) } };
}

/** Models 201 to 204: a meter's exported energy. */
export function acMeter(id: number, wh: number, whScale: number): Placed {
  return { id, length: 105, at: { 38: [Math.floor(wh / 0x1_0000), wh % 0x1_0000], 54: word(whScale) } };
}

function word(value: number): number {
  return value & 0xffff;
}

/** Two characters a word; a word of zeros ends it. */
function text(characters: string): number[] {
  const bytes = Buffer.from(
    `${characters}\0\0`.slice(0, 2 * Math.ceil((characters.length + 1) / 2)),
    "latin1",
  );
  return Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16BE(2 * i));
}
