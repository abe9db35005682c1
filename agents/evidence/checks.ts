/** The checks a bundle has to pass. Those after `seal` need a chain to ask. */
export const CHECKS = {
  format: "the file is a bundle of the published form",
  readings: "each reading's digest is right and names the reading before it; the register never falls",
  tree: "the readings lead to the root that was signed",
  energy: "the energy signed is the register's difference over the epoch",
  epoch: "the readings lie in the epoch, and it is counted from one before it",
  gap: "no energy of an earlier epoch is counted: the reading counted from is of the epoch before",
  headers: "each block's header has its hash, number and time",
  blockstamps: "the statement names the first and the last reading's blocks",
  signature: "the statement is signed by the key that the bundle names",
  meter: "the readings are of the meter that this key speaks for",
  power: "the energy is within what the DER can feed from reading to reading",
  claim: "the claim is what the register shows beyond the credit",
  commitment: "the statement is what was committed to",
  neighbours: "the neighbours' statements are signed by their meters, for this epoch",
  seal: "all of the bundle is as the holder of this key gave it",
  chain: "the chain is the one that the bundle names",
  contract: "the Registry registered this ARIA, and its epochs are as long",
  blocks: "the blocks are the chain's own",
  authority: "the key was the right one for this epoch",
  transaction: "the commitment stands on the chain in this transaction",
  terms: "what was requested, credited and claimed is as the chain has it",
} as const;
export type CheckName = keyof typeof CHECKS;

export interface Check {
  readonly check: CheckName;
  readonly outcome: "holds" | "fails" | "unchecked";
  /** Expected and received where it fails, why not where it was not checked. */
  readonly detail: string;
}

/** Something is wrong with a bundle. */
export interface Fault {
  readonly check: CheckName;
  readonly detail: string;
}

export function faultsIn(checks: readonly Check[]): Fault[] {
  return checks.filter(({ outcome }) => outcome === "fails").map(({ check, detail }) => ({ check, detail }));
}

export function differs(check: CheckName, expected: unknown, received: unknown): Fault {
  return { check, detail: `expected ${String(expected)}, received ${String(received)}` };
}
