import { ZodError } from "zod/v4";

import type { Connection } from "../chain/connection.ts";
import type { ChainFollower, Service } from "../chain/follower.ts";
import type { Dispute, Entry } from "../chain/service-view.ts";
import { adjudicate, type Testimony, type Verdict } from "../evidence/adjudicate.ts";
import { type Bundle, bundleJson, makeBundle, parseBundle } from "../evidence/bundle.ts";
import { Commitment } from "../evidence/commitment.ts";
import { type Dossier, keptMeterId, parseDossier } from "../evidence/dossier.ts";
import { fetchEvidence } from "../evidence/query.ts";
import { type BundleFault, type Expected, type HeaderOf, verifyBundle } from "../evidence/verify.ts";
import type { ReadingStore } from "../store/store.ts";

export interface HearingRoom {
  readonly connection: Connection;
  readonly store: ReadingStore;
  readonly follower: ChainFollower;
  readonly feederMeter: string;
  readonly feederPpm: bigint;
  readonly evidenceUrl: (party: string) => string | undefined;
}

export interface Hearing {
  /** Whether both parties showed evidence; if not, it may still be on its way. */
  readonly complete: boolean;
  readonly verdict: Verdict;
  /** All that was heard, as it was heard, in the order that the ruling's hash is over. */
  readonly evidence: readonly string[];
}

/** Hears a dispute: fetches both parties' evidence, checks it against the chain, and applies the rules. */
export async function hear(dispute: Dispute, room: HearingRoom): Promise<Hearing> {
  const { ledger, service } = room.follower;
  const { rules, aggregatorAccount } = service.terms;
  const entry = service.view.entryOf(dispute.account, dispute.epoch);
  if (entry === undefined) throw new Error(`dispute ${dispute.id} is about an epoch that was not requested`);
  const der = ledger.ownerOf(dispute.account);
  const aggregator = ledger.ownerOf(aggregatorAccount);

  const derText = await ask(der, dispute, room);
  const dossierText = await ask(aggregator, dispute, room);
  const dossier = dossierText === undefined ? undefined : readable(() => parseDossier(dossierText));
  const feeder = await feederBundle(dispute, room);
  const expected = { venue: venueOf(room), der, epoch: dispute.epoch, epochSeconds: rules.epochSeconds };

  const meter = service.view.meterOf(dispute.account, dispute.epoch) ?? "";
  const derSaid = await testimony(derText, { ...expected, signer: meter }, meter, room.connection);
  const keptMeter = keptMeterId(aggregator, der);
  const aggregatorSaid =
    dossierText === undefined
      ? undefined
      : await testimony(
          dossier?.bundle ?? "",
          { ...expected, signer: aggregator },
          keptMeter,
          room.connection,
        );
  const commitment = committed(dossier, entry);

  const verdict = adjudicate({
    requestedWh: entry.requestedWh,
    creditedWh: entry.creditedWh ?? 0n,
    claimWh: dispute.claimWh,
    der: derSaid && sameAsClaimed(derSaid, dispute),
    aggregator: aggregatorSaid && withCommitment(aggregatorSaid, dispute, entry, commitment),
    feederWh: feeder?.statement.energyWh,
    othersWh: commitment && othersWh(commitment, dispute, service),
    meterToleranceBps: rules.meterToleranceBps,
    toleranceFloorWh: rules.toleranceFloorWh,
    feederPpm: room.feederPpm,
  });
  const complete = derText !== undefined && dossierText !== undefined;
  return {
    complete,
    verdict,
    evidence: [derText ?? "", dossierText ?? "", feeder === undefined ? "" : bundleJson(feeder)],
  };
}

async function ask(
  party: string,
  { account, epoch }: Dispute,
  room: HearingRoom,
): Promise<string | undefined> {
  const url = room.evidenceUrl(party);
  if (url === undefined) return undefined;
  const { connection, follower } = room;
  const query = { aria: follower.service.address, account, epoch };
  return fetchEvidence(url, party, query, connection.wallet, connection.chainId, follower.head.timestamp);
}

/** Checks a bundle. Undefined if there is none; one that cannot be read is one that does not stand. */
async function testimony(
  text: string | undefined,
  expected: Expected,
  meter: string,
  connection: Connection,
): Promise<Testimony | undefined> {
  if (text === undefined) return undefined;
  const bundle = readable(() => parseBundle(text));
  if (bundle === undefined) return { measuredWh: 0n, faults: [fault("subject", "evidence cannot be read")] };
  const faults = verifyBundle(bundle, expected, await headersOf(bundle, connection));
  if (bundle.meter !== meter)
    faults.push(fault("subject", `expected readings of ${meter}, received of ${bundle.meter}`));
  return { measuredWh: bundle.statement.energyWh, faults };
}

/** A DER must show the readings of the very statement it raised the dispute with. */
function sameAsClaimed(said: Testimony, { statement }: Dispute): Testimony {
  if (said.measuredWh === statement.energyWh) return said;
  const detail = `expected ${statement.energyWh} Wh as claimed, received ${said.measuredWh} Wh`;
  return { ...said, faults: [...said.faults, fault("energy", detail)] };
}

/** The Aggregator must show the readings that it committed to when it swept. */
function withCommitment(
  said: Testimony,
  { account, epoch }: Dispute,
  { request }: Entry,
  commitment: Commitment | undefined,
): Testimony {
  if (request.sweep === undefined) return said; // it never swept: there is nothing it could have committed to
  const leaf = commitment?.leafOf(account, epoch);
  if (leaf === undefined)
    return { ...said, faults: [...said.faults, fault("root", "no leaf of the commitment shown")] };
  if (leaf.energyWh === said.measuredWh) return said;
  const detail = `expected ${leaf.energyWh} Wh as committed, received ${said.measuredWh} Wh`;
  return { ...said, faults: [...said.faults, fault("energy", detail)] };
}

/** The commitment, if it is the one whose root is on the chain. */
function committed(dossier: Dossier | undefined, { request }: Entry): Commitment | undefined {
  const json = dossier?.commitment;
  if (json === undefined || request.sweep === undefined) return undefined;
  const commitment = readable(() => Commitment.parse(json));
  return commitment?.root === request.sweep.flowRoot ? commitment : undefined;
}

/** What the Aggregator committed to for everybody else. */
function othersWh(commitment: Commitment, { account, epoch }: Dispute, { view }: Service): bigint {
  return [...view.agreements.keys()]
    .filter((other) => other !== account)
    .reduce((sum, other) => sum + (commitment.leafOf(other, epoch)?.energyWh ?? 0n), 0n);
}

async function feederBundle({ epoch }: Dispute, room: HearingRoom): Promise<Bundle | undefined> {
  const { connection, store, follower, feederMeter } = room;
  return makeBundle(store, {
    meter: feederMeter,
    epoch,
    epochSeconds: follower.service.terms.rules.epochSeconds,
    venue: venueOf(room),
    der: connection.wallet.address, // the feeder is the Operator's own
    signer: connection.wallet,
  });
}

/** The headers of a bundle's blocks, as the Operator's own node has them. */
async function headersOf({ before, readings }: Bundle, { provider }: Connection): Promise<HeaderOf> {
  const numbers = [...(before === undefined ? [] : [before]), ...readings].map(
    (reading) => reading.blockNumber,
  );
  const blocks = await Promise.all(numbers.map((number) => provider.getBlock(number)));
  const headers = new Map<number, { hash: string; timestamp: number }>();
  for (const block of blocks) {
    if (block?.hash) headers.set(block.number, { hash: block.hash, timestamp: block.timestamp });
  }
  return (number) => headers.get(number);
}

function venueOf({ connection, follower }: HearingRoom): { chainId: bigint; aria: string } {
  return { chainId: connection.chainId, aria: follower.service.address };
}

/** What a party sent, read; undefined if it is not of the form. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof ZodError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function fault(check: BundleFault["check"], detail: string): BundleFault {
  return { check, detail };
}
