import {
  Signature,
  type Signer,
  type TypedDataDomain,
  TypedDataEncoder,
  type TypedDataField,
  verifyTypedData,
} from "ethers";

/**
 * What a meter says of one DER in one epoch, in the form it signs (EIP-712). ARIA checks the same in
 * contracts/libraries/Statements.sol.
 */
export interface FlowStatement {
  /** Checksummed address of the DER. */
  readonly der: string;
  readonly epoch: number;
  readonly energyWh: bigint;
  /** Root of the Merkle tree over the epoch's reading digests. */
  readonly readingsRoot: string;
  readonly firstBlock: number;
  readonly firstBlockHash: string;
  readonly lastBlock: number;
  readonly lastBlockHash: string;
}

/** The contract that a statement is made to: nothing signed for one counts for another. */
export interface Venue {
  readonly chainId: bigint;
  /** Checksummed address. */
  readonly aria: string;
}

export const FLOW_STATEMENT_TYPES = {
  FlowStatement: [
    { name: "der", type: "address" },
    { name: "epoch", type: "uint32" },
    { name: "energyWh", type: "uint64" },
    { name: "readingsRoot", type: "bytes32" },
    { name: "firstBlock", type: "uint64" },
    { name: "firstBlockHash", type: "bytes32" },
    { name: "lastBlock", type: "uint64" },
    { name: "lastBlockHash", type: "bytes32" },
  ],
};

export function domainOf({ chainId, aria }: Venue): TypedDataDomain {
  return { name: "Proof of Flow", version: "1", chainId, verifyingContract: aria };
}

export function statementDigest(venue: Venue, statement: FlowStatement): string {
  return TypedDataEncoder.hash(domainOf(venue), FLOW_STATEMENT_TYPES, statement);
}

export function signStatement(signer: Signer, venue: Venue, statement: FlowStatement): Promise<string> {
  return signer.signTypedData(domainOf(venue), FLOW_STATEMENT_TYPES, statement);
}

/** Whether a meter says this, of this DER in this epoch: a statement of anything else is as good as none. */
export function isSaidOf(
  venue: Venue,
  { der, meter, epoch }: { readonly der: string; readonly meter: string; readonly epoch: number },
  { statement, signature }: { readonly statement: FlowStatement; readonly signature: string },
): boolean {
  return (
    statement.der === der && statement.epoch === epoch && signerOf(venue, statement, signature) === meter
  );
}

/** Who signed a statement; undefined for what is no signature. */
export function signerOf(venue: Venue, statement: FlowStatement, signature: string): string | undefined {
  return recoveredSigner(venue, FLOW_STATEMENT_TYPES, statement, signature);
}

/**
 * Who signed typed data; undefined for what is no signature. As in ARIA, a signature has one form only: s in the lower
 * half, v of 27 or 28, lower-case hex. The library would take others for the same.
 */
export function recoveredSigner(
  venue: Venue,
  types: Record<string, TypedDataField[]>,
  value: object,
  signature: string,
): string | undefined {
  try {
    if (Signature.from(signature).serialized !== signature) return undefined;
    return verifyTypedData(domainOf(venue), types, value, signature);
  } catch {
    return undefined; // the library has errors of many kinds for bytes that are no signature
  }
}
