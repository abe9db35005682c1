/** One metered epoch of a DER on a chain that exists only on paper, for the tests of evidence. */

import { Wallet } from "ethers";

import type { Bundle } from "../../agents/evidence/bundle.ts";
import { makeBundle } from "../../agents/evidence/bundle.ts";
import type { Venue } from "../../agents/evidence/statement.ts";
import type { Expected, HeaderOf } from "../../agents/evidence/verify.ts";
import { SmartMeter } from "../../agents/metering/meter.ts";
import type { Block, StampedReading } from "../../agents/metering/reading.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { ReadingStore } from "../../agents/store/store.ts";

export const EPOCH_SECONDS = 900;
export const EPOCH = 1_980_000;
export const EPOCH_START = EPOCH * EPOCH_SECONDS;
export const DER = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
export const OTHER_DER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
export const VENUE: Venue = { chainId: 31_337n, aria: "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359" };
export const OTHER_ARIA = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB";
export const METER = new Wallet(`0x${"11".repeat(32)}`);
export const POWER_W = 10_000n;

/** The block of a number on that chain; from 100 on, five minutes apart, so that the epoch begins with block 101. */
export function block(number: number): Block {
  const hash = `0x${number.toString(16).padStart(64, "b")}`;
  return { number, hash, timestamp: EPOCH_START + (number - 101) * 300 + 60 };
}

/** Headers as the chain has them. */
export const headerOf: HeaderOf = (number) =>
  number >= 90 && number <= 120
    ? { hash: block(number).hash, timestamp: block(number).timestamp }
    : undefined;

export const EXPECTED: Expected = {
  venue: VENUE,
  der: DER,
  epoch: EPOCH,
  epochSeconds: EPOCH_SECONDS,
  signer: METER.address,
};

/** A meter's readings of blocks `first` to `last`; it began to count five minutes before the first. */
export function readingsFrom(first: number, last: number, powerW = POWER_W): StampedReading[] {
  const meter = new SmartMeter({
    address: METER.address,
    source: { stepSeconds: EPOCH_SECONDS, powerW: () => powerW },
    startUnixSeconds: block(first).timestamp - 300,
  });
  return Array.from({ length: last - first + 1 }, (_, i) => meter.read(block(first + i)));
}

/** A store that holds the readings. */
export async function storeOf(readings: readonly StampedReading[]): Promise<ReadingStore> {
  const store = openSqliteStore(":memory:");
  await store.appendReadings(readings);
  return store;
}

/** What the meter shows of the epoch. */
export function bundleFrom(store: ReadingStore, venue = VENUE, signer = METER): Promise<Bundle | undefined> {
  return makeBundle(store, {
    meter: METER.address,
    epoch: EPOCH,
    epochSeconds: EPOCH_SECONDS,
    venue,
    der: DER,
    signer,
  });
}

/** The honest evidence of the epoch: three readings, and the last one before it. */
export async function honestBundle(firstBlock = 99): Promise<Bundle> {
  const store = await storeOf(readingsFrom(firstBlock, 105));
  try {
    const bundle = await bundleFrom(store);
    if (bundle === undefined) throw new Error("the meter has no reading in the epoch");
    return bundle;
  } finally {
    await store.close();
  }
}
