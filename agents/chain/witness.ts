import type { Bundle, Claim } from "../evidence/format.ts";
import type { ChainFacts } from "../evidence/on-chain.ts";
import { statementDigest } from "../evidence/statement.ts";
import { blocksAt } from "./blocks.ts";
import type { Connection } from "./connection.ts";
import type { Service } from "./books.ts";
import type { ChainFollower } from "./follower.ts";
import type { Dispute, Entry } from "./service-view.ts";

const MOST_BLOCKS_PER_SECOND = 10;

/** Looks up what the chain says that bears on a bundle, as of the last block followed. */
export async function factsOf(
  bundle: Bundle,
  connection: Connection,
  follower: ChainFollower,
): Promise<ChainFacts> {
  const { registry, aria, statement } = bundle;
  const service =
    registry === connection.registryAddress
      ? follower.services.find(({ address }) => address === aria)
      : undefined;
  // No chain has more blocks in an epoch, and the one before: a bundle with more is not worth a node's time.
  const most = service === undefined ? 0 : service.terms.rules.epochSeconds * MOST_BLOCKS_PER_SECOND + 1;
  const numbers = bundle.blocks.slice(0, most).map(({ number }) => number);
  const blocks = await blocksAt(connection.provider, numbers);
  const known = { chainId: connection.chainId, headerOf: (number: number) => blocks.get(number) };
  if (service === undefined) return { ...known, ...NOTHING };
  const account = follower.ledger.accountOf(statement.der);
  const entry = account === undefined ? undefined : service.view.entryOf(account, statement.epoch);
  const dispute = account === undefined ? undefined : disputeOf(service, account, statement.epoch);
  return {
    ...known,
    service: { epochSeconds: service.terms.rules.epochSeconds },
    signer: signerOf(bundle, service, follower, account),
    sweep: account === undefined || entry === undefined ? undefined : sweepOf(entry, account),
    dispute: dispute && {
      transaction: dispute.transaction,
      disputeId: dispute.id,
      statementDigest: statementDigest({ chainId: connection.chainId, aria }, dispute.statement),
    },
    claim: dispute && entry && claimOf(dispute, entry, service),
    ders: dersOf(service, statement.epoch),
  };
}

const NOTHING = {
  service: undefined,
  signer: undefined,
  sweep: undefined,
  dispute: undefined,
  claim: undefined,
  ders: [],
};

function disputeOf({ view }: Service, account: bigint, epoch: number): Dispute | undefined {
  return view.disputes.get((account << 32n) | BigInt(epoch));
}

/** Whose signature counts: the DER's meter of the time, or the company that keeps the meter. */
function signerOf(
  { role, statement }: Bundle,
  { view, terms }: Service,
  { ledger }: ChainFollower,
  account: bigint | undefined,
): string | undefined {
  if (role === "aggregator") return ledger.ownerOf(terms.aggregatorAccount);
  if (role === "feeder") return ledger.ownerOf(terms.operatorAccount);
  return account === undefined ? undefined : view.meterOf(account, statement.epoch);
}

function sweepOf({ request }: Entry, account: bigint): ChainFacts["sweep"] {
  if (request.sweep === undefined) return undefined;
  const { transaction, flowRoot } = request.sweep;
  return { transaction, requestId: request.id, flowRoot, account };
}

/** What was requested, credited and claimed, as a bundle states it. */
export function claimOf(dispute: Dispute, entry: Entry, { terms }: Service): Claim {
  return {
    requestedWh: entry.requestedWh,
    creditedWh: entry.creditedWh ?? 0n,
    claimWh: dispute.claimWh,
    powerW: entry.powerW, // that of the agreement may be another by now
    meterToleranceBps: terms.rules.meterToleranceBps,
    toleranceFloorWh: terms.rules.toleranceFloorWh,
  };
}

/** The DERs with a meter commissioned by an epoch, by account; one that left, or joined again, is still behind its feeder. */
export function dersOf({ view }: Service, epoch: number): ChainFacts["ders"] {
  return [...view.agreements.values()]
    .flatMap(({ account, der }) => {
      const meter = view.meterOf(account, epoch);
      return meter === undefined ? [] : [{ account, der, meter }];
    })
    .sort((a, b) => (a.account < b.account ? -1 : 1));
}
