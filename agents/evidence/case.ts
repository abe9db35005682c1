import { ZeroHash } from "ethers";

import { adjudicate, type Case, type NeighbourFlow, type Testimony, type Verdict } from "./adjudicate.ts";
import { evidenceHash } from "./bundle.ts";
import { type Check, type CheckName, faultsIn } from "./checks.ts";
import { type Bundle, BundleFormatError, parseBundle, type Role } from "./format.ts";
import type { ChainFacts } from "./on-chain.ts";
import type { FlowStatement } from "./statement.ts";
import { verifyBundle } from "./verify.ts";

/** The evidence of a dispute, each part byte for byte as it was given; undefined for what was not. */
export interface Evidence {
  readonly der: string | undefined;
  readonly aggregator: string | undefined;
  readonly feeder: string | undefined;
}

/** What was made of one party's evidence. */
export interface Examined {
  readonly bundle: Bundle | undefined;
  readonly checks: readonly Check[];
}

export interface Judgement {
  readonly verdict: Verdict;
  /** What a ruling carries on the chain. */
  readonly evidenceHash: string;
  readonly examined: Readonly<Record<Role, Examined | undefined>>;
}

/** Looks up what a chain says about a bundle; undefined where there is no chain to ask. */
export type FactsOf = (bundle: Bundle) => Promise<ChainFacts | undefined>;

/** What a dispute is about: evidence of anything else is none. */
export type Subject = Pick<Bundle, "chainId" | "aria"> & {
  readonly statement: Pick<FlowStatement, "der" | "epoch">;
};

/**
 * Examines all evidence of a dispute and applies the rules. The same evidence and chain give the same judgement.
 * @param subject what it must be about; by default what the DER's evidence is about
 */
export async function judge(evidence: Evidence, factsOf: FactsOf, subject?: Subject): Promise<Judgement> {
  const der = await examine("der", evidence.der, factsOf);
  const aggregator = await examine("aggregator", evidence.aggregator, factsOf);
  const feeder = await examine("feeder", evidence.feeder, factsOf);
  return {
    verdict: adjudicate(caseOf(der, aggregator, feeder, subject ?? der?.bundle)),
    evidenceHash: evidenceHash([evidence.der ?? "", evidence.aggregator ?? "", evidence.feeder ?? ""]),
    examined: { der, aggregator, feeder },
  };
}

/**
 * Whether somebody showed its own evidence of a dispute, be it good or bad: of the form, sealed, by the key that counts, and about
 * what is in dispute. Whatever else comes may be of whoever stands between, who has bundles of others, and older ones.
 */
export function isOwn(examined: Examined | undefined, subject: Subject): boolean {
  const held = new Set(
    examined?.checks.filter(({ outcome }) => outcome === "holds").map(({ check }) => check),
  );
  return OWN.every((check) => held.has(check)) && subjectFaults(subject, examined?.bundle).length === 0;
}

const OWN: readonly CheckName[] = ["format", "seal", "authority"];

async function examine(
  role: Role,
  text: string | undefined,
  factsOf: FactsOf,
): Promise<Examined | undefined> {
  if (text === undefined) return undefined;
  const bundle = readable(text);
  if (!(bundle instanceof Error) && bundle.role === role) {
    return { bundle, checks: verifyBundle(bundle, await factsOf(bundle)) };
  }
  const detail =
    bundle instanceof Error ? bundle.message : `expected a bundle of role ${role}, received ${bundle.role}`;
  return { bundle: undefined, checks: [{ check: "format", outcome: "fails", detail }] };
}

function readable(text: string): Bundle | BundleFormatError {
  try {
    return parseBundle(text);
  } catch (error) {
    if (error instanceof BundleFormatError) return error;
    throw error;
  }
}

function caseOf(
  der: Examined | undefined,
  aggregator: Examined | undefined,
  feeder: Examined | undefined,
  subject: Subject | undefined,
): Case {
  const derBundle = der?.bundle?.role === "der" ? der.bundle : undefined;
  const claimMissing =
    derBundle?.claim === null ? [{ check: "claim" as const, detail: "no claim is made" }] : [];
  const derSaid = der && testimonyOf(der, subjectFaults(subject, der.bundle));
  const aggregatorSaid = aggregator && testimonyOf(aggregator, subjectFaults(subject, aggregator.bundle));
  const feederBundle = feeder && thirdMeterOf(feeder, subject, derBundle);
  return {
    claim: derBundle?.claim ?? (der === undefined ? undefined : NO_CLAIM),
    der: derSaid && { ...derSaid, faults: [...derSaid.faults, ...claimMissing] },
    aggregator: aggregatorSaid,
    feederWh: feederBundle?.statement.energyWh,
    neighbours: feederBundle && neighboursOf(feederBundle, aggregator),
  };
}

/** Stands for the claim of a DER whose evidence cannot be read: it is not looked at. */
const NO_CLAIM = {
  requestedWh: 0n,
  creditedWh: 0n,
  claimWh: 0n,
  powerW: 0n,
  meterToleranceBps: 0n,
  toleranceFloorWh: 0n,
};

function testimonyOf({ bundle, checks }: Examined, more: Testimony["faults"] = []): Testimony {
  return { measuredWh: bundle?.statement.energyWh ?? 0n, faults: [...faultsIn(checks), ...more] };
}

/** A party must show a meter at the very DER, in the very epoch, for the very ARIA. */
function subjectFaults(subject: Subject | undefined, bundle: Bundle | undefined): Testimony["faults"] {
  if (subject === undefined || bundle === undefined) return [];
  const [expected, received] = [subjectOf(subject), subjectOf(bundle)];
  return expected === received
    ? []
    : [{ check: "claim", detail: `expected ${expected}, received ${received}` }];
}

function subjectOf({ statement, aria, chainId }: Subject): string {
  return `${statement.der} in epoch ${statement.epoch} of ${aria} on chain ${chainId}`;
}

type FeederBundle = Extract<Bundle, { role: "feeder" }>;

/**
 * The feeder's evidence if it stands and decides: for the very epoch and ARIA, and with the DER in dispute not among
 * its own neighbours, where its energy would be taken off what is left for it.
 */
function thirdMeterOf(
  { bundle, checks }: Examined,
  subject: Subject | undefined,
  der: Bundle | undefined,
): FeederBundle | undefined {
  if (bundle?.role !== "feeder" || faultsIn(checks).length > 0 || !sameEpoch(subject, bundle))
    return undefined;
  return bundle.neighbours.some(({ meter }) => meter === der?.meter) ? undefined : bundle;
}

function sameEpoch(a: Subject | undefined, b: Subject): boolean {
  return a?.statement.epoch === b.statement.epoch && a.aria === b.aria && a.chainId === b.chainId;
}

/** What the Aggregator committed to for the neighbours, if it showed a commitment that stands, and what they signed. */
function neighboursOf(feeder: FeederBundle, aggregator: Examined | undefined): NeighbourFlow[] | undefined {
  const bundle = aggregator?.bundle;
  if (bundle?.role !== "aggregator" || bundle.leaves === null || !sameEpoch(feeder, bundle)) return undefined;
  const unproven = faultsIn(aggregator?.checks ?? []).some(({ check }) => COMMITTING.has(check));
  if (unproven) return undefined;
  const committed = new Map(
    bundle.leaves
      .filter(({ epoch, readingsRoot }) => epoch === feeder.statement.epoch && readingsRoot !== ZeroHash)
      .map(({ account, energyWh }) => [account, energyWh]),
  );
  const flows: NeighbourFlow[] = [];
  for (const { account, statement } of feeder.neighbours) {
    const committedWh = committed.get(account);
    // Without readings from there the Aggregator does not know what flowed: that is not to say that nothing did.
    if (committedWh === undefined) return undefined;
    flows.push({ committedWh, signedWh: statement?.energyWh });
  }
  return flows;
}

/** What has to hold for leaves to be those of the sweep. */
const COMMITTING: ReadonlySet<CheckName> = new Set(["commitment", "chain", "contract", "transaction"]);
