/**
 * One metered and disputed epoch on a chain on paper: three DERs behind one feeder, of which the first disputes. Its
 * meter has 2,500 Wh, the Aggregator's at the same connection 1,000 Wh; 2,400 Wh were requested and 1,000 Wh credited.
 */

import { id, toBeHex, Wallet } from "ethers";

import type { ChainEvent } from "../../agents/chain/events.ts";
import type { Connection } from "../../agents/chain/connection.ts";
import type { ChainFollower } from "../../agents/chain/follower.ts";
import { Ledger } from "../../agents/chain/ledger.ts";
import { ServiceView } from "../../agents/chain/service-view.ts";
import { factsOf } from "../../agents/chain/witness.ts";
import {
  type BundleSetting,
  makeBundle,
  type RolePart,
  type SignedEpoch,
  signEpoch,
} from "../../agents/evidence/bundle.ts";
import { Commitment, type FlowLeaf } from "../../agents/evidence/commitment.ts";
import type { Bundle, Neighbour, Unsealed } from "../../agents/evidence/format.ts";
import { feederMeterId, keptMeterId } from "../../agents/evidence/kept-meter.ts";
import type { ChainFacts } from "../../agents/evidence/on-chain.ts";
import { readingsRoot } from "../../agents/evidence/readings-tree.ts";
import { bundleHash, sealDigest } from "../../agents/evidence/seal.ts";
import { signStatement, type Venue } from "../../agents/evidence/statement.ts";
import { SmartMeter } from "../../agents/metering/meter.ts";
import type { StampedReading } from "../../agents/metering/reading.ts";
import { packEnergy, packRows, packShortfalls } from "../../agents/settlement/rows.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { ReadingStore } from "../../agents/store/store.ts";
import { block, EPOCH, EPOCH_SECONDS, rpcBlock } from "./paper-chain.ts";

export const REGISTRY = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
export const VENUE: Venue = { chainId: 31_337n, aria: "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359" };
export const OTHER_ARIA = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB";

export const DER = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
export const OTHER_DER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const THIRD_DER = "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb";
export const METER = walletOf("meter");
/** The DER's meter until ten epochs before. */
export const OLD_METER = walletOf("old meter");
export const AGGREGATOR = walletOf("aggregator");
export const OPERATOR = walletOf("operator");
/** The others behind the feeder. */
export const NEIGHBOURS = [
  { account: 4n, der: OTHER_DER, meter: walletOf("meter of account 4"), powerW: 5_000n },
  { account: 5n, der: THIRD_DER, meter: walletOf("meter of account 5"), powerW: 8_000n },
] as const;

export const [DER_ACCOUNT, FEEDER, REQUEST_ID] = [3n, 2, 7n];
export const DISPUTE_ID = (DER_ACCOUNT << 32n) | BigInt(EPOCH);
export const POWER_W = 10_000n;
export const CLAIM = {
  requestedWh: 2_400n,
  creditedWh: 1_000n,
  claimWh: 1_400n,
  powerW: POWER_W,
  meterToleranceBps: 200n,
  toleranceFloorWh: 10n,
};
const [SWEPT_IN, DISPUTED_IN] = [id("transaction of the sweep"), id("transaction of the dispute")];

function walletOf(name: string): Wallet {
  return new Wallet(id(name));
}

// --------------------------------------------------------------------------------------------------------- Readings

/** A meter's readings of blocks `first` to `last`; it began to count five minutes before the first. */
export function readingsFrom(
  first: number,
  last: number,
  powerW: bigint = POWER_W,
  meter: string = METER.address,
): StampedReading[] {
  const source = { stepSeconds: EPOCH_SECONDS, powerW: () => powerW };
  const startUnixSeconds = block(first).timestamp - 300;
  const smart = new SmartMeter({ address: meter, source, startUnixSeconds });
  return Array.from({ length: last - first + 1 }, (_, i) => smart.read(block(first + i)));
}

/** A store that holds the readings. */
export async function storeOf(readings: readonly StampedReading[]): Promise<ReadingStore> {
  const store = openSqliteStore(":memory:");
  await store.appendReadings(readings);
  return store;
}

/** Who speaks of which meter at which DER. */
export interface Speaker {
  readonly meter: string;
  readonly der: string;
  readonly signer: Wallet;
}

export const DER_SPEAKER: Speaker = { meter: METER.address, der: DER, signer: METER };
export const AGGREGATOR_SPEAKER: Speaker = {
  meter: keptMeterId(AGGREGATOR.address, DER),
  der: DER,
  signer: AGGREGATOR,
};
export const FEEDER_SPEAKER: Speaker = {
  meter: feederMeterId(OPERATOR.address, FEEDER),
  der: OPERATOR.address,
  signer: OPERATOR,
};

/** What a meter signs of the epoch when all goes well. */
export async function signedEpoch(
  { meter, der, signer }: Speaker,
  powerW: bigint,
  [first, last]: readonly [number, number] = [99, 105],
): Promise<SignedEpoch> {
  const store = await storeOf(readingsFrom(first, last, powerW, meter));
  try {
    const request = { meter, der, signer, epoch: EPOCH, epochSeconds: EPOCH_SECONDS, venue: VENUE };
    const signed = await signEpoch(store, request);
    if (signed === undefined) throw new Error("the meter has no reading in the epoch");
    return signed;
  } finally {
    await store.close();
  }
}

/** What a meter would sign that was made to. */
export async function forgedEpoch(
  { der, signer }: Speaker,
  before: StampedReading | undefined,
  readings: StampedReading[],
  change: Partial<SignedEpoch["statement"]> = {},
): Promise<SignedEpoch> {
  const [first, last] = [readings[0]!, readings.at(-1)!];
  const statement = {
    der,
    epoch: EPOCH,
    energyWh: last.registerWh - (before?.registerWh ?? 0n),
    readingsRoot: readingsRoot(readings),
    firstBlock: first.blockNumber,
    firstBlockHash: first.blockHash,
    lastBlock: last.blockNumber,
    lastBlockHash: last.blockHash,
    ...change,
  };
  const signature = await signStatement(signer, VENUE, statement);
  return { before, readings, energyWh: statement.energyWh, statement, signature };
}

// ---------------------------------------------------------------------------------------------------------- Bundles

export type DerBundle = Extract<Bundle, { role: "der" }>;
export type AggregatorBundle = Extract<Bundle, { role: "aggregator" }>;
export type FeederBundle = Extract<Bundle, { role: "feeder" }>;

/** The bundle with the seal of its signer, whatever else is made up in it; none that holds if its key is not here. */
export function sealedAnew<Kind extends Unsealed>(bundle: Kind): Kind & { seal: string } {
  const keys = [METER, OLD_METER, AGGREGATOR, OPERATOR];
  const key = keys.find(({ address }) => address === bundle.signer)?.signingKey;
  const seal = key?.sign(sealDigest(bundle, bundleHash(bundle))).serialized ?? `0x${"00".repeat(65)}`;
  return { ...bundle, seal };
}

/** Puts a bundle together with the headers of the chain on paper. */
export function bundleOf(
  signed: SignedEpoch,
  { meter, signer }: Speaker,
  commitment: BundleSetting["commitment"],
  part: RolePart,
): Bundle {
  const all = signed.before === undefined ? signed.readings : [signed.before, ...signed.readings];
  const setting = {
    venue: VENUE,
    registry: REGISTRY,
    epochSeconds: EPOCH_SECONDS,
    meter,
    signer: signer.address,
    headers: new Map(all.map(({ blockNumber }) => [blockNumber, block(blockNumber).rlp])),
    commitment,
  };
  return sealedAnew(makeBundle(signed, setting, part));
}

/** What the DER claims with a statement, by the contract's arithmetic. */
export function claimWith({ statement: { energyWh } }: SignedEpoch): typeof CLAIM {
  const entitledWh = energyWh < CLAIM.requestedWh ? energyWh : CLAIM.requestedWh;
  return { ...CLAIM, claimWh: entitledWh > CLAIM.creditedWh ? entitledWh - CLAIM.creditedWh : 0n };
}

export function derBundle(signed: SignedEpoch): DerBundle {
  const commitment = { kind: "dispute" as const, transaction: DISPUTED_IN, disputeId: DISPUTE_ID };
  return bundleOf(signed, DER_SPEAKER, commitment, { role: "der", claim: claimWith(signed) }) as DerBundle;
}

/** The Aggregator's leaves of three epochs, with what it has for the DER and its neighbours in this one. */
export function leavesWith(own: SignedEpoch["statement"], neighboursWh: readonly bigint[]): FlowLeaf[] {
  return [EPOCH - 1, EPOCH, EPOCH + 1].flatMap((epoch) =>
    [DER_ACCOUNT, ...NEIGHBOURS.map(({ account }) => account)].map((account, i) => {
      const isOwn = epoch === EPOCH && account === DER_ACCOUNT;
      return {
        account,
        epoch,
        energyWh: isOwn ? own.energyWh : (neighboursWh[i - 1] ?? 900n),
        readingsRoot: isOwn ? own.readingsRoot : id(`readings of ${account} in ${epoch}`),
        salt: id(`salt of ${account} in ${epoch}`),
      };
    }),
  );
}

export function aggregatorBundle(signed: SignedEpoch, leaves: FlowLeaf[]): AggregatorBundle {
  const tree = new Commitment(leaves);
  const leaf = tree.leafOf(DER_ACCOUNT, EPOCH)!;
  const commitment = {
    kind: "sweep" as const,
    transaction: SWEPT_IN,
    requestId: REQUEST_ID,
    flowRoot: tree.root,
    leaf,
    proof: tree.proofOf(leaf),
  };
  const part = { role: "aggregator" as const, leaves };
  return bundleOf(signed, AGGREGATOR_SPEAKER, commitment, part) as AggregatorBundle;
}

export function feederBundle(signed: SignedEpoch, neighbours: Neighbour[]): FeederBundle {
  const part = { role: "feeder" as const, feeder: FEEDER, neighbours };
  return bundleOf(signed, FEEDER_SPEAKER, null, part) as FeederBundle;
}

// -------------------------------------------------------------------------------------------------------- The chain

/** What happened on the chain on paper: a dispute with this statement, and a sweep with this root; null for none. */
export interface Happened {
  readonly dispute: SignedEpoch | null;
  readonly flowRoot?: string | null;
}

/** What that chain says of a bundle, by the agents' own view of its events. */
export function witnessOf(happened: Happened): (bundle: Bundle) => Promise<ChainFacts> {
  const view = viewOf(happened);
  const ledger = new Ledger();
  const accounts: [bigint, string][] = [
    [1n, OPERATOR.address],
    [2n, AGGREGATOR.address],
    [DER_ACCOUNT, DER],
    ...NEIGHBOURS.map(({ account, der }): [bigint, string] => [account, der]),
  ];
  for (const [account, owner] of accounts) ledger.apply(event("AccountOpened", { account, owner }));
  const { meterToleranceBps, toleranceFloorWh } = CLAIM;
  const rules = { epochSeconds: EPOCH_SECONDS, meterToleranceBps, toleranceFloorWh };
  const terms = { rules, operatorAccount: 1n, aggregatorAccount: 2n };
  const send = (_: string, [number]: [string]): Promise<unknown> => Promise.resolve(rpcBlock(Number(number)));
  const connection = { chainId: VENUE.chainId, registryAddress: REGISTRY, provider: { send } };
  const follower = { services: [{ address: VENUE.aria, terms, view }], ledger };
  return (bundle) =>
    factsOf(bundle, connection as unknown as Connection, follower as unknown as ChainFollower);
}

function viewOf({ dispute, flowRoot = id("flow root") }: Happened): ServiceView {
  const view = new ServiceView({ deliveryToleranceBps: 500n, toleranceFloorWh: 10n, penaltyBps: 5_000n });
  const terms = { powerW: POWER_W, price: 200n, deposit: 0n };
  const parties = [{ account: DER_ACCOUNT, der: DER, meter: OLD_METER }, ...NEIGHBOURS];
  for (const { account, der, meter } of parties) {
    view.apply(event("Joined", { account, der, ...terms, meter: meter.address }));
    view.apply(event("Commissioned", { account, meter: meter.address, fromEpoch: BigInt(EPOCH - 100) }));
  }
  const exchanged = { account: DER_ACCOUNT, meter: METER.address, fromEpoch: BigInt(EPOCH - 10) };
  view.apply(event("Commissioned", exchanged));
  const [requestedWh, missingWh] = [CLAIM.requestedWh, CLAIM.requestedWh - CLAIM.creditedWh];
  const baseline = packEnergy(new Array<bigint>(3).fill(10_000n));
  const period = { orderId: 1n, firstEpoch: BigInt(EPOCH - 1) };
  view.apply(event("BaselineOrdered", { ...period, baseline }));
  const rows = packRows(
    parties.map(({ account }) => ({
      account,
      price: terms.price,
      powerW: terms.powerW,
      energyWh: new Array<bigint>(3).fill(requestedWh),
    })),
  );
  view.apply(event("FlowRequested", { requestId: REQUEST_ID, ...period, count: 3n, rows }));
  const shortfalls = packShortfalls(parties.map(() => new Array<bigint>(3).fill(missingWh)));
  if (flowRoot !== null)
    view.apply(event("FlowSwept", { requestId: REQUEST_ID, flowRoot, shortfalls }, SWEPT_IN));
  if (dispute !== null) {
    const { statement, signature } = dispute;
    const { claimWh } = claimWith(dispute);
    const raised = { disputeId: DISPUTE_ID, account: DER_ACCOUNT, requestId: REQUEST_ID, claimWh };
    view.apply(event("DisputeRaised", { ...raised, statement, signature }, DISPUTED_IN));
  }
  return view;
}

function event(name: string, args: object, transactionHash = toBeHex(0, 32)): ChainEvent {
  return { contract: VENUE.aria, name, args, blockNumber: 110, blockTimestamp: 0, transactionHash };
}

// ---------------------------------------------------------------------------------------------------- All of it

export interface MeteredEpoch {
  readonly der: DerBundle;
  readonly aggregator: AggregatorBundle;
  readonly feeder: FeederBundle;
  readonly witness: (bundle: Bundle) => Promise<ChainFacts>;
}

/** The honest evidence of the epoch. @param aggregatorW what the Aggregator's meter is shown */
export async function meteredEpoch(aggregatorW = 4_000n): Promise<MeteredEpoch> {
  const own = await signedEpoch(DER_SPEAKER, POWER_W);
  const swept = await signedEpoch(AGGREGATOR_SPEAKER, aggregatorW);
  const feederW = NEIGHBOURS.reduce((sum, { powerW }) => sum + powerW, POWER_W);
  const seen = await signedEpoch(FEEDER_SPEAKER, feederW);
  const said = await Promise.all(NEIGHBOURS.map(neighbourOf));
  const neighboursWh = said.map(({ statement }) => statement!.energyWh);
  const aggregator = aggregatorBundle(swept, leavesWith(swept.statement, neighboursWh));
  const { flowRoot } = aggregator.commitment as { flowRoot: string };
  return {
    der: derBundle(own),
    aggregator,
    feeder: feederBundle(seen, said),
    witness: witnessOf({ dispute: own, flowRoot }),
  };
}

/** A neighbour with what its meter signed. */
export async function neighbourOf(neighbour: {
  readonly account: bigint;
  readonly der: string;
  readonly meter: Wallet;
  readonly powerW: bigint;
}): Promise<Neighbour> {
  const { account, der, meter: signer, powerW } = neighbour;
  const meter = signer.address;
  const { statement, signature } = await signedEpoch({ meter, der, signer }, powerW);
  return { account, meter, statement, signature };
}
