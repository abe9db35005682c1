import { expect } from "chai";
import { Wallet } from "ethers";

import {
  type FlowStatement,
  isSaidOf,
  signerOf,
  signStatement,
  statementDigest,
  type Venue,
} from "../../agents/evidence/statement.ts";

const ARIA = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
const OTHER_ARIA = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB";
const VENUE: Venue = { chainId: 31_337n, aria: ARIA };
const METER = new Wallet(`0x${"11".repeat(32)}`);

const STATEMENT: FlowStatement = {
  der: "0x8ba1f109551bD432803012645Ac136ddd64DBA72",
  epoch: 1_980_000,
  energyWh: 2_500n,
  readingsRoot: `0x${"aa".repeat(32)}`,
  firstBlock: 10,
  firstBlockHash: `0x${"bb".repeat(32)}`,
  lastBlock: 20,
  lastBlockHash: `0x${"cc".repeat(32)}`,
};

/** The same statement with each of its fields changed, by the field's name. */
const CHANGED: Record<keyof FlowStatement, FlowStatement> = {
  der: { ...STATEMENT, der: OTHER_ARIA },
  epoch: { ...STATEMENT, epoch: STATEMENT.epoch + 1 },
  energyWh: { ...STATEMENT, energyWh: STATEMENT.energyWh + 1n },
  readingsRoot: { ...STATEMENT, readingsRoot: `0x${"ab".repeat(32)}` },
  firstBlock: { ...STATEMENT, firstBlock: 11 },
  firstBlockHash: { ...STATEMENT, firstBlockHash: `0x${"bc".repeat(32)}` },
  lastBlock: { ...STATEMENT, lastBlock: 21 },
  lastBlockHash: { ...STATEMENT, lastBlockHash: `0x${"cd".repeat(32)}` },
};

describe("Flow statement", function () {
  it("gives its signer away, and nobody else", async function () {
    const signature = await signStatement(METER, VENUE, STATEMENT);
    expect(signerOf(VENUE, STATEMENT, signature)).to.equal(METER.address);
  });

  it("is always signed alike, so that signing it again says nothing new", async function () {
    expect(await signStatement(METER, VENUE, STATEMENT)).to.equal(
      await signStatement(METER, VENUE, { ...STATEMENT }),
    );
  });

  for (const [field, changed] of Object.entries(CHANGED)) {
    it(`is not signed any more when its ${field} is changed`, async function () {
      const signature = await signStatement(METER, VENUE, STATEMENT);
      expect(statementDigest(VENUE, changed)).to.not.equal(statementDigest(VENUE, STATEMENT));
      expect(signerOf(VENUE, changed, signature)).to.not.equal(METER.address);
    });
  }

  it("made to one ARIA, or on one chain, does not count for another", async function () {
    const signature = await signStatement(METER, VENUE, STATEMENT);
    for (const venue of [
      { ...VENUE, aria: OTHER_ARIA },
      { ...VENUE, chainId: 1n },
    ]) {
      expect(statementDigest(venue, STATEMENT)).to.not.equal(statementDigest(VENUE, STATEMENT));
      expect(signerOf(venue, STATEMENT, signature)).to.not.equal(METER.address);
    }
  });

  it("with a malformed signature is refused", function () {
    for (const signature of ["0x", "0x00", `0x${"00".repeat(65)}`, "not hex"]) {
      expect(signerOf(VENUE, STATEMENT, signature), signature).to.be.undefined;
    }
  });

  it("with its signature in another form than ARIA takes is refused", async function () {
    const signature = await signStatement(METER, VENUE, STATEMENT);
    const parity = Number(`0x${signature.slice(-2)}`) - 27;
    // The library would take all of these for the same signature: one statement could be told in many texts.
    for (const v of [parity, 35 + parity, 37 + parity, 255 - parity]) {
      const other = signature.slice(0, -2) + v.toString(16).padStart(2, "0");
      expect(signerOf(VENUE, STATEMENT, other), `v ${v}`).to.be.undefined;
    }
    const capitals = signature.toUpperCase().replace("0X", "0x");
    expect(signerOf(VENUE, STATEMENT, capitals)).to.be.undefined;
  });

  it("counts as a meter's word for one DER in one epoch only", async function () {
    const signature = await signStatement(METER, VENUE, STATEMENT);
    const { der, epoch } = STATEMENT;
    const about = { der, epoch, meter: METER.address };
    const signed = { statement: STATEMENT, signature };
    expect(isSaidOf(VENUE, about, signed)).to.be.true;
    for (const other of [{ der: ARIA }, { epoch: epoch + 1 }, { meter: der }]) {
      expect(isSaidOf(VENUE, { ...about, ...other }, signed)).to.be.false;
    }
    expect(isSaidOf({ ...VENUE, aria: OTHER_ARIA }, about, signed)).to.be.false;
    for (const [field, changed] of Object.entries(CHANGED)) {
      expect(isSaidOf(VENUE, about, { ...signed, statement: changed }), field).to.be.false;
    }
    for (const nonsense of ["0x", `0x${"00".repeat(65)}`, `0x${"ff".repeat(65)}`]) {
      expect(isSaidOf(VENUE, about, { ...signed, signature: nonsense })).to.be.false;
    }
  });
});
