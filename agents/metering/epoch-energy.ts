import { genesisDigest, type StampedReading } from "./reading.ts";

/**
 * The readings of an epoch do not follow the last one before it, so their difference is not the epoch's
 * energy.
 */
export class EpochReadingsError extends Error {
  override readonly name = "EpochReadingsError";
  /** Digest the epoch's first reading should name as its predecessor. */
  readonly expected: string;
  readonly received: string;

  constructor(sequence: number, expected: string, received: string) {
    super(`reading ${sequence} opens the epoch but follows ${received}, expected ${expected}`);
    this.expected = expected;
    this.received = received;
  }
}

/**
 * Energy a meter exported in an epoch, in Wh: the register at the epoch's last reading less the register at
 * the last reading before the epoch. What flowed between an epoch's last reading and its end so counts in the
 * next epoch, and the epochs add up to the register with nothing lost or counted twice. A reading counts at its
 * block's time, though it may be taken as late as the next block. An epoch without a reading has no energy.
 *
 * @param readingsOfEpoch the meter's readings whose block falls in the epoch, oldest first
 * @param lastBefore its last reading before the epoch; none when its chain, and register at 0 Wh, begin here
 * @throws {EpochReadingsError} when a reading is missing between `lastBefore` and the epoch's first one.
 */
export function epochEnergyWh(
  readingsOfEpoch: readonly StampedReading[],
  lastBefore: StampedReading | undefined,
): bigint {
  const first = readingsOfEpoch[0];
  const last = readingsOfEpoch.at(-1);
  if (first === undefined || last === undefined) return 0n;

  const expected = lastBefore?.digest ?? genesisDigest(first.meter);
  if (first.previousDigest !== expected)
    throw new EpochReadingsError(first.sequence, expected, first.previousDigest);
  return last.registerWh - (lastBefore?.registerWh ?? 0n);
}

/**
 * Whether the reading an epoch is counted from is older than the epoch before it: then energy of some earlier epoch would
 * be counted with it, and nobody can tell how much.
 */
export function spansGap(
  lastBefore: StampedReading | undefined,
  epoch: number,
  epochSeconds: number,
): boolean {
  return lastBefore !== undefined && lastBefore.blockTimestamp < (epoch - 1) * epochSeconds;
}
