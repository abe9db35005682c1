import { concat, dataSlice, getAddress, keccak256 } from "ethers";
import { z } from "zod/v4";

/** What the Aggregator gives of its evidence for one DER in one epoch; each part is JSON text. */
export interface Dossier {
  /** The readings of the Aggregator's meter at the DER; see bundle.ts. */
  readonly bundle: string;
  /** For the Operator: all leaves of the commitment; see commitment.ts. Absent when nothing was swept. */
  readonly commitment?: string | undefined;
  /** For the DER: its own leaf and the proof that it was committed to. */
  readonly ownLeaf?: { readonly leaf: string; readonly proof: string[] } | undefined;
}

const dossierSchema = z.strictObject({
  bundle: z.string(),
  commitment: z.string().optional(),
  ownLeaf: z.strictObject({ leaf: z.string(), proof: z.array(z.string()) }).optional(),
});

/** @throws ZodError or SyntaxError for anything else */
export function parseDossier(json: string): Dossier {
  return dossierSchema.parse(JSON.parse(json));
}

/**
 * The number of a meter that a party keeps at a DER's connection, in the form of an address. Derived from public
 * data, so that its readings cannot be passed off as another's. Statements about it are signed by its keeper.
 */
export function keptMeterId(keeper: string, at: string): string {
  return getAddress(dataSlice(keccak256(concat([keeper, at])), 12));
}
