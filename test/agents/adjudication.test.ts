import { expect } from "chai";
import { type BaseWallet, randomBytes, Wallet } from "ethers";

import { RefusedError } from "../../agents/chain/refusal.ts";
import type { RuleName } from "../../agents/evidence/adjudicate.ts";
import { bundleJson, parseBundle } from "../../agents/evidence/format.ts";
import { sealed } from "../../agents/evidence/seal.ts";
import { type FlowStatement, signStatement, type Venue } from "../../agents/evidence/statement.ts";
import {
  type Courtroom as Room,
  Courtroom,
  type ForeignBlock,
  type Flows,
  type Forger,
  type Name,
  type Swept,
} from "./adjudication-stage.ts";
import { RULES } from "../../scripts/demo/terms.ts";
import { AGGREGATOR_KEY } from "./community-stage.ts";
import { chained, forgedBundle, inflated, materialOf, statementOver } from "./forgery.ts";
import type { Tampering } from "./intermediary.ts";

/** What a scene comes to for one DER: no dispute, or its end and the rule that it was decided by. */
type Ending = "no dispute" | readonly [fault: "none" | "aggregator" | "der" | "a person", rule: RuleName];

interface Scene {
  readonly what: string;
  /** What else is tried while X may dispute the epoch. */
  readonly tried?: (epoch: number) => Promise<void>;
  readonly flows: Flows;
  /** A block that X will stamp a reading with, made in the midst of the epoch. */
  readonly foreign?: (epoch: number) => Promise<ForeignBlock>;
  /** What X claims with forged readings. */
  readonly forger?: Forger;
  /** What the Operator is shown instead of X's evidence, or the Aggregator's. */
  readonly der?: Tampering;
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

const SCENES: readonly Scene[] = [
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
      const shown = onTheWay ? honest.replace(/"claimWh":"\d+"/, '"claimWh":"9999"') : honest;
      onTheWay = false;
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
    forger: async (epoch, read) => {
      const { before, readings } = await read(epoch);
      const reset = readings.map((reading, i) => (i === 0 ? reading : { ...reading, registerWh: BigInt(i) }));
      return { material: { before, readings: chained(reset, before!.digest) }, change: FULL_CLAIM };
    },
    ends: { x: FORGED },
  },
  {
    what: "a DER replays readings of an earlier epoch",
    flows: SHORT,
    forger: async (epoch, read) => ({ material: await read(epoch - 10) }),
    ends: { x: FORGED },
  },
  {
    what: "a DER back-dates its blockstamps",
    flows: SHORT,
    forger: async (epoch, read) => {
      const [earlier, honest] = [await read(epoch - 1), await read(epoch)];
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
    forger: async (epoch, read) => {
      const { before, readings } = await read(epoch);
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
    foreign: (epoch) => room.orphanedBlock(epoch),
    forger: withForeignBlock,
    ends: { x: FORGED },
    because: /^blocks: expected 0x\w{64} at \d+ s, received 0x\w{64} at \d+ s$/,
  },
  {
    what: "a DER stamps a reading with a block of another chain",
    flows: SHORT,
    foreign: (epoch) => room.blockOfAnotherChain(epoch),
    forger: withForeignBlock,
    ends: { x: FORGED },
    because: /^blocks: expected 0x\w{64} at \d+ s, received 0x\w{64} at \d+ s$/,
  },
  {
    what: "a DER claims energy across a gap",
    flows: SHORT,
    forger: async (epoch, read) => {
      const [earlier, { readings }] = [await read(epoch - 4), await read(epoch)];
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
    der: async (honest) => {
      const bundle = parseBundle(honest);
      const material = inflated(materialOf(bundle), 1, 100n);
      return bundleJson(await forgedBundle(bundle, material, new Wallet(room.meterOfX.privateKey)));
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

let room: Room;
/** Blocks that are not on the chain, by the epoch they lie in. */
const foreigners = new Map<number, ForeignBlock>();

/** A reading between the first and the last, whose blocks the contract looks at, stamped with a foreign block. */
async function withForeignBlock(...[epoch, read]: Parameters<Forger>): ReturnType<Forger> {
  const foreign = foreigners.get(epoch)!;
  const { before, readings } = await read(epoch);
  const at = readings.findIndex(({ blockNumber }) => blockNumber === foreign.number);
  expect(at).to.be.within(1, readings.length - 2);
  const { hash: blockHash, timestamp: blockTimestamp } = foreign;
  expect(readings[at]!.blockHash).to.not.equal(blockHash);
  const stamped = readings.with(at, { ...readings[at]!, blockHash, blockTimestamp });
  return { material: inflated({ before, readings: stamped }, at, 540n), foreign: [foreign] };
}

/** Why the contract refused a statement, by what was wrong with it. */
const refusals = new Map<string, string>();

async function tryStatements(epoch: number): Promise<void> {
  const { venue, meterOfX, addressOfX } = room;
  const { before, readings } = await room.read(epoch);
  const honest = statementOver(addressOfX, epoch, { before, readings }, FULL_CLAIM);
  const word = `0x${"0d".repeat(32)}`;
  const stranger = Wallet.createRandom();
  const [orphaned, elsewhere] = [...foreigners.values()];
  const attempts: Record<
    string,
    [statement: FlowStatement, signer?: BaseWallet, signedFor?: Partial<Venue>]
  > = {
    "with a last block in the future": [{ ...honest, lastBlock: honest.lastBlock + 1_000 }],
    "with an invented hash of its first block": [{ ...honest, firstBlockHash: word }],
    "with an invented hash of its last block": [{ ...honest, lastBlockHash: word }],
    "with an orphaned block": [{ ...honest, firstBlock: orphaned!.number, firstBlockHash: orphaned!.hash }],
    "with a block of another chain": [
      { ...honest, firstBlock: elsewhere!.number, firstBlockHash: elsewhere!.hash },
    ],
    "signed by a key that is not its meter's of that epoch": [honest, stranger],
    "signed for another ARIA": [honest, meterOfX, { aria: stranger.address }],
    "signed for another chain": [honest, meterOfX, { chainId: 1n }],
    "of another DER": [{ ...honest, der: stranger.address }],
    "of an epoch that was not requested with these rows": [{ ...honest, epoch: epoch + 1 }],
  };
  for (const [what, [statement, signer = meterOfX, signedFor = {}]] of Object.entries(attempts)) {
    const signature = await signStatement(signer, { ...venue, ...signedFor }, statement);
    refusals.set(what, await refusalOf(room.dispute(statement, signature, epoch)));
  }
  const signed = await signStatement(meterOfX, venue, { ...honest, epoch: epoch - 1 });
  refusals.set("signed for another epoch", await refusalOf(room.dispute(honest, signed, epoch)));
}

async function proveTwoStatements(epoch: number): Promise<void> {
  const { venue, meterOfX, addressOfX } = room;
  const honest = statementOver(addressOfX, epoch, await room.read(epoch));
  const other = { ...honest, ...FULL_CLAIM };
  const [first, second] = [
    await signStatement(meterOfX, venue, honest),
    await signStatement(meterOfX, venue, other),
  ];
  await room.prove(honest, first, other, second);
  refusals.set("after two of one epoch were proven", await refusalOf(room.dispute(other, second, epoch)));
}

async function refusalOf(attempt: Promise<void>): Promise<string> {
  try {
    await attempt;
    return "taken";
  } catch (error) {
    if (error instanceof RefusedError) return error.reason;
    throw error;
  }
}

describe("Automatic rulings, with real contracts and agents", function () {
  this.timeout(300_000);

  before(async function () {
    room = await Courtroom.open(SCENES.map(({ flows }) => flows));
    for (const [i, scene] of SCENES.entries()) {
      const epoch = room.first + i;
      if (scene.swept) room.swept.set(epoch, scene.swept);
      if (scene.der) room.toDer.tamper(epoch, scene.der);
      if (scene.aggregator) room.toAggregator.tamper(epoch, scene.aggregator);
      const { foreign } = scene;
      await room.play(
        epoch,
        forgeryOf(i - 1),
        foreign && (async () => void foreigners.set(epoch, await foreign(epoch))),
      );
    }
    for (let i = 0; i < 4; i += 1) {
      await room.play(room.first + SCENES.length + i, i === 0 ? forgeryOf(SCENES.length - 1) : undefined);
    }
    await room.books.follow();
  });

  after(async function () {
    await room.close();
  });

  /** As an epoch begins, the one before has been swept: X disputes it with what it forged. */
  function forgeryOf(i: number): (() => Promise<void>) | undefined {
    const { forger, tried } = SCENES[i] ?? {};
    const epoch = room.first + i;
    return forger ? () => room.forge(epoch, forger) : tried && (() => tried(epoch));
  }

  for (const [i, { what, ends, because }] of SCENES.entries()) {
    for (const [name, ending] of Object.entries(ends) as [Name, Ending][]) {
      const verdict = ending === "no dispute" ? ending : `${ending[0]}, by ${ending[1]}`;
      it(`${what}: ${name}: ${verdict}`, function () {
        const epoch = room.first + i;
        const dispute = room.disputeOf(name, epoch);
        if (ending === "no dispute") {
          expect(dispute, "dispute").to.be.undefined;
          return;
        }
        const [fault, rule] = ending;
        const ruling = room.rulingOn(name, epoch);
        expect(ruling?.verdict.rule, ruling?.verdict.reasons.join("; ")).to.equal(rule);
        if (name === "x" && because !== undefined)
          expect(ruling?.verdict.reasons.find((reason) => because.test(reason))).to.not.be.undefined;
        if (fault === "a person") {
          expect(ruling?.verdict.by).to.equal("person");
          expect(dispute?.evidenceHash, "ruled on the chain").to.be.undefined;
          return;
        }
        expect(dispute).to.include({ status: "ruled", fault, evidenceHash: ruling?.evidenceHash });
        expect(dispute?.awardedWh).to.equal(ruling?.verdict.awardedWh);
        if (fault === "aggregator") expect(dispute?.awardedWh).to.equal(dispute?.claimWh);
        if (fault === "der") expect(dispute?.awardedWh).to.equal(0n);
      });
    }
  }

  it("the contract slashes alone where a sweep differs from its own committed leaf, and nowhere else", async function () {
    const expected = SCENES.flatMap(({ slashedFor = [] }, i) =>
      slashedFor.map((name) => ({
        account: room.accountOf(name),
        epoch: room.first + i,
        fine: RULES.misreportFine,
      })),
    );
    expect(expected).to.have.length(3);
    expect(await room.contradictions()).to.have.deep.members(expected);
  });

  const REFUSED: Record<string, string> = {
    "with a last block in the future": "BlockstampsOutOfOrder",
    "with an invented hash of its first block": "BlockstampMismatch",
    "with an invented hash of its last block": "BlockstampMismatch",
    "with an orphaned block": "BlockstampMismatch",
    "with a block of another chain": "BlockstampMismatch",
    "signed by a key that is not its meter's of that epoch": "WrongMeter",
    "signed for another ARIA": "WrongMeter",
    "signed for another chain": "WrongMeter",
    "signed for another epoch": "WrongMeter",
    "of another DER": "NotTheDER",
    "of an epoch that was not requested with these rows": "EpochNotRequested",
    "after two of one epoch were proven": "AlreadyDisputed",
  };
  for (const [what, reason] of Object.entries(REFUSED)) {
    it(`a statement ${what}: refused, ${reason}`, function () {
      expect(refusals.get(what)).to.equal(reason);
    });
  }
});
