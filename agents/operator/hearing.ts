import { headersAt } from "../chain/blocks.ts";
import type { Connection } from "../chain/connection.ts";
import type { ChainFollower } from "../chain/follower.ts";
import type { Dispute } from "../chain/service-view.ts";
import { dersOf, factsOf } from "../chain/witness.ts";
import { blocksOf, makeBundle, signEpoch } from "../evidence/bundle.ts";
import { type Evidence, isOwn, judge, type Judgement, type Subject } from "../evidence/case.ts";
import type { What } from "../evidence/access.ts";
import { bundleJson, type Neighbour, parseStatement } from "../evidence/format.ts";
import { feederMeterId } from "../evidence/kept-meter.ts";
import type { ChainFacts } from "../evidence/on-chain.ts";
import { fetchEvidence } from "../evidence/query.ts";
import { sealingWith } from "../evidence/seal.ts";
import { isSaidOf } from "../evidence/statement.ts";
import type { ReadingStore } from "../store/store.ts";

export interface HearingRoom {
  readonly connection: Connection;
  readonly store: ReadingStore;
  readonly follower: ChainFollower;
  /** The number of the feeder a DER is behind; undefined if it is behind none that is metered. */
  readonly feederOf: (der: string) => number | undefined;
  readonly evidenceUrl: (party: string) => string | undefined;
}

export interface Hearing extends Judgement {
  /** Whether everybody who was asked has answered for itself; if not, its evidence may still be on its way. */
  readonly complete: boolean;
  /** All that was heard, as it was heard. */
  readonly evidence: Evidence;
}

/** Hears a dispute: fetches both parties' evidence, checks it against the chain, and applies the rules. */
export async function hear(dispute: Dispute, room: HearingRoom): Promise<Hearing> {
  const { ledger, service } = room.follower;
  const subject = subjectOf(dispute, room);
  const der = await ask(subject.statement.der, dispute, room);
  const aggregator = await ask(ledger.ownerOf(service.terms.aggregatorAccount), dispute, room);
  const heard = { der, aggregator, feeder: await feederEvidence(dispute, room, []) };
  const judgement = await judgeAll(heard, room, subject);
  const complete = isOwn(judgement.examined.der, subject) && isOwn(judgement.examined.aggregator, subject);
  if (judgement.verdict.rule !== "neighbours-unconfirmed") return { ...judgement, complete, evidence: heard };
  // Only now are the neighbours troubled: what their meters signed may decide it.
  const neighbours = neighboursOf(dispute, room);
  const signed = await statementsOf(neighbours, dispute, room);
  const evidence = { ...heard, feeder: await feederEvidence(dispute, room, signed) };
  return {
    ...(await judgeAll(evidence, room, subject)),
    complete: complete && signed.length === neighbours.length,
    evidence,
  };
}

function judgeAll(
  evidence: Evidence,
  { connection, follower }: HearingRoom,
  subject: Subject,
): Promise<Judgement> {
  return judge(evidence, (bundle) => factsOf(bundle, connection, follower), subject);
}

function subjectOf({ account, epoch }: Dispute, { connection, follower }: HearingRoom): Subject {
  const der = follower.ledger.ownerOf(account);
  return { chainId: connection.chainId, aria: follower.service.address, statement: { der, epoch } };
}

/** Asks a party for its evidence of an account in an epoch; undefined if it gives none. */
export async function ask(
  party: string,
  { account, epoch }: Pick<Dispute, "account" | "epoch">,
  room: HearingRoom,
  what: What = "evidence",
): Promise<string | undefined> {
  const url = room.evidenceUrl(party);
  if (url === undefined) return undefined;
  const { connection, follower } = room;
  const query = { aria: follower.service.address, account, epoch, what };
  return fetchEvidence(url, party, query, connection.wallet, connection.chainId, follower.head.timestamp);
}

// --------------------------------------------------------------------------------------------------------- The feeder

type Signed = Pick<Neighbour, "account" | "statement" | "signature">;

/** The feeder meter's evidence, with the DERs behind it; undefined if it has no reading of the epoch. */
async function feederEvidence(
  dispute: Dispute,
  room: HearingRoom,
  signed: readonly Signed[],
): Promise<string | undefined> {
  const { connection, store, follower } = room;
  const { wallet, chainId, registryAddress } = connection;
  const feeder = room.feederOf(follower.ledger.ownerOf(dispute.account));
  if (feeder === undefined) return undefined;
  const { epochSeconds } = follower.service.terms.rules;
  const meter = feederMeterId(wallet.address, feeder);
  const venue = { chainId, aria: follower.service.address };
  const { epoch } = dispute;
  const own = await signEpoch(store, {
    meter,
    epoch,
    epochSeconds,
    venue,
    der: wallet.address,
    signer: wallet,
  });
  if (own === undefined) return undefined;
  const headers = await headersAt(connection.provider, blocksOf(own));
  const setting = {
    venue,
    registry: registryAddress,
    epochSeconds,
    meter,
    signer: wallet.address,
    headers,
    commitment: null,
  };
  const neighbours = neighboursOf(dispute, room).map(({ account, meter: key }) => ({
    account,
    meter: key,
    statement: null,
    signature: null,
    ...signed.find((candidate) => candidate.account === account),
  }));
  const seal = sealingWith(wallet, store);
  return bundleJson(await seal(makeBundle(own, setting, { role: "feeder", feeder, neighbours })));
}

/** The other DERs behind the same feeder in the epoch. */
function neighboursOf({ account, epoch }: Dispute, { follower, feederOf }: HearingRoom): ChainFacts["ders"] {
  const feeder = feederOf(follower.ledger.ownerOf(account));
  return dersOf(follower.service, epoch).filter(
    (other) => other.account !== account && feederOf(other.der) === feeder,
  );
}

/** What the neighbours' meters signed for the epoch, of those that answer. */
async function statementsOf(
  neighbours: ChainFacts["ders"],
  { epoch }: Dispute,
  room: HearingRoom,
): Promise<Signed[]> {
  const venue = { chainId: room.connection.chainId, aria: room.follower.service.address };
  const answers = await Promise.all(
    neighbours.map(async ({ account, der, meter }) => {
      const text = await ask(der, { account, epoch }, room, "statement");
      const signed = text === undefined ? undefined : parseStatement(text);
      return signed && isSaidOf(venue, { der, meter, epoch }, signed) ? [{ account, ...signed }] : [];
    }),
  );
  return answers.flat();
}
