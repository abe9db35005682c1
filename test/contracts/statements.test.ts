import { expect } from "chai";
import { concat, id, Signature, Wallet, ZeroAddress, ZeroHash } from "ethers";

import { blockstamp, type Claim, domainOf, raise, rowProof, signed, statementOf } from "./claims.ts";
import {
  commission,
  deploy,
  type Der,
  derAt,
  loadFixture,
  networkHelpers,
  refused,
  type System,
  toEpoch,
  withNewAria,
} from "./fixture.ts";
import { orderAndRequest, type Request, rowOf, sweep } from "./settling.ts";

/** The history contract's address and code, from EIP-2935; Hardhat has a placeholder there that always reverts. */
const HISTORY = "0x0000F90827F1C53a10cb7A02335B175320002935";
const HISTORY_CODE =
  "0x3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257" +
  "611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500";

interface Case extends System {
  der: Der;
  other: Der;
  request: Request;
  /** swept 1,000 Wh short for both DERs */
  epoch: bigint;
}

async function short(): Promise<Case> {
  const system = await deploy({ derCount: 2, bonds: 4n });
  const [der, other] = [derAt(system, 0), derAt(system, 1)];
  const rows = [rowOf(der, [2_000n, 2_000n]), rowOf(other, [2_000n, 2_000n])];
  const request = await orderAndRequest(system, rows);
  await sweep(system, request, [
    [1_000n, 1_000n],
    [1_000n, 1_000n],
  ]);
  return { ...system, der, other, request, epoch: request.firstEpoch };
}

/** Whom ARIA finds to have signed: anybody, when what was signed is not what is shown. */
async function expectWrongMeter(system: Case, claim: Claim, expected: string): Promise<void> {
  const { aria, der, request, epoch } = system;
  const call = raise(system, der, request, epoch, 2_000n, claim);
  await expect(call)
    .to.be.revertedWithCustomError(aria, "WrongMeter")
    .withArgs(expected, (signer: string) => signer !== expected);
}

describe("A flow statement", function () {
  it("is signed by the meter commissioned for its epoch", async function () {
    const system = await loadFixture(short);
    const { aria, der, other, request, epoch } = system;
    for (const meter of [other.meter, Wallet.createRandom()]) {
      const call = raise(system, der, request, epoch, 2_000n, { meter: new Wallet(meter.privateKey) });
      await refused(call, aria, "WrongMeter", der.meter.address, meter.address);
    }
    await raise(system, der, request, epoch, 2_000n);
  });

  it("says nothing of another epoch, DER or figure than it was signed for", async function () {
    const system = await loadFixture(short);
    const { aria, der, other, request, epoch } = system;
    const statement = await statementOf(der, epoch, 2_000n);
    const signature = await signed(system, statement, der.meter);
    for (const changed of [
      { epoch: epoch + 1n },
      { energyWh: 1_999n },
      { readingsRoot: id("other readings") },
      { firstBlock: statement.firstBlock - 1n },
      { firstBlockHash: id("another block") },
      { lastBlock: statement.firstBlock },
      { lastBlockHash: id("another block") },
    ]) {
      const call = aria
        .connect(der.signer)
        .raiseDisputeEvent({ ...statement, ...changed }, signature, rowProof(request, der));
      await expect(call).to.be.revertedWithCustomError(aria, "WrongMeter");
    }
    const replayed = aria
      .connect(other.signer)
      .raiseDisputeEvent({ ...statement, der: other.signer.address }, signature, rowProof(request, other));
    await expect(replayed).to.be.revertedWithCustomError(aria, "WrongMeter");
  });

  it("is for this ARIA on this chain, and for Proof of Flow in its first version", async function () {
    const system = await loadFixture(short);
    const { der } = system;
    const next = await withNewAria(system);
    for (const domain of [
      { verifyingContract: await next.aria.getAddress() },
      { verifyingContract: await system.annex.getAddress() },
      { chainId: 1n },
      { name: "Proof of Flows" },
      { version: "2" },
    ]) {
      await expectWrongMeter(system, { domain }, der.meter.address);
    }
  });

  it("is for the domain that ARIA tells of itself", async function () {
    const system = await loadFixture(short);
    const { fields, name, version, chainId, verifyingContract, salt, extensions } =
      await system.aria.eip712Domain();
    expect([fields, salt, [...extensions]]).to.deep.equal(["0x0f", ZeroHash, []]);
    expect({ name, version, chainId, verifyingContract }).to.deep.equal(await domainOf(system));
  });

  it("has a signature in the form that there is only one of", async function () {
    const { annex, aria, der, request, epoch, ...system } = await loadFixture(short);
    const statement = await statementOf(der, epoch, 2_000n);
    const signature = await signed({ annex, aria, ...system }, statement, der.meter);
    const send = (bytes: string) =>
      aria.connect(der.signer).raiseDisputeEvent(statement, bytes, rowProof(request, der));
    await refused(send(signature.slice(0, -2)), annex, "ECDSAInvalidSignatureLength", 64n);
    const { r, s, v } = Signature.from(signature);
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const mirrored = `0x${(order - BigInt(s)).toString(16).padStart(64, "0")}`;
    const twin = send(concat([r, mirrored, v === 27 ? "0x1c" : "0x1b"]));
    await refused(twin, annex, "ECDSAInvalidSignatureS", mirrored);
    await refused(send(concat([r, s, "0x05"])), annex, "ECDSAInvalidSignature");
    await send(signature);
  });
});

describe("A meter that was replaced", function () {
  /** One request of four epochs, during the second of which the first DER's meter is replaced. */
  async function replaced(): Promise<Case & { successor: Wallet }> {
    const system = await deploy({ derCount: 2, bonds: 10n });
    const [der, other] = [derAt(system, 0), derAt(system, 1)];
    const request = await orderAndRequest(system, [rowOf(der, [2_000n, 2_000n, 2_000n, 2_000n])]);
    const successor = new Wallet(id("the meter that comes after"));
    await toEpoch(system, request.firstEpoch + 1n);
    await commission(system, [{ ...der, meter: successor }]);
    await sweep(system, request, [[2_000n, 2_000n, 2_000n, 2_000n]]);
    return { ...system, der, other, request, epoch: request.firstEpoch, successor };
  }

  it("still speaks for the epochs up to then, and its successor for those after", async function () {
    const { successor, ...system } = await loadFixture(replaced);
    const { der, request, epoch } = system;
    for (const [offset, meter] of [der.meter, der.meter, successor, successor].entries()) {
      await raise(system, der, request, epoch + BigInt(offset), 2_000n, { meter });
    }
  });

  it("does not speak for those after, nor its successor for those before", async function () {
    const { successor, ...system } = await loadFixture(replaced);
    const { aria, der, request, epoch } = system;
    const keys = [der.meter.address, successor.address];
    for (const [offset, meter] of [
      [1n, successor],
      [2n, der.meter],
    ] as const) {
      const call = raise(system, der, request, epoch + offset, 2_000n, { meter });
      const [right, wrong] = meter === successor ? keys : keys.toReversed();
      await refused(call, aria, "WrongMeter", right, wrong);
    }
  });

  it("was nobody's before the first was commissioned", async function () {
    const { aria, der } = await loadFixture(replaced);
    const { sinceEpoch } = await aria.agreementOf(der.account);
    expect(await aria.meterOf(der.account, sinceEpoch - 1n)).to.equal(ZeroAddress);
    expect(await aria.meterOf(der.account, sinceEpoch)).to.equal(der.meter.address);
  });
});

describe("The blockstamps of a statement", function () {
  /** Whether ARIA says that it checked the blockstamps of a claim. */
  async function checked(system: Case, claim: Claim): Promise<boolean | undefined> {
    const { aria, der, request, epoch } = system;
    const sent = await raise(system, der, request, epoch, 2_000n, claim);
    const receipt = await sent.wait();
    const [event] = await aria.queryFilter(aria.filters.DisputeRaised, receipt?.blockNumber);
    return event?.args.blockstampsChecked;
  }

  it("are hashes of the chain's own blocks", async function () {
    const system = await loadFixture(short);
    const { aria, der, request, epoch } = system;
    const { number, hash } = await blockstamp(1);
    const wrong = id("a block of another chain");
    for (const statement of [{ firstBlock: number, firstBlockHash: wrong }, { lastBlockHash: wrong }]) {
      const call = raise(system, der, request, epoch, 2_000n, { statement });
      await refused(call, aria, "BlockstampMismatch", number, hash, wrong);
    }
  });

  it("run from first to last, and lie in the past", async function () {
    const system = await loadFixture(short);
    const { aria, der, request, epoch } = system;
    const latest = (await blockstamp(0)).number;
    // The dispute itself is mined in the block after the latest.
    for (const [firstBlock, lastBlock] of [
      [latest - 1n, latest - 2n],
      [latest, latest + 1n],
      [latest, 2n ** 64n - 1n],
    ] as const) {
      const call = raise(system, der, request, epoch, 2_000n, { statement: { firstBlock, lastBlock } });
      await refused(call, aria, "BlockstampsOutOfOrder", firstBlock, lastBlock, latest + 1n);
    }
    const { number, hash } = await blockstamp(0);
    const statement = { firstBlock: number, firstBlockHash: hash, lastBlock: number, lastBlockHash: hash };
    expect(await checked(system, { statement })).to.equal(true);
  });

  it("are checked beyond the 256 blocks of the chain's own memory, where a history contract keeps them", async function () {
    const system = await loadFixture(short);
    const { aria, der, request, epoch } = system;
    const { number, hash } = await blockstamp(0);
    await networkHelpers.setCode(HISTORY, HISTORY_CODE);
    await networkHelpers.setStorageAt(HISTORY, number % 8_191n, hash);
    await networkHelpers.mine(8_188, { interval: 1 });
    const wrong = id("a block of another chain");
    const forged = { firstBlock: number, firstBlockHash: wrong };
    const call = raise(system, der, request, epoch, 2_000n, { statement: forged });
    await refused(call, aria, "BlockstampMismatch", number, hash, wrong);
    expect(await checked(system, { statement: { firstBlock: number, firstBlockHash: hash } })).to.equal(true);
  });

  it("are left to people once the history contract has forgotten them", async function () {
    const system = await loadFixture(short);
    const { number, hash } = await blockstamp(0);
    await networkHelpers.setCode(HISTORY, HISTORY_CODE);
    await networkHelpers.setStorageAt(HISTORY, number % 8_191n, hash);
    await networkHelpers.mine(8_192, { interval: 1 });
    const old = { firstBlock: number, firstBlockHash: id("who knows?") };
    expect(await checked(system, { statement: old })).to.equal(false);
  });

  it("are left to people on a chain without a history contract", async function () {
    const system = await loadFixture(short);
    await networkHelpers.setCode(HISTORY, "0x");
    const { number } = await blockstamp(0);
    await networkHelpers.mine(300, { interval: 1 });
    const old = { firstBlock: number, firstBlockHash: id("who knows?") };
    expect(await checked(system, { statement: old })).to.equal(false);
  });
});
