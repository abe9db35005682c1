import { expect } from "chai";
import { keccak256, toUtf8Bytes } from "ethers";

import { bundleJson } from "../../agents/evidence/format.ts";
import {
  bundleHash,
  sealDigest,
  sealed,
  sealingWith,
  storedSeals,
  UnsealedError,
} from "../../agents/evidence/seal.ts";
import { signerOf, statementDigest } from "../../agents/evidence/statement.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { ReadingStore } from "../../agents/store/store.ts";
import { AGGREGATOR, type DerBundle, meteredEpoch, METER, VENUE } from "./metered-epoch.ts";

describe("A seal", function () {
  let der: DerBundle;
  let store: ReadingStore;

  before(async function () {
    ({ der } = await meteredEpoch());
  });

  beforeEach(function () {
    store = openSqliteStore(":memory:");
  });

  afterEach(async function () {
    await store.close();
  });

  it("is over the text as it is without the seal, whatever the seal is", function () {
    const text = bundleJson(der).replace(`,"seal":"${der.seal}"`, "");
    expect(bundleHash(der)).to.equal(keccak256(toUtf8Bytes(text)));
    const other = { ...der, seal: "0x" };
    expect(bundleHash(other)).to.equal(bundleHash(der));
  });

  it("is always the same of one bundle, and comes last", async function () {
    const once = await sealed(METER, der);
    expect(await sealed(METER, once)).to.deep.equal(once);
    expect(bundleJson(once).endsWith(`,"seal":"${once.seal}"}`)).to.be.true;
  });

  it("is no statement's signature, nor the other way about", function () {
    const hash = bundleHash(der);
    expect(sealDigest(VENUE, hash)).to.not.equal(statementDigest(VENUE, der.statement));
    expect(signerOf(VENUE, der.statement, der.seal)).to.not.equal(METER.address);
  });

  it("is kept when it is made, and found again without the key", async function () {
    const bundle = await sealingWith(METER, store)(der);
    expect(bundle).to.deep.equal(der);
    expect(await store.sealOf(bundleHash(der))).to.equal(der.seal);
    expect(await storedSeals(store)(der)).to.deep.equal(der);
  });

  it("that is kept is not made again", async function () {
    await sealingWith(METER, store)(der);
    const idle = { signTypedData: () => Promise.reject(new Error("no key")) } as unknown as typeof METER;
    expect(await sealingWith(idle, store)(der)).to.deep.equal(der);
  });

  it("is another once the commitment is known, and the one before is kept beside it", async function () {
    const before = { ...der, commitment: null, claim: null };
    const seal = sealingWith(METER, store);
    const [first, second] = [await seal(before), await seal(der)];
    expect(first.seal).to.not.equal(second.seal);
    const stored = storedSeals(store);
    expect([await stored(before), await stored(der)]).to.deep.equal([first, second]);
  });

  it("cannot be found of a bundle that was never sealed, which is said in one line", async function () {
    await sealingWith(METER, store)(der);
    const error: unknown = await storedSeals(store)({ ...der, claim: null }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).to.be.instanceOf(UnsealedError);
    expect((error as UnsealedError).message).to.match(/^der bundle of epoch 1980000: expected a seal of .*$/);
  });

  it("of another key is made, if it is asked for: whether it counts is for the check", async function () {
    const bundle = await sealed(AGGREGATOR, der);
    expect(bundle.seal).to.not.equal(der.seal);
  });
});
