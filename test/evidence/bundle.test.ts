import { expect } from "chai";

import {
  bundleJson,
  evidenceHash,
  makeBundle,
  parseBundle,
  readingsOf,
  readingsRoot,
} from "../../agents/evidence/bundle.ts";
import { toJson } from "../../agents/evidence/json.ts";
import { signerOf } from "../../agents/evidence/statement.ts";
import { ConflictError, type ReadingStore } from "../../agents/store/store.ts";
import {
  bundleFrom,
  DER,
  EPOCH,
  EPOCH_SECONDS,
  honestBundle,
  METER,
  OTHER_ARIA,
  OTHER_DER,
  readingsFrom,
  storeOf,
  VENUE,
} from "./metered-epoch.ts";

const EPOCH_OF_METER = { meter: METER.address, epoch: EPOCH, epochSeconds: EPOCH_SECONDS };

describe("Bundle", function () {
  let store: ReadingStore;

  beforeEach(async function () {
    store = await storeOf(readingsFrom(99, 105));
  });

  afterEach(async function () {
    await store.close();
  });

  it("holds the epoch's readings, the one before, and a statement that commits to them", async function () {
    const bundle = (await bundleFrom(store))!;
    expect(bundle.before?.blockNumber).to.equal(100);
    expect(bundle.readings.map(({ blockNumber }) => blockNumber)).to.deep.equal([101, 102, 103]);
    const [first, , last] = bundle.readings;
    expect(bundle.statement).to.deep.equal({
      der: DER,
      epoch: EPOCH,
      energyWh: 2_500n, // 10 kW from the reading before to the last one: 15 minutes
      readingsRoot: readingsRoot(bundle.readings),
      firstBlock: 101,
      firstBlockHash: first?.blockHash,
      lastBlock: 103,
      lastBlockHash: last?.blockHash,
    });
    expect(signerOf(VENUE, bundle.statement, bundle.signature)).to.equal(METER.address);
  });

  it("has no reading before when the meter's chain begins in the epoch", async function () {
    const bundle = await honestBundle(101);
    expect(bundle).to.not.have.property("before");
    expect(bundle.readings[0]?.sequence).to.equal(0);
  });

  it("is not made of an epoch without a reading", async function () {
    expect(
      await makeBundle(store, { ...EPOCH_OF_METER, epoch: EPOCH + 9, venue: VENUE, der: DER, signer: METER }),
    ).to.be.undefined;
    expect(await readingsOf(store, { ...EPOCH_OF_METER, epoch: EPOCH + 9 })).to.deep.include({
      readings: [],
      energyWh: 0n,
    });
  });

  it("comes back from JSON text as it was, with and without a reading before", async function () {
    for (const bundle of [await honestBundle(), await honestBundle(101)]) {
      expect(parseBundle(bundleJson(bundle))).to.deep.equal(bundle);
      expect(bundleJson(parseBundle(bundleJson(bundle)))).to.equal(bundleJson(bundle));
    }
  });

  it("cannot be read with any field missing, unknown or of another form", async function () {
    const bundle = await honestBundle();
    type Plain = Record<string, unknown>;
    const plain = JSON.parse(bundleJson(bundle)) as Plain & { statement: Plain; readings: Plain[] };
    const refuses = (changed: unknown, what: string): void => {
      expect(() => parseBundle(JSON.stringify(changed)), what).to.throw();
    };
    for (const field of Object.keys(plain).filter((name) => name !== "before")) {
      refuses({ ...plain, [field]: undefined }, `without ${field}`);
      refuses({ ...plain, [field]: null }, `${field} null`);
    }
    for (const field of Object.keys(plain.statement)) {
      refuses({ ...plain, statement: { ...plain.statement, [field]: undefined } }, `statement.${field}`);
    }
    for (const field of Object.keys(plain.readings[0]!)) {
      refuses({ ...plain, readings: [{ ...plain.readings[0], [field]: undefined }] }, `readings.${field}`);
      refuses({ ...plain, before: { ...plain.readings[0], [field]: undefined } }, `before.${field}`);
    }
    refuses({ ...plain, more: 1 }, "unknown field");
    refuses({ ...plain, version: 2 }, "another version");
    refuses({ ...plain, readings: [] }, "no readings");
    refuses({ ...plain, signature: bundle.signature.slice(0, -2) }, "short signature");
    refuses({ ...plain, statement: { ...plain.statement, energyWh: "-1" } }, "negative energy");
    refuses({ ...plain, statement: { ...plain.statement, energyWh: 2_500 } }, "energy as a JSON number");
    for (const text of ["", "{", "null", "[]", "0"]) expect(() => parseBundle(text), text).to.throw();
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

  it("makes the same bundle again when it is asked again", async function () {
    expect(await bundleFrom(store)).to.deep.equal(await bundleFrom(store));
  });

  it("never signs two different statements of one epoch to one ARIA", async function () {
    const { statement, signature } = (await bundleFrom(store))!;
    const payload = toJson({ ...statement, energyWh: statement.energyWh + 1n });
    const { aria } = VENUE;
    const other = await storeOf(readingsFrom(99, 105));
    await other.saveStatement({ meter: METER.address, epoch: EPOCH, aria, payload, signature });
    const outcome = await bundleFrom(other).catch((error: unknown) => error);
    await other.close();
    expect(outcome).to.be.instanceOf(ConflictError);
  });

  it("never signs one epoch for two DERs", async function () {
    await bundleFrom(store);
    const request = { ...EPOCH_OF_METER, venue: VENUE, signer: METER };
    const outcome = await makeBundle(store, { ...request, der: OTHER_DER }).catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(ConflictError);
  });

  it("may say the same to another ARIA", async function () {
    const here = await bundleFrom(store);
    const there = await bundleFrom(store, { ...VENUE, aria: OTHER_ARIA });
    expect(there?.statement).to.deep.equal(here?.statement);
    expect(there?.signature).to.not.equal(here?.signature);
  });
});

describe("Root over readings", function () {
  it("is the digest of a single reading, and changes with each and with their order", async function () {
    const { readings } = await honestBundle();
    const [first, ...rest] = readings;
    expect(readingsRoot([first!])).to.equal(first!.digest);
    const roots = [readings, rest, readings.slice(0, 2), [...rest, first!]].map(readingsRoot);
    expect(new Set(roots).size).to.equal(roots.length);
  });
});

describe("Evidence hash", function () {
  it("is over all parts and their order, and does not run them together", function () {
    const hashes = [["a", "b"], ["b", "a"], ["ab"], ["ab", ""], ["", "ab"], []].map(evidenceHash);
    expect(new Set(hashes).size).to.equal(hashes.length);
    expect(evidenceHash(["a", "b"])).to.equal(hashes[0]);
  });
});
