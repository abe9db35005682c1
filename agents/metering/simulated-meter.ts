import { type SmartMeterOptions, SmartMeter } from "./meter.ts";
import type { Block } from "./reading.ts";
import type { Meter, MeterPast, Recorded } from "./recorder.ts";

export type SimulatedMeterOptions = Omit<SmartMeterOptions, "resumeFrom" | "startUnixSeconds">;

/** A meter that integrates a source, whose past can be asked for: it reads each block, also of a time it was down. */
export class SimulatedMeter implements Meter {
  readonly address: string;
  readonly #options: SimulatedMeterOptions;
  #meter: SmartMeter | undefined;
  #lastTimestamp = 0;

  constructor(options: SimulatedMeterOptions) {
    this.address = options.address;
    this.#options = options;
  }

  start({ last }: MeterPast, first: Block): void {
    this.#meter = new SmartMeter({
      ...this.#options,
      resumeFrom: last,
      startUnixSeconds: first.timestamp,
    });
    this.#lastTimestamp = last?.blockTimestamp ?? first.timestamp;
  }

  /** Blocks of the same second are one instant to a meter: it reads the first. */
  read(blocks: readonly Block[]): Recorded {
    const meter = this.#meter;
    if (meter === undefined) throw new Error(`meter ${this.address} is read before it was started`);
    const readings = [];
    for (const block of blocks) {
      if (block.timestamp <= this.#lastTimestamp) continue;
      this.#lastTimestamp = block.timestamp;
      readings.push(meter.read(block));
    }
    return { readings };
  }
}
