import { expect } from "chai";
import { Wallet, ZeroAddress } from "ethers";

import * as rules from "../../agents/settlement/rules.ts";
import {
  commission,
  CRITERIA,
  deploy,
  type Der,
  derAt,
  epochNow,
  ethers,
  join,
  loadFixture,
  newDer,
  refused,
  Status,
  type System,
  threeDers,
  toNextEpoch,
  UNIT,
} from "./fixture.ts";

/** Applies as the DER would, with some terms changed. */
function apply(
  system: System,
  der: Der,
  terms: Partial<Der> & { value?: bigint; meterAddress?: string } = {},
) {
  const { powerW, price, deposit } = { ...der, ...terms };
  const meter = terms.meterAddress ?? der.meter.address;
  const value = terms.value ?? deposit * UNIT;
  return system.aria.connect(der.signer).join(powerW, price, meter, { value });
}

async function statusOf({ aria }: System, der: Der): Promise<bigint> {
  return (await aria.agreementOf(der.account)).status;
}

async function oneApplicant(): Promise<System & { der: Der }> {
  const system = await deploy();
  return { ...system, der: await newDer(7) };
}

async function oneProspective(): Promise<System & { der: Der }> {
  const system = await oneApplicant();
  await join(system, system.der);
  return system;
}

describe("An agreement", function () {
  describe("begins when a DER joins, which", function () {
    it("deposits what it sends, locks the deposit and leaves it waiting for commissioning", async function () {
      const { der, aria, vault, ...system } = await loadFixture(oneApplicant);
      const joining = apply({ aria, vault, ...system }, der, { value: (der.deposit + 5n) * UNIT });
      await expect(joining)
        .to.emit(vault, "Deposited")
        .withArgs(4n, aria, der.deposit + 5n);
      await expect(joining).to.emit(vault, "LockSet").withArgs(4n, 1n, der.deposit);
      await expect(joining)
        .to.emit(aria, "Joined")
        .withArgs(4n, der.signer, der.powerW, der.price, der.deposit, der.meter);
      expect(await vault.balanceOf(4)).to.equal(der.deposit + 5n);
      expect(await vault.freeOf(der.signer)).to.equal(5n);
      const terms = [Status.Prospective, 4n, der.powerW, der.price, der.deposit, 0n, 0n];
      expect([...(await aria.agreementOf(4))]).to.deep.equal(terms);
      expect(await aria.meterOf(4, await aria.currentEpoch())).to.equal(ZeroAddress);
    });

    it("asks for a deposit in proportion to the power, rounded up", async function () {
      const { der, ...system } = await loadFixture(oneApplicant);
      const deposit = 500_502n; // 1.001 kW at 500,001 units each make 500,501.001
      expect(rules.depositFor(1_001n, CRITERIA.depositPerKw)).to.equal(deposit);
      await apply(system, der, { powerW: 1_001n, deposit });
      expect((await system.aria.agreementOf(4)).deposit).to.equal(deposit);
      expect(await system.vault.lockOf(der.signer)).to.equal(deposit);
    });

    it("counts what already lies in the account", async function () {
      const { der, vault, ...system } = await loadFixture(oneApplicant);
      await vault.deposit(der.signer, der.deposit - 3n, { value: (der.deposit - 3n) * UNIT });
      const args = [der.deposit, der.deposit - 1n];
      await refused(
        apply({ vault, ...system }, der, { value: 2n * UNIT }),
        system.aria,
        "DepositTooLow",
        ...args,
      );
      await apply({ vault, ...system }, der, { value: 3n * UNIT });
      expect(await vault.balanceOf(4)).to.equal(der.deposit);
    });

    it("is refused without the full deposit, or with coins that are no whole units", async function () {
      const { der, ...system } = await loadFixture(oneApplicant);
      const value = der.deposit * UNIT;
      const { aria, vault } = system;
      await refused(apply(system, der, { value: 0n }), aria, "DepositTooLow", der.deposit, 0n);
      await refused(
        apply(system, der, { value: value - UNIT }),
        aria,
        "DepositTooLow",
        der.deposit,
        der.deposit - 1n,
      );
      await refused(apply(system, der, { value: value + 1n }), vault, "WrongValue", value, value + 1n);
      await refused(apply(system, der, { value: 1n }), vault, "ZeroAmount");
    });

    it("is held to the criteria, edges included", async function () {
      const { der, aria, ...rest } = await loadFixture(oneApplicant);
      const system = { aria, ...rest };
      const { minPowerW, maxPowerW, maxPrice } = CRITERIA;
      await refused(apply(system, der, { powerW: 999n }), aria, "PowerTooLow", minPowerW, 999n);
      await refused(apply(system, der, { powerW: 100_001n }), aria, "PowerTooHigh", maxPowerW, 100_001n);
      await refused(apply(system, der, { price: 400_001n }), aria, "PriceTooHigh", maxPrice, 400_001n);
      await refused(apply(system, der, { meterAddress: ZeroAddress }), aria, "MeterMissing");
      await apply(system, der, { powerW: minPowerW, price: maxPrice });
      await aria.connect(der.signer).leave();
      await apply(system, der, { powerW: maxPowerW, price: 0n, deposit: 50_000_100n });
    });

    it("is refused while too many wait", async function () {
      const system = await deploy({ criteria: { maxProspective: 2n } });
      const ders = await Promise.all([0, 1, 2].map((index) => newDer(index)));
      await join(system, ders[0]!);
      await join(system, ders[1]!);
      await refused(apply(system, ders[2]!), system.aria, "TooManyProspective", 2n);
      await commission(system, [ders[0]!]);
      await join(system, ders[2]!);
      await refused(apply(system, await newDer(3)), system.aria, "TooManyProspective", 2n);
      await system.aria.connect(ders[1]!.signer).leave();
      await join(system, ders[1]!);
      await system.aria.connect(system.operator).reject(ders[2]!.signer);
      await join(system, ders[2]!);
    });

    it("is refused to who waits or is in force already", async function () {
      const { der, ...system } = await loadFixture(oneProspective);
      const error = "WrongAgreementStatus";
      await refused(apply(system, der), system.aria, error, 4n, Status.None, Status.Prospective);
      await commission(system, [der]);
      await refused(apply(system, der), system.aria, error, 4n, Status.None, Status.Active);
      await system.aria.connect(der.signer).leave();
      await refused(apply(system, der), system.aria, error, 4n, Status.None, Status.Leaving);
    });

    it("is refused to the Operator and the Aggregator themselves", async function () {
      const { der, aria, operator, aggregator } = await loadFixture(oneApplicant);
      for (const signer of [operator, aggregator]) {
        const call = aria.connect(signer).join(der.powerW, der.price, der.meter);
        await refused(call, aria, "PartyHasARole", signer.address);
      }
    });
  });

  describe("comes into force when the Operator commissions its meter, which", function () {
    it("counts from the next epoch on", async function () {
      const { der, aria, ...rest } = await loadFixture(oneProspective);
      const now = await epochNow({ aria, ...rest });
      const commissioning = [{ der: der.signer.address, meter: der.meter.address }];
      await expect(aria.connect(rest.operator).commission(commissioning))
        .to.emit(aria, "Commissioned")
        .withArgs(4n, der.meter, now + 1n);
      const terms = [Status.Active, 4n, der.powerW, der.price, der.deposit, now + 1n, 0n];
      expect([...(await aria.agreementOf(4))]).to.deep.equal(terms);
      expect(await aria.meterOf(4, now)).to.equal(ZeroAddress);
      expect(await aria.meterOf(4, now + 1n)).to.equal(der.meter.address);
      expect(await aria.meterOf(4, now + 1_000n)).to.equal(der.meter.address);
    });

    it("may put another key in charge than the DER named", async function () {
      const { der, aria, ...rest } = await loadFixture(oneProspective);
      const inspected = Wallet.createRandom();
      await commission({ aria, ...rest }, [{ ...der, meter: new Wallet(inspected.privateKey) }]);
      expect(await aria.meterOf(4, (await aria.currentEpoch()) + 1n)).to.equal(inspected.address);
    });

    it("may replace a meter, whose key stays in charge of the time before", async function () {
      const system = await loadFixture(threeDers);
      const der = derAt(system, 0);
      const [second, third, fourth] = ["2", "3", "4"].map((digit) => new Wallet(`0x${digit.repeat(64)}`));
      const replacedIn = await toNextEpoch(system);
      await commission(system, [{ ...der, meter: second! }]);
      const againIn = await toNextEpoch(system);
      await commission(system, [{ ...der, meter: third! }]);
      await commission(system, [{ ...der, meter: fourth! }]);
      const meters = [der.meter, second!, fourth!].map(({ address }) => address);
      expect(
        await Promise.all(
          [replacedIn, againIn, againIn + 1n].map((epoch) => system.aria.meterOf(der.account, epoch)),
        ),
      ).to.deep.equal(meters);
      const { sinceEpoch, status } = await system.aria.agreementOf(der.account);
      expect([sinceEpoch, status]).to.deep.equal([replacedIn - 1n, Status.Active]);
    });

    it("may replace it as often as it likes: whoever looks for an earlier one steps over one an epoch", async function () {
      const system = await loadFixture(threeDers);
      const der = derAt(system, 0);
      const before = await toNextEpoch(system);
      await commission(system, [der]);
      // How many keys there are is where contracts/surface.json has it.
      const place = ethers.AbiCoder.defaultAbiCoder().encode(
        ["uint256", "uint256"],
        [der.account, 2_147_483_650n],
      );
      const count = async () =>
        BigInt(await ethers.provider.getStorage(system.aria, ethers.keccak256(place)));
      expect(await count()).to.equal(2n);
      await commission(system, Array<Der>(50).fill(der));
      expect(await count()).to.equal(2n);
      expect(await system.aria.meterOf(der.account, before)).to.equal(der.meter.address);
    });

    it("replaces the meter of one that is leaving, and does not keep it", async function () {
      const { der, ...system } = await loadFixture(oneProspective);
      const { aria } = system;
      await commission(system, [der]);
      await aria.connect(der.signer).leave();
      const before = await aria.agreementOf(der.account);
      const successor = new Wallet(Wallet.createRandom().privateKey);
      await commission(system, [{ ...der, meter: successor }]);
      expect([...(await aria.agreementOf(der.account))]).to.deep.equal([...before]);
      const epoch = await aria.currentEpoch();
      expect(await aria.meterOf(der.account, epoch + 1n)).to.equal(successor.address);
    });

    it("is refused for who has not joined, was turned away, or has left", async function () {
      const { der, ...system } = await loadFixture(oneProspective);
      const { aria, operator, stranger } = system;
      const asOperator = aria.connect(operator);
      const commissioning = (party: string) => [{ der: party, meter: der.meter.address }];
      const error = "WrongAgreementStatus";
      const unknown = asOperator.commission(commissioning(stranger.address));
      await refused(unknown, aria, error, 0n, Status.Prospective, Status.None);
      const other = await newDer(8);
      await join(system, other);
      await asOperator.reject(other.signer);
      const closed = asOperator.commission(commissioning(other.signer.address));
      await refused(closed, aria, error, 5n, Status.Prospective, Status.Closed);
    });

    it("needs a key, and happens for all of a list or for none", async function () {
      const { der, aria, operator, ...rest } = await loadFixture(oneProspective);
      const call = aria.connect(operator).commission([
        { der: der.signer.address, meter: der.meter.address },
        { der: der.signer.address, meter: ZeroAddress },
      ]);
      await refused(call, aria, "MeterMissing");
      expect(await statusOf({ aria, operator, ...rest }, der)).to.equal(Status.Prospective);
    });
  });

  describe("is turned away by the Operator, which", function () {
    it("frees the deposit", async function () {
      const { der, aria, vault, operator } = await loadFixture(oneProspective);
      const rejection = aria.connect(operator).reject(der.signer);
      await expect(rejection).to.emit(aria, "AgreementClosed").withArgs(4n);
      await expect(rejection).to.emit(vault, "LockSet").withArgs(4n, 1n, 0n);
      await vault.connect(der.signer).withdraw(der.deposit, der.signer);
    });

    it("is too late once it is in force", async function () {
      const { der, ...system } = await loadFixture(oneProspective);
      await commission(system, [der]);
      const { aria } = system;
      const call = aria.connect(system.operator).reject(der.signer);
      await refused(call, aria, "WrongAgreementStatus", 4n, Status.Prospective, Status.Active);
    });
  });

  describe("is looked after by the Operator alone, who", function () {
    it("commissions and turns away", async function () {
      const { der, aria, aggregator, stranger, owner } = await loadFixture(oneProspective);
      const role = await aria.OPERATOR_ROLE();
      const commissioning = [{ der: der.signer.address, meter: der.meter.address }];
      for (const caller of [der.signer, aggregator, stranger, owner]) {
        const args = [caller.address, role];
        const call = aria.connect(caller);
        await refused(call.commission(commissioning), aria, "AccessControlUnauthorizedAccount", ...args);
        await refused(call.reject(der.signer), aria, "AccessControlUnauthorizedAccount", ...args);
      }
    });
  });
});
