import type { ReadingStore } from "../store/store.ts";
import type { Block, StampedReading } from "./reading.ts";

/** What the store has of a meter. */
export interface MeterPast {
  readonly last: StampedReading | undefined;
  /** What the meter gave with its last readings. */
  readonly memory: string | undefined;
}

/** What a meter answers to blocks. */
export interface Recorded {
  /** They continue the meter's chain, oldest first. */
  readonly readings: readonly StampedReading[];
  /** What the meter needs besides to go on from the last of them, stored together with them. */
  readonly memory?: string;
}

/** A meter that an agent keeps: simulated, replayed or a device. */
export interface Meter {
  /** Checksummed address the meter signs with. */
  readonly address: string;
  /** Called once, before anything is read. @param first the first block that will be shown */
  start(past: MeterPast, first: Block): void;
  /** @param blocks those that are new since the last call, oldest first, at least one */
  read(blocks: readonly Block[]): Recorded | Promise<Recorded>;
}

/**
 * Shows blocks to meters and puts their readings on disk. Meters that were read before go on from their last reading;
 * a new one starts to count at the first block it is shown.
 */
export class Recorder {
  readonly #store: ReadingStore;
  readonly #waiting = new Map<Meter, readonly Block[]>();
  readonly #meters = new Set<Meter>();

  constructor(store: ReadingStore) {
    this.#store = store;
  }

  /** @param earlier blocks before those that come next: it is shown the ones since its last reading, if it has one */
  add(meter: Meter, earlier: readonly Block[] = []): void {
    this.#waiting.set(meter, earlier);
  }

  remove(meter: Meter): void {
    this.#waiting.delete(meter);
    this.#meters.delete(meter);
  }

  /** Takes and stores the readings of these blocks, oldest first. All of them are on disk when it resolves. */
  async record(blocks: readonly Block[]): Promise<void> {
    const first = blocks[0];
    if (first === undefined) return;
    const missed = new Map<Meter, readonly Block[]>();
    for (const [meter, earlier] of this.#waiting) {
      const { address } = meter;
      const [last, memory] = [await this.#store.lastReading(address), await this.#store.memoryOf(address)];
      meter.start({ last, memory }, first);
      missed.set(meter, last === undefined ? [] : earlier.filter(({ number }) => number > last.blockNumber));
      this.#meters.add(meter);
      this.#waiting.delete(meter);
    }
    const recorded = await Promise.all(
      Array.from(this.#meters, (meter) => readOf(meter, [...(missed.get(meter) ?? []), ...blocks])),
    );
    await this.#store.appendReadings(
      recorded.flatMap(({ readings }) => readings),
      recorded.flatMap(({ meter, memory }) => (memory === undefined ? [] : { meter, memory })),
    );
  }
}

async function readOf(meter: Meter, blocks: readonly Block[]): Promise<Recorded & { meter: string }> {
  return { meter: meter.address, ...(await meter.read(blocks)) };
}
