/** Each way to cheat, to fail or to be wrong by a little, and how the rules of adjudication end it. */

import { expect } from "chai";
import { randomBytes, Wallet } from "ethers";

import type { RuleName } from "../../agents/evidence/adjudicate.ts";
import { bundleJson, parseBundle } from "../../agents/evidence/format.ts";
import { sealed } from "../../agents/evidence/seal.ts";
import type { Courtroom, Flows, Forger, Name, Swept } from "./adjudication-stage.ts";
import { AGGREGATOR_KEY } from "./community-stage.ts";
import { chained, forgedBundle, inflated, materialOf } from "./forgery.ts";
import type { Tampering } from "./intermediary.ts";
import { proveTwoStatements, type Refusals, tryStatements } from "./refused-statements.ts";

/** What a scene comes to for one DER: no dispute, or its end and the rule that it was decided by. */
export type Ending =
  "no dispute" | readonly [fault: "none" | "aggregator" | "der" | "a person", rule: RuleName];

export interface Scene {
  readonly what: string;
  /** What else is tried while X may dispute the epoch. */
  readonly tried?: (epoch: number, room: Courtroom) => Promise<Refusals>;
  readonly flows: Flows;
  /** A block that X will stamp a reading with, made in the midst of the epoch. */
  readonly foreign?: (epoch: number, room: Courtroom) => Promise<void>;
  /** What X claims with forged readings. */
  readonly forger?: Forger;
  /** What the Operator is shown instead of X's evidence, or the Aggregator's. */
  readonly der?: (honest: string, room: Courtroom) => ReturnType<Tampering>;
  readonly aggregator?: Tampering;
  /** What the Aggregator sweeps otherwise than it commits to. */
  readonly swept?: Swept;
  readonly ends: Partial<Record<Name, Ending>>;
  /** For whom the contract fines the Aggregator, by what it committed to alone. */
  readonly slashedFor?: readonly Name[];
  /** A reason of the ruling on X. */
  readonly because?: RegExp;
}

const SHORT: Flows = { x: { fed: 3_600n } }; // 900 of 1440 Wh, and both meters say so
const UNDER_REPORTED: Flows = { x: { aggregator: 3_600n } };
const CONFIRMED = ["aggregator", "feeder-confirms-claimant"] as const;
const FORGED = ["der", "claimant-evidence-fails"] as const;
const RESPONDENT_FAILS = ["aggregator", "respondent-evidence-fails"] as const;
const RESPONDENT_SILENT = ["aggregator", "respondent-silent"] as const;
const FULL_CLAIM = { energyWh: 1_440n };
const aggregatorKey = new Wallet(AGGREGATOR_KEY);
let late = true;
let onTheWay = true;
/** Evidence of an earlier scene. */
const older: { der?: string; aggregator?: string } = {};

export const SCENES: readonly Scene[] = [
  { what: "all are honest", flows: {}, ends: { x: "no dispute", y: "no dispute", z: "no dispute" } },

  // ------------------------------------------------------------------------------------------- The Aggregator cheats
  {
    what: "the Aggregator under-reports one DER",
    flows: UNDER_REPORTED,
    ends: { x: CONFIRMED, y: "no dispute" },
  },
  {
    what: "the Aggregator under-reports only some epochs, and not this one",
    flows: {},
    ends: { x: "no dispute" },
  },
  {
    what: "the Aggregator under-reports all DERs slightly",
    flows: {
      x: { fed: 5_760n, aggregator: 5_400n },
      y: { fed: 5_760n, aggregator: 5_400n },
      z: { fed: 5_760n, aggregator: 5_400n },
    },
    ends: { x: CONFIRMED, y: CONFIRMED, z: CONFIRMED },
  },
  {
    what: "the Aggregator swaps two DERs",
    flows: { x: { aggregator: 3_600n }, y: { fed: 3_600n, aggregator: 7_200n } },
    ends: { x: ["a person", "neighbours-unconfirmed"], y: "no dispute" },
  },
  {
    what: "the Aggregator shifts energy from one epoch",
    flows: { x: { aggregator: 3_600n } },
    ends: { x: CONFIRMED },
  },
  { what: "... to the next", flows: { x: { aggregator: 10_800n } }, ends: { x: "no dispute" } },
  {
    what: "the Aggregator commits to readings and later shows others",
    flows: UNDER_REPORTED,
    aggregator: async (honest) => {
      const bundle = parseBundle(honest);
      return bundleJson(await forgedBundle(bundle, inflated(materialOf(bundle), 1, 100n), aggregatorKey));
    },
    ends: { x: RESPONDENT_FAILS },
  },
  {
    what: "the Aggregator drops readings",
    flows: UNDER_REPORTED,
    aggregator: async (honest) => {
      const bundle = parseBundle(honest);
      const { before, readings } = materialOf(bundle);
      const fewer = { before, readings: readings.toSpliced(1, 1) };
      return bundleJson(await forgedBundle(bundle, fewer, aggregatorKey));
    },
    ends: { x: RESPONDENT_FAILS },
  },
  {
    what: "the Aggregator sweeps less than its own committed leaf",
    flows: {},
    swept: { x: -540n },
    ends: { x: ["aggregator", "swept-below-own-meter"] }, // fined by the ruling, and not again
  },
  {
    what: "the Aggregator sweeps less than its own committed leaf, within the tolerance",
    flows: {},
    swept: { x: -20n },
    ends: { x: "no dispute" },
    slashedFor: ["x"],
  },
  {
    what: "the Aggregator sweeps more than its own committed leaf",
    flows: { y: { fed: 3_600n }, z: { fed: 3_600n } },
    swept: { y: 300n, z: 540n },
    ends: { y: "no dispute", z: "no dispute" },
    slashedFor: ["y", "z"],
  },
  {
    what: "the Aggregator's evidence is unavailable",
    flows: UNDER_REPORTED,
    aggregator: () => undefined,
    ends: { x: RESPONDENT_SILENT },
  },
  {
    what: "the Aggregator's evidence comes late, but in time",
    flows: UNDER_REPORTED,
    aggregator: (honest) => {
      const shown = late ? undefined : honest;
      late = false;
      return shown;
    },
    ends: { x: CONFIRMED },
  },
  {
    what: "somebody on the way changes a claim's figure in the DER's evidence, once",
    flows: UNDER_REPORTED,
    der: (honest) => {
      older.der = honest;
      const shown = onTheWay ? honest.replace(/"claimWh":"\d+"/, '"claimWh":"9999"') : honest;
      onTheWay = false;
      return shown;
    },
    ends: { x: CONFIRMED },
  },
  {
    what: "somebody on the way shows the DER's evidence of another epoch, once",
    flows: UNDER_REPORTED,
    der: (honest) => {
      const { der: shown = honest } = older;
      delete older.der;
      return shown;
    },
    aggregator: (honest) => (older.aggregator = honest),
    ends: { x: CONFIRMED },
  },
  {
    what: "the DER, before the Aggregator's door, shows the Aggregator's evidence of another epoch, once",
    flows: UNDER_REPORTED,
    aggregator: (honest) => {
      const { aggregator: shown = honest } = older;
      delete older.aggregator;
      return shown;
    },
    ends: { x: CONFIRMED },
  },
  {
    what: "the Aggregator's evidence is not sealed by itself",
    flows: UNDER_REPORTED,
    aggregator: async (honest) => bundleJson(await sealed(Wallet.createRandom(), parseBundle(honest))),
    ends: { x: RESPONDENT_FAILS },
    because: /^seal: expected 0x\w{40}, received 0x\w{40}$/,
  },
  {
    what: "the Aggregator's evidence is malformed",
    flows: UNDER_REPORTED,
    aggregator: (honest) => honest.slice(0, -1),
    ends: { x: RESPONDENT_FAILS },
  },
  {
    what: "the Aggregator's evidence is enormous",
    flows: UNDER_REPORTED,
    aggregator: () => Buffer.alloc(80 * 2 ** 20, "1"),
    ends: { x: RESPONDENT_SILENT },
  },

  // -------------------------------------------------------------------------------------------------- A DER cheats
  {
    what: "a DER inflates its register",
    flows: { x: { fed: 3_600n, own: 7_200n } },
    ends: { x: ["der", "feeder-confirms-respondent"], y: "no dispute" },
  },
  {
    what: "a DER exceeds its physical power",
    flows: { x: { fed: 3_600n, own: 20_000n } },
    ends: { x: FORGED },
  },
  {
    what: "a DER resets its register",
    flows: SHORT,
    forger: async (epoch, room) => {
      const { before, readings } = await room.read(epoch);
      const reset = readings.map((reading, i) => (i === 0 ? reading : { ...reading, registerWh: BigInt(i) }));
      return { material: { before, readings: chained(reset, before!.digest) }, change: FULL_CLAIM };
    },
    ends: { x: FORGED },
  },
  {
    what: "a DER replays readings of an earlier epoch",
    flows: SHORT,
    forger: async (epoch, room) => ({ material: await room.read(epoch - 10) }),
    ends: { x: FORGED },
  },
  {
    what: "a DER back-dates its blockstamps",
    flows: SHORT,
    forger: async (epoch, room) => {
      const [earlier, honest] = [await room.read(epoch - 1), await room.read(epoch)];
      const stamps = earlier.readings.slice(1);
      const dated = honest.readings.slice(0, stamps.length).map((reading, i) => {
        const { blockNumber, blockHash, blockTimestamp } = stamps[i]!;
        return { ...reading, blockNumber, blockHash, blockTimestamp };
      });
      const before = earlier.readings[0];
      return { material: { before, readings: chained(dated, before!.digest) }, change: FULL_CLAIM };
    },
    ends: { x: FORGED },
  },
  {
    what: "a DER invents a block hash",
    flows: SHORT,
    forger: async (epoch, room) => {
      const { before, readings } = await room.read(epoch);
      const blockHash = `0x${Buffer.from(randomBytes(32)).toString("hex")}`;
      const invented = readings.map((reading, i) => (i === 1 ? { ...reading, blockHash } : reading));
      const material = { before, readings: chained(invented, before!.digest) };
      return { material: inflated(material, 2, 540n) };
    },
    ends: { x: FORGED },
  },
  {
    what: "a DER stamps a reading with a block that was orphaned",
    flows: SHORT,
    foreign: (epoch, room) => room.orphanBlock(epoch),
    forger: withForeignBlock,
    ends: { x: FORGED },
    because: /^blocks: expected 0x\w{64} at \d+ s, received 0x\w{64} at \d+ s$/,
  },
  {
    what: "a DER stamps a reading with a block of another chain",
    flows: SHORT,
    foreign: (epoch, room) => room.makeBlockElsewhere(epoch),
    forger: withForeignBlock,
    ends: { x: FORGED },
    because: /^blocks: expected 0x\w{64} at \d+ s, received 0x\w{64} at \d+ s$/,
  },
  {
    what: "a DER claims energy across a gap",
    flows: SHORT,
    forger: async (epoch, room) => {
      const [earlier, { readings }] = [await room.read(epoch - 4), await room.read(epoch)];
      const before = earlier.readings.at(-1)!;
      const sequence = before.sequence + 1;
      const joined = readings.map((reading, i) => ({ ...reading, sequence: sequence + i }));
      return { material: { before, readings: chained(joined, before.digest) } };
    },
    ends: { x: FORGED },
  },
  {
    what: "a DER shows other readings than it claimed with",
    flows: UNDER_REPORTED,
    der: async (honest, room) => {
      const bundle = parseBundle(honest);
      const material = inflated(materialOf(bundle), 1, 100n);
      return bundleJson(await forgedBundle(bundle, material, room.meterOfX));
    },
    ends: { x: FORGED },
  },
  {
    what: "a DER's evidence is unavailable",
    flows: UNDER_REPORTED,
    der: () => undefined,
    ends: { x: ["der", "no-claimant-evidence"] },
  },
  {
    what: "a DER's evidence is not sealed by its meter",
    flows: UNDER_REPORTED,
    der: async (honest) => bundleJson(await sealed(Wallet.createRandom(), parseBundle(honest))),
    ends: { x: FORGED },
    because: /^seal: expected 0x\w{40}, received 0x\w{40}$/,
  },
  {
    what: "a DER's evidence is malformed",
    flows: UNDER_REPORTED,
    der: (honest) => honest.replace("readings", "meanings"),
    ends: { x: FORGED },
  },

  {
    what: "a DER's statement is not one that the contract takes",
    flows: SHORT,
    tried: tryStatements,
    ends: { x: "no dispute" },
  },
  {
    what: "a DER signs two statements, which anyone proves",
    flows: SHORT,
    tried: proveTwoStatements,
    ends: {},
  },

  // ------------------------------------------------------------------------------------------- Nobody, or who knows
  {
    what: "a DER's meter has drifted by 2 %: within the tolerance",
    flows: { x: { fed: 5_600n, own: 5_712n } },
    ends: { x: "no dispute" },
  },
  {
    what: "a DER's meter has drifted by 4 %",
    flows: { x: { fed: 5_500n, own: 5_720n } },
    ends: { x: ["none", "feeder-confirms-both"] },
  },
  {
    what: "the Aggregator's meter has drifted by 2 %: within the tolerance",
    flows: { x: { fed: 5_600n, aggregator: 5_488n } },
    ends: { x: "no dispute" },
  },
  {
    what: "the Aggregator's meter has drifted by 4 %",
    flows: { x: { fed: 5_600n, aggregator: 5_376n } },
    ends: { x: ["none", "feeder-confirms-both"] },
  },
  {
    what: "both lie",
    flows: { x: { fed: 4_400n, own: 7_200n, aggregator: 1_800n } },
    ends: { x: ["a person", "feeder-confirms-neither"] },
  },
  {
    what: "the feeder meter is missing",
    flows: { remote: { aggregator: 3_600n } },
    ends: { remote: ["a person", "no-third-meter"], x: "no dispute" },
  },
];

/** A reading between the first and the last, whose blocks the contract looks at, stamped with a foreign block. */
async function withForeignBlock(...[epoch, room]: Parameters<Forger>): ReturnType<Forger> {
  const foreign = room.foreigners.get(epoch)!;
  const { before, readings } = await room.read(epoch);
  const at = readings.findIndex(({ blockNumber }) => blockNumber === foreign.number);
  expect(at).to.be.within(1, readings.length - 2);
  const { hash: blockHash, timestamp: blockTimestamp } = foreign;
  expect(readings[at]!.blockHash).to.not.equal(blockHash);
  const stamped = readings.with(at, { ...readings[at]!, blockHash, blockTimestamp });
  return { material: inflated({ before, readings: stamped }, at, 540n), foreign: [foreign] };
}
