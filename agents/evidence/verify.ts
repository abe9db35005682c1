import { isDeepStrictEqual } from "node:util";

import { epochEnergyWh, spansGap } from "../metering/epoch-energy.ts";
import { verifyChain } from "../metering/reading.ts";
import { capacityWh, tolerance } from "../settlement/rules.ts";
import { type Check, type CheckName, CHECKS, differs, type Fault } from "./checks.ts";
import { commitmentFaults } from "./commitment-check.ts";
import { type Bundle, type BundleReadings, readingsIn } from "./format.ts";
import { readHeader } from "./header.ts";
import { feederMeterId, keptMeterId } from "./kept-meter.ts";
import { onChainChecks, type ChainFacts } from "./on-chain.ts";
import { provesReadings, readingsRoot } from "./readings-tree.ts";
import { sealFaults } from "./seal.ts";
import { signerOf, type Venue } from "./statement.ts";

/**
 * Makes every check on a bundle, in the order of `CHECKS`. Pure: what the chain says is looked up by the caller; without
 * it, the checks that need a chain are listed as not made.
 */
export function verifyBundle(bundle: Bundle, facts?: ChainFacts): Check[] {
  const faults = offlineFaults(bundle);
  const offline = checksOf(OFFLINE, faults).map((check) =>
    check.check === "headers" && check.outcome === "holds" ? headersSeen(bundle) : check,
  );
  if (facts === undefined)
    return [...offline, ...ON_CHAIN.map((check) => notMade(check, "needs a chain to ask"))];
  const onChain = onChainChecks(bundle, facts);
  // On another chain, or of another contract, there is nothing further to compare with.
  const elsewhere = onChain.find(({ check }) => check === "chain" || check === "contract");
  const asked = elsewhere === undefined ? ON_CHAIN : ON_CHAIN.slice(0, ON_CHAIN.indexOf(elsewhere.check) + 1);
  const others = ON_CHAIN.slice(asked.length).map((check) =>
    notMade(check, "needs the bundle's own chain to ask"),
  );
  return [...offline, ...checksOf(asked, onChain), ...others];
}

const NAMES = Object.keys(CHECKS) as CheckName[];
const OFFLINE = NAMES.slice(0, NAMES.indexOf("chain"));
const ON_CHAIN = NAMES.slice(NAMES.indexOf("chain"));

function checksOf(names: readonly CheckName[], faults: readonly Fault[]): Check[] {
  return names.flatMap((check): Check[] => {
    const found = faults.filter((fault) => fault.check === check);
    if (found.length === 0) return [{ check, outcome: "holds", detail: "" }];
    return found.map(({ detail }) => ({ check, outcome: "fails", detail }));
  });
}

function notMade(check: CheckName, why: string): Check {
  return { check, outcome: "unchecked", detail: why };
}

/** Headers that could not be given in bytes are vouched for by a chain only. */
function headersSeen({ blocks }: Bundle): Check {
  const without = blocks.filter(({ header }) => header === null).length;
  return without === 0
    ? { check: "headers", outcome: "holds", detail: "" }
    : {
        check: "headers",
        outcome: "unchecked",
        detail: `${without} of ${blocks.length} blocks come without`,
      };
}

function offlineFaults(bundle: Bundle): Fault[] {
  const content = readingsIn(bundle);
  return [
    ...readingFaults(bundle, content),
    ...treeFaults(bundle, content),
    ...energyFaults(bundle, content),
    ...epochFaults(bundle, content),
    ...headerFaults(bundle),
    ...blockstampFaults(bundle, content),
    ...signatureFaults(bundle),
    ...commitmentFaults(bundle),
    ...roleFaults(bundle, content),
    ...sealFaults(bundle),
  ];
}

// --------------------------------------------------------------------------------------------------------- Readings

function readingFaults({ previousDigest, blocks }: Bundle, { before, readings }: BundleReadings): Fault[] {
  const all = before === undefined ? readings : [before, ...readings];
  const faults: Fault[] = [];
  // Readings of one block follow each other.
  const stamps = all
    .map(({ blockNumber }) => blockNumber)
    .filter((number, i, list) => number !== list[i - 1]);
  const longest = stamps.length > blocks.length ? stamps : blocks;
  const at = longest.findIndex((_, i) => stamps[i] !== blocks[i]?.number);
  if (at >= 0) {
    const [expected, received] = [stamps[at] ?? "no more", blocks[at]?.number ?? "no more"];
    faults.push(differs("headers", `block ${expected} as the readings have it`, received));
  }
  const verdict = verifyChain(all, previousDigest);
  if (verdict.ok) return faults;
  const received = `${verdict.received} (${verdict.fault} at reading ${verdict.sequence})`;
  return [...faults, differs("readings", verdict.expected, received)];
}

function treeFaults({ statement, proofs }: Bundle, { readings }: BundleReadings): Fault[] {
  const root = readingsRoot(readings);
  if (root !== statement.readingsRoot) return [differs("tree", statement.readingsRoot, root)];
  return provesReadings(root, readings, proofs)
    ? []
    : [differs("tree", "proofs of the first and last checkpoint", "others")];
}

function energyFaults({ statement }: Bundle, { before, readings }: BundleReadings): Fault[] {
  const measured = attempt(() => epochEnergyWh(readings, before));
  if (measured === statement.energyWh) return [];
  return [differs("energy", `${statement.energyWh} Wh`, `${measured ?? "unconnected readings"} Wh`)];
}

function epochFaults({ statement, epochSeconds }: Bundle, { before, readings }: BundleReadings): Fault[] {
  const start = statement.epoch * epochSeconds;
  const end = start + epochSeconds;
  const outside = readings.find(({ blockTimestamp }) => blockTimestamp < start || blockTimestamp >= end);
  const faults: Fault[] = [];
  if (outside !== undefined) {
    const received = `reading ${outside.sequence} at ${outside.blockTimestamp} s`;
    faults.push(differs("epoch", `readings from ${start} s to before ${end} s`, received));
  }
  if (before === undefined) return faults;
  const from = before.blockTimestamp;
  if (from >= start) {
    faults.push(differs("epoch", `a reading before ${start} s to count from`, `one at ${from} s`));
  }
  if (spansGap(before, statement.epoch, epochSeconds)) {
    faults.push(differs("gap", `a reading from ${start - epochSeconds} s on`, `the last one at ${from} s`));
  }
  return faults;
}

// ----------------------------------------------------------------------------------------------- Blocks, signature

function headerFaults({ blocks }: Bundle): Fault[] {
  for (const { number, hash, timestamp, header } of blocks) {
    if (header === null) continue;
    const read = readHeader(header);
    if (read?.hash !== hash || read.number !== number || read.timestamp !== timestamp) {
      const expected = read && `${read.hash}, number ${read.number} at ${read.timestamp} s`;
      const received = `${hash}, number ${number} at ${timestamp} s`;
      return [differs("headers", expected ?? "the RLP of a header", received)];
    }
  }
  return [];
}

function blockstampFaults({ statement }: Bundle, { readings }: BundleReadings): Fault[] {
  const [first, last] = [readings[0], readings.at(-1)];
  const stamped = [first?.blockNumber, first?.blockHash, last?.blockNumber, last?.blockHash].join(" ");
  const { firstBlock, firstBlockHash, lastBlock, lastBlockHash } = statement;
  const stated = [firstBlock, firstBlockHash, lastBlock, lastBlockHash].join(" ");
  return stamped === stated ? [] : [differs("blockstamps", stated, stamped)];
}

function signatureFaults({ chainId, aria, statement, signature, signer }: Bundle): Fault[] {
  const recovered = recoveredSigner({ chainId, aria }, statement, signature);
  return recovered === signer ? [] : [differs("signature", signer, recovered)];
}

function recoveredSigner(venue: Venue, statement: Bundle["statement"], signature: string): string {
  return signerOf(venue, statement, signature) ?? "a malformed signature";
}

// ------------------------------------------------------------------------------------------------------------- Roles

function roleFaults(bundle: Bundle, content: BundleReadings): Fault[] {
  switch (bundle.role) {
    case "der":
      return [...meterFaults(bundle, bundle.signer), ...claimFaults(bundle, content)];
    case "aggregator":
      return meterFaults(bundle, keptMeterId(bundle.signer, bundle.statement.der));
    case "feeder": {
      const faults =
        bundle.statement.der === bundle.signer ? [] : [differs("meter", bundle.signer, bundle.statement.der)];
      return [
        ...faults,
        ...meterFaults(bundle, feederMeterId(bundle.signer, bundle.feeder)),
        ...neighbourFaults(bundle),
      ];
    }
  }
}

function meterFaults({ meter }: Bundle, expected: string): Fault[] {
  return meter === expected ? [] : [differs("meter", expected, meter)];
}

function claimFaults(
  { statement, claim, epochSeconds }: Extract<Bundle, { role: "der" }>,
  { before, readings }: BundleReadings,
): Fault[] {
  if (claim === null) return [];
  const { requestedWh, creditedWh, claimWh, powerW, meterToleranceBps, toleranceFloorWh } = claim;
  const faults: Fault[] = [];
  // Blocks do not come at the very ends of an epoch: what is counted is what flowed from reading to reading.
  const last = readings.at(-1)?.blockTimestamp ?? 0;
  const seconds = before === undefined ? epochSeconds : last - before.blockTimestamp;
  const most = capacityWh(powerW, BigInt(Math.max(0, seconds)));
  const allowed = most + tolerance(most, meterToleranceBps, toleranceFloorWh) + 1n; // and a register's last digit
  if (statement.energyWh > allowed) {
    const expected = `at most ${allowed} Wh of ${powerW} W in ${seconds} s`;
    faults.push(differs("power", expected, `${statement.energyWh} Wh`));
  }
  const entitled = statement.energyWh < requestedWh ? statement.energyWh : requestedWh;
  const due = entitled > creditedWh ? entitled - creditedWh : 0n;
  if (due !== claimWh) faults.push(differs("claim", `${due} Wh`, `${claimWh} Wh`));
  return faults;
}

function neighbourFaults(bundle: Extract<Bundle, { role: "feeder" }>): Fault[] {
  const { chainId, aria, statement: feeder, neighbours } = bundle;
  for (const { account, meter, statement, signature } of neighbours) {
    if (statement === null && signature === null) continue;
    if (statement === null || signature === null)
      return [differs("neighbours", "a statement with its signature", `one without, of account ${account}`)];
    const signer = recoveredSigner({ chainId, aria }, statement, signature);
    if (signer !== meter) return [differs("neighbours", `${meter} for account ${account}`, signer)];
    if (statement.epoch !== feeder.epoch)
      return [differs("neighbours", `epoch ${feeder.epoch}`, `${statement.epoch} of account ${account}`)];
  }
  const accounts = neighbours.map(({ account }) => account);
  const sorted = [...new Set(accounts)].sort((a, b) => (a < b ? -1 : 1));
  return isDeepStrictEqual(accounts, sorted) ? [] : [differs("neighbours", sorted.join(), accounts.join())];
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined; // the libraries below have errors of many kinds for input that is none; the caller names the fault
  }
}
