import { expect } from "chai";

import { evidenceHash, readingsOf, signEpoch } from "../../agents/evidence/bundle.ts";
import { bundleJson, parseBundle } from "../../agents/evidence/format.ts";
import { toJson } from "../../agents/evidence/json.ts";
import { readingsRoot } from "../../agents/evidence/readings-tree.ts";
import { signerOf } from "../../agents/evidence/statement.ts";
import { ConflictError, type ReadingStore } from "../../agents/store/store.ts";
import {
  DER,
  DER_SPEAKER,
  derBundle,
  type MeteredEpoch,
  meteredEpoch,
  METER,
  OTHER_ARIA,
  OTHER_DER,
  readingsFrom,
  signedEpoch,
  storeOf,
  VENUE,
} from "./metered-epoch.ts";
import { block, EPOCH, EPOCH_SECONDS } from "./paper-chain.ts";

const EPOCH_OF_METER = { meter: METER.address, epoch: EPOCH, epochSeconds: EPOCH_SECONDS };
const REQUEST = { ...EPOCH_OF_METER, venue: VENUE, der: DER, signer: METER };

describe("Bundle", function () {
  let epoch: MeteredEpoch;

  before(async function () {
    epoch = await meteredEpoch();
  });

  it("holds the epoch's readings, the one before, and a statement that commits to them", async function () {
    const { der } = epoch;
    const { readings } = await signedEpoch(DER_SPEAKER, 10_000n);
    expect(der.before?.block).to.equal(100);
    expect(der.readings.map(({ block: number }) => number)).to.deep.equal([101, 102, 103]);
    expect(der.statement).to.deep.equal({
      der: DER,
      epoch: EPOCH,
      energyWh: 2_500n, // 10 kW from the reading before to the last one: 15 minutes
      readingsRoot: readingsRoot(readings),
      firstBlock: 101,
      firstBlockHash: block(101).hash,
      lastBlock: 103,
      lastBlockHash: block(103).hash,
    });
    expect(signerOf(VENUE, der.statement, der.signature)).to.equal(METER.address);
  });

  it("says once what many readings have in common, with each block's header in bytes", function () {
    const numbers = [100, 101, 102, 103];
    expect(epoch.der.blocks).to.deep.equal(
      numbers
        .map(block)
        .map(({ number, hash, timestamp, rlp }) => ({ number, hash, timestamp, header: rlp })),
    );
    expect(Object.keys(epoch.der.readings[0]!)).to.deep.equal([
      "sequence",
      "registerWh",
      "powerW",
      "block",
      "digest",
    ]);
  });

  it("has null for the reading before when the meter's chain begins in the epoch", async function () {
    const bundle = derBundle(await signedEpoch(DER_SPEAKER, 10_000n, [101, 105]));
    expect(bundle.before).to.be.null;
    expect(bundle.readings[0]?.sequence).to.equal(0);
  });

  it("comes back from JSON text as it was, of any role, and always as the same text", function () {
    for (const bundle of [epoch.der, epoch.aggregator, epoch.feeder]) {
      const text = bundleJson(bundle);
      expect(parseBundle(text)).to.deep.equal(bundle);
      expect(bundleJson(parseBundle(text))).to.equal(text);
    }
  });
});

describe("A meter", function () {
  let store: ReadingStore;

  beforeEach(async function () {
    store = await storeOf(readingsFrom(99, 105));
  });

  afterEach(async function () {
    await store.close();
  });

  function refused(work: Promise<unknown>): Promise<unknown> {
    return work.then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  it("signs nothing of an epoch without a reading", async function () {
    expect(await signEpoch(store, { ...REQUEST, epoch: EPOCH - 9 })).to.be.undefined;
    const measured = await readingsOf(store, { ...EPOCH_OF_METER, epoch: EPOCH - 9 });
    expect(measured).to.deep.include({ readings: [], energyWh: 0n });
  });

  it("signs nothing of an epoch whose beginning was let go, and so cannot be counted any more", async function () {
    const old = await storeOf(readingsFrom(99, 105));
    await old.pruneReadings((EPOCH + 1) * EPOCH_SECONDS);
    expect(await old.readingsBetween(METER.address, 0, Infinity)).to.have.length(3);
    expect(await signEpoch(old, REQUEST)).to.be.undefined;
    expect(await signEpoch(old, { ...REQUEST, epoch: EPOCH + 1 })).to.be.undefined; // it is not over
    await old.close();
  });

  it("signs nothing of an epoch before it has a reading after it: more may come", async function () {
    const early = await storeOf(readingsFrom(99, 103));
    expect(await signEpoch(early, REQUEST)).to.be.undefined;
    await early.appendReadings(readingsFrom(99, 104).slice(-1));
    expect((await signEpoch(early, REQUEST))?.energyWh).to.equal(2_500n);
    await early.close();
  });

  it("says the same again when it is asked again", async function () {
    expect(await signEpoch(store, REQUEST)).to.deep.equal(await signEpoch(store, REQUEST));
  });

  it("never signs two different statements of one epoch to one ARIA", async function () {
    const { statement, signature } = (await signEpoch(store, REQUEST))!;
    const payload = toJson({ ...statement, energyWh: statement.energyWh + 1n });
    const { aria } = VENUE;
    const other = await storeOf(readingsFrom(99, 105));
    await other.saveStatement({ meter: METER.address, epoch: EPOCH, aria, payload, signature });
    expect(await refused(signEpoch(other, REQUEST))).to.be.instanceOf(ConflictError);
    await other.close();
  });

  it("never signs one epoch for two DERs", async function () {
    await signEpoch(store, REQUEST);
    expect(await refused(signEpoch(store, { ...REQUEST, der: OTHER_DER }))).to.be.instanceOf(ConflictError);
  });

  it("may say the same to another ARIA", async function () {
    const here = await signEpoch(store, REQUEST);
    const there = await signEpoch(store, { ...REQUEST, venue: { ...VENUE, aria: OTHER_ARIA } });
    expect(there?.statement).to.deep.equal(here?.statement);
    expect(there?.signature).to.not.equal(here?.signature);
  });
});

describe("Evidence hash", function () {
  it("is over all parts and their order, and does not run them together", function () {
    const hashes = [["a", "b"], ["b", "a"], ["ab"], ["ab", ""], ["", "ab"], []].map(evidenceHash);
    expect(new Set(hashes).size).to.equal(hashes.length);
    expect(evidenceHash(["a", "b"])).to.equal(hashes[0]);
  });
});
