/** A meter whose register is a device's: it reads the device when it is shown a new block. */

import { z } from "zod/v4";

import type { Meter, MeterPast, Recorded } from "../recorder.ts";
import { type Block, genesisDigest, readingDigest, type StampedReading } from "../reading.ts";
import { type Device, DeviceError, type Sample } from "./device.ts";
import { isFrozen, type Limits, nextStep, type RegisterState, type Step, type Suspect } from "./register.ts";

export interface DeviceMeterOptions {
  /** Checksummed address the meter signs with. */
  readonly address: string;
  readonly device: Device;
  /** Power the DER can feed, W: its register cannot move faster. */
  readonly ratedW: bigint;
  readonly log?: (event: string, fields?: Readonly<Record<string, unknown>>) => void;
}

const whole = z.string().regex(/^\d+$/).transform(BigInt);
/** What is stored beside a reading, as JSON. */
const memorySchema = z.strictObject({
  /** Of the reading that it belongs to. */
  sequence: z.number().int().nonnegative(),
  identity: z.string().optional(),
  shownMicroWh: whole,
  restMicroWh: whole,
  movedAt: z.number().int(),
});

/**
 * A device tells what its register shows now, not what it showed at earlier blocks. So of the blocks shown at once only
 * the newest gets a reading, and one gets none while the device is silent, out of reach or not to be believed. Its
 * register counts on meanwhile; the next reading has what flowed, and `spansGap` keeps it from passing for one epoch's.
 */
export class DeviceMeter implements Meter {
  readonly address: string;
  readonly #device: Device;
  readonly #limits: Limits;
  readonly #log: NonNullable<DeviceMeterOptions["log"]>;
  #last: StampedReading | undefined;
  #state: RegisterState | undefined;
  #suspect: Suspect | undefined;
  /** Why there was no reading for the last block: told when it changes. */
  #trouble: string | undefined;

  constructor({ address, device, ratedW, log = () => undefined }: DeviceMeterOptions) {
    this.address = address;
    this.#device = device;
    this.#limits = { ratedW, slackSeconds: device.staleAfterSeconds };
    this.#log = log;
  }

  start({ last, memory }: MeterPast): void {
    this.#last = last;
    const known = memory === undefined ? undefined : memorySchema.parse(JSON.parse(memory));
    // Written with another reading: the meter had another source since, and what it counted must not count again.
    if (known === undefined || known.sequence !== last?.sequence) return;
    const { shownMicroWh, restMicroWh, movedAt } = known;
    this.#state = { identity: known.identity, shownMicroWh, restMicroWh, movedAt };
  }

  async read(blocks: readonly Block[]): Promise<Recorded> {
    const newest = blocks.at(-1);
    const isNewer = newest !== undefined && newest.timestamp > (this.#last?.blockTimestamp ?? -1);
    if (!isNewer) return { readings: [] };
    const sample = await this.#freshSample();
    return sample === undefined ? { readings: [] } : this.#take(sample, newest);
  }

  async #freshSample(): Promise<Sample | undefined> {
    const { counters, staleAfterSeconds } = this.#device;
    try {
      const sample = await this.#device.sample();
      const isFresh = sample !== undefined && performance.now() - sample.saidAt <= staleAfterSeconds * 1_000;
      if (isFresh) return sample;
      counters.stale += 1;
      this.#tell(sample === undefined ? "it has said nothing yet" : `nothing new in ${staleAfterSeconds} s`);
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      counters[error.kind] += 1;
      this.#tell(error.message);
    }
    return undefined;
  }

  #take(sample: Sample, block: Block): Recorded {
    const { counters } = this.#device;
    const step = nextStep(this.#state, this.#suspect, sample, block.timestamp, this.#limits);
    this.#count(step);
    if (step.kind === "implausible") {
      this.#suspect = step.suspect;
      return { readings: [] };
    }
    if (isFrozen(step.state, sample, block.timestamp, this.#limits)) counters.frozen += 1;
    const reading = this.#reading(step.addWh, block);
    this.#state = step.state;
    this.#suspect = undefined;
    this.#last = reading;
    counters.readings += 1;
    return { readings: [reading], memory: memoryOf(reading, step.state) };
  }

  #count(step: Step): void {
    const { counters } = this.#device;
    const shown = (sample: Sample): string => `${sample.registerMicroWh / 1_000_000n} Wh`;
    switch (step.kind) {
      case "counted":
        break;
      case "implausible":
        counters.implausible += 1;
        this.#tell(`its register leapt to ${shown(step.suspect.sample)}`);
        return;
      case "rollover":
        counters.rollovers += 1;
        break;
      case "restart":
        counters.restarts += 1;
        break;
      case "replacement":
        counters.replacements += 1;
        break;
      case "start":
        break;
    }
    if (this.#trouble !== undefined || step.kind !== "counted")
      this.#log("meter read", { meter: this.address, step: step.kind, identity: step.state.identity });
    this.#trouble = undefined;
  }

  #tell(reason: string): void {
    if (this.#trouble !== reason) this.#log("meter not read", { meter: this.address, reason });
    this.#trouble = reason;
  }

  #reading(addWh: bigint, block: Block): StampedReading {
    const last = this.#last;
    const seconds = BigInt(block.timestamp - (last?.blockTimestamp ?? block.timestamp));
    const reading = {
      meter: this.address,
      sequence: last === undefined ? 0 : last.sequence + 1,
      registerWh: (last?.registerWh ?? 0n) + addWh,
      powerW: seconds === 0n ? 0n : (addWh * 3_600n) / seconds,
      blockNumber: block.number,
      blockHash: block.hash,
      previousDigest: last?.digest ?? genesisDigest(this.address),
    };
    return { ...reading, digest: readingDigest(reading), blockTimestamp: block.timestamp };
  }
}

function memoryOf({ sequence }: StampedReading, state: RegisterState): string {
  const { identity, shownMicroWh, restMicroWh, movedAt } = state;
  return JSON.stringify({
    sequence,
    identity,
    shownMicroWh: String(shownMicroWh),
    restMicroWh: String(restMicroWh),
    movedAt,
  });
}
