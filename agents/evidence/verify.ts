import { genesisDigest, verifyChain } from "../metering/reading.ts";
import { epochEnergyWh } from "../metering/epoch-energy.ts";
import { type Bundle, readingsRoot } from "./bundle.ts";
import { signerOf, type Venue } from "./statement.ts";

/** What a bundle must be evidence of. */
export interface Expected {
  readonly venue: Venue;
  readonly der: string;
  readonly epoch: number;
  readonly epochSeconds: number;
  /** Who must have signed: the meter commissioned for the epoch, or the party that keeps the meter. */
  readonly signer: string;
}

/** The header of a block, as the chain has it; undefined if there is no such block. */
export type HeaderOf = (number: number) => { hash: string; timestamp: number } | undefined;

/** Why a bundle is no evidence; the names are the checks. */
export interface BundleFault {
  readonly check: "venue" | "subject" | "signature" | "chain" | "blockstamp" | "epoch" | "root" | "energy";
  readonly detail: string;
}

/**
 * Checks a bundle and returns everything that is wrong with it; nothing when it stands. Pure: headers are looked up by
 * the caller.
 */
export function verifyBundle(bundle: Bundle, expected: Expected, headerOf: HeaderOf): BundleFault[] {
  return [
    ...venueFaults(bundle, expected),
    ...signatureFaults(bundle, expected),
    ...chainFaults(bundle),
    ...blockFaults(bundle, expected, headerOf),
    ...statementFaults(bundle),
  ];
}

function venueFaults({ chainId, aria, statement }: Bundle, expected: Expected): BundleFault[] {
  const faults: BundleFault[] = [];
  if (chainId !== expected.venue.chainId || aria !== expected.venue.aria) {
    const received = `${aria} on chain ${chainId}`;
    faults.push(differs("venue", `${expected.venue.aria} on chain ${expected.venue.chainId}`, received));
  }
  if (statement.der !== expected.der || statement.epoch !== expected.epoch) {
    const received = `${statement.der} in epoch ${statement.epoch}`;
    faults.push(differs("subject", `${expected.der} in epoch ${expected.epoch}`, received));
  }
  return faults;
}

function signatureFaults({ statement, signature }: Bundle, expected: Expected): BundleFault[] {
  const signer = recovered(expected.venue, statement, signature);
  return signer === expected.signer ? [] : [differs("signature", expected.signer, signer)];
}

function recovered(venue: Venue, statement: Bundle["statement"], signature: string): string {
  try {
    return signerOf(venue, statement, signature);
  } catch (error) {
    return `a malformed signature (${String(error)})`;
  }
}

function chainFaults({ meter, before, readings }: Bundle): BundleFault[] {
  const chain = before === undefined ? readings : [before, ...readings];
  const previous = before?.previousDigest ?? genesisDigest(meter);
  const verdict = verifyChain(chain, previous);
  if (!verdict.ok) {
    return [
      differs("chain", verdict.expected, `${verdict.received} (${verdict.fault} at ${verdict.sequence})`),
    ];
  }
  const foreign = chain.find((reading) => reading.meter !== meter);
  return foreign === undefined ? [] : [differs("chain", `readings of ${meter}`, `one of ${foreign.meter}`)];
}

function blockFaults({ before, readings }: Bundle, expected: Expected, headerOf: HeaderOf): BundleFault[] {
  const start = expected.epoch * expected.epochSeconds;
  const end = start + expected.epochSeconds;
  const faults: BundleFault[] = [];
  for (const { blockNumber, blockHash, blockTimestamp } of before === undefined
    ? readings
    : [before, ...readings]) {
    const header = headerOf(blockNumber);
    if (header?.hash !== blockHash || header.timestamp !== blockTimestamp) {
      const received = `${blockHash} at ${blockTimestamp} s`;
      faults.push(differs("blockstamp", `block ${blockNumber} as the chain has it`, received));
    }
  }
  for (const { sequence, blockTimestamp } of readings) {
    if (blockTimestamp < start || blockTimestamp >= end) {
      faults.push(
        differs(
          "epoch",
          `readings from ${start} s to before ${end} s`,
          `reading ${sequence} at ${blockTimestamp} s`,
        ),
      );
    }
  }
  if (before !== undefined && before.blockTimestamp >= start) {
    faults.push(
      differs("epoch", `a reading before ${start} s to count from`, `one at ${before.blockTimestamp} s`),
    );
  }
  return faults;
}

function statementFaults({ statement, before, readings }: Bundle): BundleFault[] {
  const faults: BundleFault[] = [];
  const root = readingsRoot(readings);
  if (root !== statement.readingsRoot) faults.push(differs("root", statement.readingsRoot, root));
  const measured = measuredWh(readings, before);
  if (measured !== statement.energyWh) {
    faults.push(differs("energy", `${statement.energyWh} Wh`, `${measured ?? "unconnected readings"} Wh`));
  }
  const [first, last] = [readings[0], readings.at(-1)];
  const stamps = `${first?.blockHash ?? ""} to ${last?.blockHash ?? ""}`;
  const stated = `${statement.firstBlockHash} to ${statement.lastBlockHash}`;
  const numbersAgree =
    first?.blockNumber === statement.firstBlock && last?.blockNumber === statement.lastBlock;
  if (stamps !== stated || !numbersAgree) faults.push(differs("blockstamp", stated, stamps));
  return faults;
}

function measuredWh(readings: Bundle["readings"], before: Bundle["before"]): bigint | undefined {
  try {
    return epochEnergyWh(readings, before);
  } catch {
    return undefined; // the chain check says what is wrong with them
  }
}

function differs(check: BundleFault["check"], expected: string, received: string): BundleFault {
  return { check, detail: `expected ${expected}, received ${received}` };
}
