import type { RequestRow } from "../settlement/rows.ts";

/** What a DER can be asked for over a run of epochs. */
export interface Offer {
  readonly account: bigint;
  /** units per kWh */
  readonly price: bigint;
  /** W */
  readonly powerW: bigint;
  /** The most it can deliver in an epoch, Wh. */
  readonly capacityWh: bigint;
  /** What it is expected to deliver, Wh per epoch. */
  readonly forecastWh: readonly bigint[];
}

/**
 * Distributes a baseline over the offers, epoch by epoch: the cheapest first, each up to its forecast and its power.
 * Of two at the same price, the one with the lower account comes first.
 *
 * @param baselineWh what is ordered, Wh per epoch; as many epochs as each forecast has
 * @returns the rows of the request, sorted by account; a DER that is asked for nothing has none
 */
export function distribute(baselineWh: readonly bigint[], offers: readonly Offer[]): RequestRow[] {
  const cheapestFirst = [...offers].sort(
    (a, b) => compare(a.price, b.price) || compare(a.account, b.account),
  );
  const asked = new Map(offers.map(({ account }) => [account, [] as bigint[]]));
  baselineWh.forEach((ordered, epoch) => {
    let open = ordered;
    for (const { account, capacityWh, forecastWh } of cheapestFirst) {
      const ask = least(open, capacityWh, forecastWh[epoch] ?? 0n);
      asked.get(account)?.push(ask);
      open -= ask;
    }
  });
  return offers
    .map(({ account, price, powerW }) => ({ account, price, powerW, energyWh: asked.get(account) ?? [] }))
    .filter(({ energyWh }) => energyWh.some((wh) => wh > 0n))
    .sort((a, b) => compare(a.account, b.account));
}

/** What is missing of a request, epoch by epoch, when `deliveredWh` was delivered. */
export function shortfalls(requestedWh: readonly bigint[], deliveredWh: readonly bigint[]): bigint[] {
  return requestedWh.map((requested, i) => requested - least(requested, deliveredWh[i] ?? 0n));
}

function least(...figures: [bigint, ...bigint[]]): bigint {
  return figures.reduce((a, b) => (a < b ? a : b));
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}
