/** A device that counts what flows: what it is asked, what it says, and what went wrong so far. */

/** What a device says at one time. Nothing of it is trusted before `register.ts` has compared it with what was said before. */
export interface Sample {
  /** Energy exported as the device's own register shows it, µWh. */
  readonly registerMicroWh: bigint;
  /** The least by which that register moves, µWh: what its last digit is worth. */
  readonly stepMicroWh: bigint;
  /** Where the register begins again at 0, µWh; undefined if it never does. */
  readonly spanMicroWh?: bigint | undefined;
  /** Power exported now, W; negative while it draws. */
  readonly powerW?: bigint | undefined;
  /** Which device it is, such as its serial number. */
  readonly identity?: string | undefined;
  /** When the device said it, in ms of this process' monotonic clock (`performance.now()`). */
  readonly saidAt: number;
}

/** All that an agent needs of a device. To connect another kind of meter, implement this. */
export interface Device {
  /** What the meter of this device counts; the device counts what only it can see. */
  readonly counters: MeterCounters;
  /** A sample older than this says nothing about now. */
  readonly staleAfterSeconds: number;
  /**
   * What the device says, asked for now or the last it told by itself; undefined if that is nothing yet.
   * @throws {DeviceError} when it cannot be asked or says nothing usable. It answers or throws within seconds, for the agent waits.
   */
  sample(): Promise<Sample | undefined>;
  close(): Promise<void>;
}

export function isDevice(source: object): source is Device {
  return "sample" in source;
}

/** What happened to a meter since the agent started. */
export interface MeterCounters {
  /** Readings taken. */
  readings: number;
  /** Blocks without a reading since the last sample was too old, or there was none. */
  stale: number;
  /** Messages that repeat what was said before, or that a broker had kept from before. */
  repeated: number;
  /** Samples that lack the register: no such field, null, NaN, or SunSpec's "not implemented". */
  missing: number;
  /** Samples that are not what the configuration says they are. */
  malformed: number;
  /** Times the device or its broker could not be asked, or refused. */
  unreachable: number;
  disconnects: number;
  reconnects: number;
  /** Samples set aside since the register moved more than the DER can feed, or backwards. */
  implausible: number;
  /** Samples whose register stood still for longer than `staleAfterSeconds` though the device said it exports. */
  frozen: number;
  /** Times the register passed its end and began again at 0. */
  rollovers: number;
  /** Times the register went on from elsewhere, as after a restart of the device: nothing is counted across. */
  restarts: number;
  /** Times another device answered: nothing is counted across. */
  replacements: number;
}

export function zeroCounters(): MeterCounters {
  return {
    readings: 0,
    stale: 0,
    repeated: 0,
    missing: 0,
    malformed: 0,
    unreachable: 0,
    disconnects: 0,
    reconnects: 0,
    implausible: 0,
    frozen: 0,
    rollovers: 0,
    restarts: 0,
    replacements: 0,
  };
}

/** A device could not be read. The meter counts it by its kind and takes no reading. */
export class DeviceError extends Error {
  override readonly name = "DeviceError";
  readonly kind: "missing" | "malformed" | "unreachable";

  constructor(kind: DeviceError["kind"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
