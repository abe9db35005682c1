/** Who gets what of a party's evidence for one DER in one epoch. Pure: DERs and the Aggregator decide by it alike. */

/** Whose server is asked. */
export type Holder = "der" | "aggregator";
/** Who asks: the Operator of the ARIA, the DER that the evidence is about, or somebody else. */
export type Requester = "operator" | "der" | "other";
/** Whose dispute the epoch has: that of the DER the evidence is about, only that of another, or nobody's. */
export type Disputed = "own" | "other" | "none";
/** What may be asked for: all there is, or the signed statement without a reading. */
export type What = "evidence" | "statement";

export interface Access {
  readonly requester: Requester;
  /** The most that this requester gets. */
  readonly grant: What | "nothing";
}

export const NO_ACCESS: Access = { requester: "other", grant: "nothing" };

const ALL = { own: "evidence", other: "evidence", none: "evidence" } as const;
const NOTHING = { own: "nothing", other: "nothing", none: "nothing" } as const;

const GRANTS: Record<Holder, Record<Requester, Record<Disputed, Access["grant"]>>> = {
  der: {
    // To rule on a neighbour's dispute takes what the others' meters signed, and none of their readings.
    operator: { own: "evidence", other: "statement", none: "nothing" },
    der: ALL,
    other: NOTHING,
  },
  // The Operator pays the Aggregator for what it reports, so it may look into that at any time.
  aggregator: { operator: ALL, der: ALL, other: NOTHING },
};

export function accessOf(holder: Holder, requester: Requester, disputed: Disputed): Access {
  return { requester, grant: GRANTS[holder][requester][disputed] };
}

/** Whether one may have what it asks for; whoever may see the evidence may see the statement in it. */
export function covers({ grant }: Access, what: What): boolean {
  return grant === "evidence" || grant === what;
}

export function requesterAs(
  address: string,
  parties: { readonly operator: string; readonly der: string },
): Requester {
  if (address === parties.operator) return "operator";
  return address === parties.der ? "der" : "other";
}

/** A DER's own dispute counts after its ruling too, which may be looked into; a neighbour's only while it is open. */
export function disputedIn(
  disputes: Iterable<{ readonly account: bigint; readonly epoch: number; readonly status: string }>,
  { account, epoch }: { readonly account: bigint; readonly epoch: number },
): Disputed {
  let disputed: Disputed = "none";
  for (const dispute of disputes) {
    if (dispute.epoch !== epoch) continue;
    if (dispute.account === account) return "own";
    if (dispute.status === "open") disputed = "other";
  }
  return disputed;
}
