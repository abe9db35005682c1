import { type Bundle, readingsIn, type Role } from "../evidence/format.ts";
import { tolerance } from "../settlement/rules.ts";
import { Failure } from "./failure.ts";
import { holderOf } from "./words.ts";

/** The bundles of one case, side by side. */
export type CaseBundles = Readonly<Partial<Record<Role, Bundle>>>;

/** What a meter counted since the reading before the epoch, at one of its readings. */
export interface Point {
  /** Unix seconds: the time of the reading's block. */
  readonly at: number;
  readonly wh: bigint;
}

/** From one blockstamp to the next of any of the meters. */
export interface Interval {
  readonly from: number;
  readonly to: number;
  /** Wh of each meter that was read at `to`, since its own reading before. */
  readonly wh: Readonly<Partial<Record<Role, bigint>>>;
  /** The DER's less the Aggregator's Wh since both were read last; undefined unless both were read at `to`. */
  readonly differenceWh: bigint | undefined;
  /** The same since the epoch's count began. */
  readonly apartWh: bigint | undefined;
  /** What they may be apart by; undefined where the tolerance is not known. */
  readonly toleratedWh: bigint | undefined;
}

export interface CaseView {
  readonly bundles: CaseBundles;
  readonly epoch: number;
  readonly epochSeconds: number;
  /** Address of the DER; undefined if only the feeder meter's bundle is at hand. */
  readonly der: string | undefined;
  readonly points: Readonly<Partial<Record<Role, readonly Point[]>>>;
  readonly intervals: readonly Interval[];
  /** The first blockstamp at which the two meters are apart by more than the tolerance. */
  readonly parting: Interval | undefined;
  readonly feeder: FeederView | undefined;
}

/** What the feeder leaves for the DER, taking the Aggregator's word for the neighbours. */
export interface FeederView {
  readonly sawWh: bigint;
  readonly neighbours: number;
  readonly neighboursWh: bigint;
  /** It may be negative: meters err. */
  readonly leftWh: bigint;
}

const ROLES: readonly Role[] = ["der", "aggregator", "feeder"];

/** Puts bundles side by side. @throws {Failure} unless they are of one case, each of another role */
export function viewOf(given: readonly Bundle[]): CaseView {
  const [any] = given;
  if (any === undefined) throw new Failure(2, "name a bundle to draw");
  const bundles = byRole(given);
  const der = (bundles.der ?? bundles.aggregator)?.statement.der;
  const points = Object.fromEntries(given.map((bundle) => [bundle.role, pointsOf(bundle)]));
  const intervals = intervalsOf(points, termsOf(bundles));
  return {
    bundles,
    epoch: any.statement.epoch,
    epochSeconds: any.epochSeconds,
    der,
    points,
    intervals,
    parting: intervals.find(partsAt),
    feeder: feederOf(bundles),
  };
}

/** Whether the two meters are apart beyond the tolerance at the end of an interval. */
export function partsAt({ apartWh, toleratedWh }: Interval): boolean {
  if (apartWh === undefined || toleratedWh === undefined) return false;
  return (apartWh < 0n ? -apartWh : apartWh) > toleratedWh;
}

function byRole(given: readonly Bundle[]): CaseBundles {
  const bundles: Partial<Record<Role, Bundle>> = {};
  for (const bundle of given) {
    if (bundles[bundle.role] !== undefined) {
      throw new Failure(2, `two of the files are of ${holderOf(bundle.role)}: name one of each role`);
    }
    bundles[bundle.role] = bundle;
  }
  const [first, ...others] = new Set(given.map(subjectOf));
  if (others.length > 0)
    throw new Failure(2, `the files are not of one case: ${[first, ...others].join("; ")}`);
  const { der, aggregator } = bundles;
  if (der && aggregator && der.statement.der !== aggregator.statement.der) {
    throw new Failure(2, `the files are of two DERs: ${der.statement.der}, ${aggregator.statement.der}`);
  }
  return bundles;
}

function subjectOf({ statement, aria, chainId }: Bundle): string {
  return `epoch ${statement.epoch} of ${aria} on chain ${chainId}`;
}

function pointsOf(bundle: Bundle): Point[] {
  const { before, readings } = readingsIn(bundle);
  const base = before?.registerWh ?? 0n;
  const counted = new Map<number, bigint>();
  for (const { blockTimestamp, registerWh } of before === undefined ? readings : [before, ...readings]) {
    counted.set(blockTimestamp, registerWh - base);
  }
  return [...counted].map(([at, wh]) => ({ at, wh }));
}

type Terms = Readonly<Record<"meterToleranceBps" | "toleranceFloorWh", bigint>> | undefined;

function termsOf({ der }: CaseBundles): Terms {
  return der?.role === "der" && der.claim !== null ? der.claim : undefined;
}

// ----------------------------------------------------------------------------------------------------------- Intervals

function intervalsOf(points: CaseView["points"], terms: Terms): Interval[] {
  const counted = new Map(ROLES.map((role) => [role, new Map(points[role]?.map(({ at, wh }) => [at, wh]))]));
  const times = [...new Set(ROLES.flatMap((role) => (points[role] ?? []).map(({ at }) => at)))].sort(
    (a, b) => a - b,
  );
  const last = new Map<Role, bigint>();
  let apart = 0n;
  return times.flatMap((to, i): Interval[] => {
    const wh: Partial<Record<Role, bigint>> = {};
    for (const role of ROLES) {
      const now = counted.get(role)?.get(to);
      if (now === undefined) continue;
      const before = last.get(role);
      if (before !== undefined || now !== 0n) wh[role] = now - (before ?? 0n);
      last.set(role, now);
    }
    const difference = differenceAt(to);
    const from = times[i - 1];
    if (from === undefined) return [];
    return [{ from, to, wh, ...difference }];
  });

  function differenceAt(at: number): Pick<Interval, "differenceWh" | "apartWh" | "toleratedWh"> {
    const [der, aggregator] = [counted.get("der")?.get(at), counted.get("aggregator")?.get(at)];
    if (der === undefined || aggregator === undefined) {
      return { differenceWh: undefined, apartWh: undefined, toleratedWh: undefined };
    }
    const apartWh = der - aggregator;
    const differenceWh = apartWh - apart;
    apart = apartWh;
    const lesser = der < aggregator ? der : aggregator;
    return {
      differenceWh,
      apartWh,
      toleratedWh: terms && tolerance(lesser, terms.meterToleranceBps, terms.toleranceFloorWh),
    };
  }
}

function feederOf({ aggregator, feeder }: CaseBundles): FeederView | undefined {
  if (feeder?.role !== "feeder" || aggregator?.role !== "aggregator" || aggregator.leaves === null)
    return undefined;
  const committed = new Map(
    aggregator.leaves
      .filter(({ epoch }) => epoch === feeder.statement.epoch)
      .map(({ account, energyWh }) => [account, energyWh]),
  );
  let neighboursWh = 0n;
  for (const { account } of feeder.neighbours) {
    const energyWh = committed.get(account);
    if (energyWh === undefined) return undefined; // nobody knows what this one delivered
    neighboursWh += energyWh;
  }
  const sawWh = feeder.statement.energyWh;
  return { sawWh, neighbours: feeder.neighbours.length, neighboursWh, leftWh: sawWh - neighboursWh };
}
