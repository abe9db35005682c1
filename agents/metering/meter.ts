import { type Block, FieldError, genesisDigest, readingDigest, type StampedReading } from "./reading.ts";
import { energyWs, type MeterSource } from "./source.ts";

const PPM = 1_000_000n;
/** The register's unit in the meter's inner one: a Wh in micro-watt-seconds. */
const MICRO_WS_PER_WH = 3_600n * PPM;

/** A block is no newer than the meter's last reading: there is no time between the two to have measured. */
export class StaleBlockError extends Error {
  override readonly name = "StaleBlockError";
  readonly expected: string;
  readonly received: string;

  constructor(meter: string, last: Pick<Block, "number" | "timestamp">, block: Block) {
    const expected = `a block above number ${last.number} and after ${last.timestamp} s`;
    const received = `block ${block.number} at ${block.timestamp} s`;
    super(`meter ${meter}: expected ${expected}, received ${received}`);
    this.expected = expected;
    this.received = received;
  }
}

export interface SmartMeterOptions {
  /** Checksummed address the meter signs with. */
  readonly address: string;
  /** What flows through the meter. */
  readonly source: MeterSource;
  /** Error of the meter's gain in parts per million: +2000n reads 0.2 % too much. None by default. */
  readonly gainPpm?: bigint;
  /** The last reading stored, after a restart. */
  readonly resumeFrom?: StampedReading | undefined;
  /**
   * When a new meter begins to count, in Unix seconds. A resumed one goes on from its last reading instead.
   */
  readonly startUnixSeconds: number;
}

/**
 * A simulated smart meter: it integrates a source into a register and chains a reading to each block it is
 * shown.
 *
 * The register counts whole Wh. What is left below one is kept, in micro-watt-seconds, and counted with the
 * next reading; only a restart forgets it, so each restart costs less than 1 Wh. The time the meter was down
 * is not lost: it integrates from its last reading on, as a register goes on turning while nobody reads it.
 *
 * A reading that could not be stored must not be followed by another: make the meter anew from the last
 * stored one.
 */
export class SmartMeter {
  readonly address: string;
  readonly #source: MeterSource;
  readonly #gain: bigint;
  #sequence: number;
  #registerWh: bigint;
  #remainderMicroWs = 0n;
  #previousDigest: string;
  /** Number and timestamp of the last reading's block; -1 before the first, so that any block is above it. */
  #last: Pick<Block, "number" | "timestamp">;

  /**
   * @throws {FieldError} for an address without checksum, a gain of -100 % or less, or another meter's
   * reading.
   */
  constructor({ address, source, gainPpm = 0n, resumeFrom, startUnixSeconds }: SmartMeterOptions) {
    if (gainPpm <= -PPM) throw new FieldError("gainPpm", `above ${-PPM}`, String(gainPpm));
    if (resumeFrom !== undefined && resumeFrom.meter !== address)
      throw new FieldError("resumeFrom", `a reading of ${address}`, `one of ${resumeFrom.meter}`);

    this.address = address;
    this.#source = source;
    this.#gain = PPM + gainPpm;
    this.#sequence = resumeFrom === undefined ? 0 : resumeFrom.sequence + 1;
    this.#registerWh = resumeFrom?.registerWh ?? 0n;
    this.#previousDigest = resumeFrom?.digest ?? genesisDigest(address);
    this.#last = {
      number: resumeFrom?.blockNumber ?? -1,
      timestamp: resumeFrom?.blockTimestamp ?? startUnixSeconds,
    };
  }

  /**
   * Takes the reading of a block. A refused block leaves the meter as it was.
   * @throws {StaleBlockError} when the block is not newer than the last reading, in number and in time.
   * @throws {FieldError} when the block's number or hash is malformed, or the source drew power.
   */
  read(block: Block): StampedReading {
    if (!(block.number > this.#last.number && block.timestamp > this.#last.timestamp))
      throw new StaleBlockError(this.address, this.#last, block);

    const measuredMicroWs = energyWs(this.#source, this.#last.timestamp, block.timestamp) * this.#gain;
    if (measuredMicroWs < 0n) throw new FieldError("energy", "0 Ws or more", `${measuredMicroWs / PPM} Ws`);
    const seconds = BigInt(block.timestamp - this.#last.timestamp);
    const uncountedMicroWs = this.#remainderMicroWs + measuredMicroWs;
    const reading = {
      meter: this.address,
      sequence: this.#sequence,
      registerWh: this.#registerWh + uncountedMicroWs / MICRO_WS_PER_WH,
      powerW: measuredMicroWs / (PPM * seconds),
      blockNumber: block.number,
      blockHash: block.hash,
      previousDigest: this.#previousDigest,
    };
    const digest = readingDigest(reading);

    this.#sequence += 1;
    this.#registerWh = reading.registerWh;
    this.#remainderMicroWs = uncountedMicroWs % MICRO_WS_PER_WH;
    this.#previousDigest = digest;
    this.#last = { number: block.number, timestamp: block.timestamp };
    return { ...reading, digest, blockTimestamp: block.timestamp };
  }
}
