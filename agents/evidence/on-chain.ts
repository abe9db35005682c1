import { statementDigest } from "./statement.ts";
import type { Bundle, Claim } from "./format.ts";
import { differs, type Fault } from "./checks.ts";

/** What a chain says that bears on a bundle, looked up by chain/witness.ts. */
export interface ChainFacts {
  readonly chainId: bigint;
  /** The bundle's ARIA; undefined if its Registry never registered it. */
  readonly service: { readonly epochSeconds: number } | undefined;
  /** The header of a block; undefined if the chain has none of this number. */
  readonly headerOf: (number: number) => { readonly hash: string; readonly timestamp: number } | undefined;
  /** Whose signature counts for the bundle's role, DER and epoch. */
  readonly signer: string | undefined;
  /** The sweep of the DER's epoch, if there was one. */
  readonly sweep:
    | {
        readonly transaction: string;
        readonly requestId: bigint;
        readonly flowRoot: string;
        readonly account: bigint;
      }
    | undefined;
  /** The dispute about it, if there is one. */
  readonly dispute:
    | { readonly transaction: string; readonly disputeId: bigint; readonly statementDigest: string }
    | undefined;
  readonly claim: Claim | undefined;
  /** The DERs commissioned by the epoch, with the meters that spoke for them. */
  readonly ders: readonly { readonly account: bigint; readonly meter: string; readonly der: string }[];
}

/** Checks a bundle against what a chain says. */
export function onChainChecks(bundle: Bundle, facts: ChainFacts): Fault[] {
  if (bundle.chainId !== facts.chainId) return [differs("chain", bundle.chainId, facts.chainId)];
  const { service } = facts;
  if (service?.epochSeconds !== bundle.epochSeconds) {
    const received = service === undefined ? "one it does not know" : `epochs of ${service.epochSeconds} s`;
    return [
      differs("contract", `an ARIA of ${bundle.registry}, epochs of ${bundle.epochSeconds} s`, received),
    ];
  }
  return [
    ...blockFaults(bundle, facts),
    ...(bundle.signer === facts.signer ? [] : [differs("authority", facts.signer, bundle.signer)]),
    ...transactionFaults(bundle, facts),
    ...termFaults(bundle, facts),
  ];
}

function blockFaults({ blocks }: Bundle, { headerOf }: ChainFacts): Fault[] {
  for (const { number, hash, timestamp } of blocks) {
    const header = headerOf(number);
    if (header?.hash === hash && header.timestamp === timestamp) continue;
    const expected = header === undefined ? `no block ${number}` : `${header.hash} at ${header.timestamp} s`;
    return [differs("blocks", expected, `${hash} at ${timestamp} s`)];
  }
  return [];
}

/** A DER's statement is committed to by its dispute, the Aggregator's by its sweep, if the chain has one. */
function transactionFaults(
  { chainId, aria, role, statement, commitment }: Bundle,
  facts: ChainFacts,
): Fault[] {
  if (role === "feeder") return [];
  const expected = role === "der" ? disputeWords(facts.dispute) : sweepWords(facts.sweep);
  const received =
    commitment?.kind === "dispute"
      ? disputeWords({ ...commitment, statementDigest: statementDigest({ chainId, aria }, statement) })
      : sweepWords(commitment === null ? undefined : { ...commitment, account: commitment.leaf.account });
  return expected === received ? [] : [differs("transaction", expected, received)];
}

function disputeWords(dispute: ChainFacts["dispute"]): string {
  if (dispute === undefined) return "none";
  return `dispute ${dispute.disputeId} of statement ${dispute.statementDigest} in ${dispute.transaction}`;
}

function sweepWords(sweep: ChainFacts["sweep"]): string {
  if (sweep === undefined) return "none";
  return `request ${sweep.requestId} of account ${sweep.account}, root ${sweep.flowRoot} in ${sweep.transaction}`;
}

function termFaults(bundle: Bundle, facts: ChainFacts): Fault[] {
  if (bundle.role === "feeder") return neighbourFaults(bundle, facts);
  if (bundle.role !== "der") return [];
  const [expected, received] = [wordsOf(facts.claim), wordsOf(bundle.claim ?? undefined)];
  return expected === received ? [] : [differs("terms", expected, received)];
}

function wordsOf(claim: Claim | undefined): string {
  if (claim === undefined) return "no claim";
  return Object.entries(claim)
    .map(([name, figure]) => `${name} ${figure}`)
    .sort()
    .join(", ");
}

/** Neighbours are commissioned DERs, each with its own meter; who is left out is only missed, as nobody speaks for it. */
function neighbourFaults({ neighbours }: Extract<Bundle, { role: "feeder" }>, { ders }: ChainFacts): Fault[] {
  const byAccount = new Map(ders.map((der) => [der.account, der]));
  for (const { account, meter, statement } of neighbours) {
    const known = byAccount.get(account);
    if (known?.meter !== meter) return [differs("terms", known?.meter, `${meter} for account ${account}`)];
    if (statement !== null && statement.der !== known.der)
      return [differs("terms", known.der, statement.der)];
  }
  return [];
}
