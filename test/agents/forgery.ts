/** Forged evidence, as a party would make it that has its own keys and no scruples. */

import { type Signer } from "ethers";

import { type Bundle, readingsIn, wireReadings } from "../../agents/evidence/format.ts";
import { readingsProofs, readingsRoot } from "../../agents/evidence/readings-tree.ts";
import { sealed } from "../../agents/evidence/seal.ts";
import { type FlowStatement, signStatement } from "../../agents/evidence/statement.ts";
import { genesisDigest, readingDigest, type StampedReading } from "../../agents/metering/reading.ts";

/** A reading with any content, but for its digests. */
export type Draft = Omit<StampedReading, "digest" | "previousDigest">;

/** What a forger starts from: a meter's readings of an epoch, and the one before. */
export interface Material {
  readonly before: StampedReading | undefined;
  readonly readings: readonly StampedReading[];
}

/** Chains drafts anew after `previousDigest`. */
export function chained(drafts: readonly Draft[], previousDigest: string): StampedReading[] {
  let previous = previousDigest;
  return drafts.map((draft) => {
    const reading = { ...draft, previousDigest: previous };
    previous = readingDigest(reading);
    return { ...reading, digest: previous };
  });
}

/** The statement that forged readings call for. */
export function statementOver(
  der: string,
  epoch: number,
  { before, readings }: Material,
  change: Partial<FlowStatement> = {},
): FlowStatement {
  const [first, last] = [readings[0]!, readings.at(-1)!];
  const energyWh = last.registerWh - (before?.registerWh ?? 0n);
  return {
    der,
    epoch,
    energyWh: energyWh < 0n ? 0n : energyWh,
    readingsRoot: readingsRoot(readings),
    firstBlock: first.blockNumber,
    firstBlockHash: first.blockHash,
    lastBlock: last.blockNumber,
    lastBlockHash: last.blockHash,
    ...change,
  };
}

/**
 * A bundle with other readings, signed and sealed again; all else as in the honest one.
 * @param headers of blocks that the honest one does not have
 */
export async function forgedBundle(
  honest: Bundle,
  material: Material,
  signer: Signer,
  change: Partial<FlowStatement> = {},
  headers: ReadonlyMap<number, string> = new Map(),
): Promise<Bundle> {
  const known = new Map(honest.blocks.map(({ number, header }) => [number, header ?? undefined]));
  const { der, epoch } = honest.statement;
  const statement = statementOver(der, epoch, material, change);
  const venue = { chainId: honest.chainId, aria: honest.aria };
  const ordered = { ...honest, ...wireReadings(material, new Map([...known, ...headers])) };
  return sealed(signer, {
    ...ordered,
    statement,
    signature: await signStatement(signer, venue, statement),
    proofs: readingsProofs(material.readings),
  });
}

/** The readings of a bundle as a forger's material. */
export function materialOf(bundle: Bundle): Material {
  return readingsIn(bundle);
}

/** Adds to the register from a reading on, and chains everything anew. */
export function inflated({ before, readings }: Material, from: number, wh: bigint): Material {
  const drafts = readings.map((reading, i) =>
    i < from ? reading : { ...reading, registerWh: reading.registerWh + wh },
  );
  const previous = before?.digest ?? genesisDigest(readings[0]!.meter);
  return { before, readings: chained(drafts, previous) };
}
