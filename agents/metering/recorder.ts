import type { ReadingStore } from "../store/store.ts";
import { SmartMeter, type SmartMeterOptions } from "./meter.ts";
import type { Block, StampedReading } from "./reading.ts";

export type RecordedMeter = Omit<SmartMeterOptions, "resumeFrom" | "startUnixSeconds">;

/**
 * Shows blocks to meters and puts their readings on disk. Meters that were read before go on from their last reading;
 * a new one starts to count at the first block it is shown.
 */
export class Recorder {
  readonly #store: ReadingStore;
  readonly #waiting: RecordedMeter[] = [];
  readonly #meters: { meter: SmartMeter; lastTimestamp: number }[] = [];

  constructor(store: ReadingStore) {
    this.#store = store;
  }

  add(meter: RecordedMeter): void {
    this.#waiting.push(meter);
  }

  /** Takes and stores the readings of these blocks, oldest first. All of them are on disk when it resolves. */
  async record(blocks: readonly Block[]): Promise<void> {
    const first = blocks[0];
    if (first === undefined) return;
    for (const waiting of this.#waiting.splice(0)) await this.#start(waiting, first);
    const readings = blocks.flatMap((block) => this.#readAll(block));
    await this.#store.appendReadings(readings);
  }

  async #start(options: RecordedMeter, first: Block): Promise<void> {
    const resumeFrom = await this.#store.lastReading(options.address);
    const meter = new SmartMeter({ ...options, resumeFrom, startUnixSeconds: first.timestamp });
    this.#meters.push({ meter, lastTimestamp: resumeFrom?.blockTimestamp ?? first.timestamp });
  }

  /** Blocks of the same second are one instant to a meter: it reads the first. */
  #readAll(block: Block): StampedReading[] {
    return this.#meters
      .filter(({ lastTimestamp }) => block.timestamp > lastTimestamp)
      .map((entry) => {
        entry.lastTimestamp = block.timestamp;
        return entry.meter.read(block);
      });
  }
}
