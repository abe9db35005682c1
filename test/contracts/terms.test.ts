import { expect } from "chai";
import { ZeroAddress, ZeroHash } from "ethers";

import { ARIA__factory } from "../../types/index.js";
import {
  CRITERIA,
  type Criteria,
  epochNow,
  loadFixture,
  refused,
  type Rules,
  RULES,
  threeDers,
} from "./fixture.ts";
import { orderBaseline } from "./settling.ts";

describe("The terms of an ARIA", function () {
  it("are what it was deployed with, for good", async function () {
    const { aria, vault, accounts } = await loadFixture(threeDers);
    expect([...(await aria.criteria())]).to.deep.equal(Object.values(CRITERIA));
    expect([...(await aria.rules())]).to.deep.equal(Object.values(RULES));
    expect(await aria.vault()).to.equal(await vault.getAddress());
    expect(accounts).to.deep.equal({ operator: 1n, aggregator: 2n, escrow: 3n });
  });

  it("count epochs from the beginning of unix time", async function () {
    const system = await loadFixture(threeDers);
    expect(await system.aria.currentEpoch()).to.equal(await epochNow(system));
  });

  it("make sense", async function () {
    const { aria, vault, owner, operator, aggregator } = await loadFixture(threeDers);
    const attempt = (criteria: Partial<Criteria>, rules: Partial<Rules>) =>
      new ARIA__factory(owner).deploy(
        vault,
        operator,
        aggregator,
        ZeroAddress,
        { ...CRITERIA, ...criteria },
        { ...RULES, ...rules },
      );
    const cases: [name: string, received: bigint, criteria: Partial<Criteria>, rules?: Partial<Rules>][] = [
      ["minPowerW", 0n, { minPowerW: 0n }],
      ["minPowerW", 100_001n, { minPowerW: 100_001n }],
      ["depositFloorBps", 10_001n, { depositFloorBps: 10_001n }],
      ["depositPerKw", 2n ** 61n, { maxPowerW: 1_000n, depositPerKw: 2n ** 61n }],
      ["depositPerKw", 2n ** 63n, { maxPowerW: 2n ** 32n - 1n, depositPerKw: 2n ** 63n }],
      ["epochSeconds", 1n, {}, { epochSeconds: 1n }],
      // What it makes of an epoch would be more than 2^31 Wh.
      ["maxPowerW", 2n ** 32n - 1n, { maxPowerW: 2n ** 32n - 1n }, { epochSeconds: 1_801n }],
      ["sweepWindowSeconds", 0n, {}, { sweepWindowSeconds: 0n }],
      ["disputeWindowSeconds", 0n, {}, { disputeWindowSeconds: 0n }],
      ["rulingWindowSeconds", 0n, {}, { rulingWindowSeconds: 0n }],
      ["deliveryToleranceBps", 10_001n, {}, { deliveryToleranceBps: 10_001n }],
      ["meterToleranceBps", 10_001n, {}, { meterToleranceBps: 10_001n }],
      ["feeBps", 10_001n, {}, { feeBps: 10_001n }],
      ["aggregatorBond", 2n ** 61n, {}, { aggregatorBond: 2n ** 61n }],
      ["disputeBond", 2n ** 61n, {}, { disputeBond: 2n ** 61n }],
      ["misreportFine", 20_000_001n, {}, { misreportFine: 20_000_001n }],
    ];
    for (const [name, received, criteria, rules] of cases) {
      await refused(attempt(criteria, rules ?? {}), aria, "ParameterOutOfRange", name, received);
    }
    const edges = { deliveryToleranceBps: 10_000n, meterToleranceBps: 10_000n, feeBps: 10_000n };
    await attempt(
      { minPowerW: 100_000n, depositFloorBps: 10_000n },
      { ...edges, misreportFine: RULES.aggregatorBond },
    );
    await attempt({ maxPowerW: 2n ** 31n - 1n }, { epochSeconds: 3_600n });
    const [most, shortest] = [2n ** 61n - 1n, 1n];
    await attempt(
      { maxPowerW: 1_000n, depositPerKw: most },
      {
        aggregatorBond: most,
        disputeBond: most,
        misreportFine: most,
        epochSeconds: 2n,
        sweepWindowSeconds: shortest,
        disputeWindowSeconds: shortest,
        rulingWindowSeconds: shortest,
      },
    );
  });

  it("are between two parties", async function () {
    const { aria, vault, owner, operator, aggregator } = await loadFixture(threeDers);
    const factory = new ARIA__factory(owner);
    const alone = factory.deploy(vault, operator, operator, ZeroAddress, CRITERIA, RULES);
    await refused(alone, aria, "PartyHasARole", operator.address);
    await refused(
      factory.deploy(vault, ZeroAddress, aggregator, ZeroAddress, CRITERIA, RULES),
      vault,
      "ZeroAddress",
    );
  });
});

describe("A role", function () {
  it("is held by the Operator and the Aggregator, and the owner has none", async function () {
    const { aria, owner, operator, aggregator } = await loadFixture(threeDers);
    const [operatorRole, aggregatorRole] = [await aria.OPERATOR_ROLE(), await aria.AGGREGATOR_ROLE()];
    expect(await aria.hasRole(operatorRole, operator)).to.equal(true);
    expect(await aria.hasRole(aggregatorRole, aggregator)).to.equal(true);
    expect(await aria.hasRole(operatorRole, aggregator)).to.equal(false);
    expect(await aria.hasRole(aggregatorRole, operator)).to.equal(false);
    for (const role of [operatorRole, aggregatorRole, ZeroHash]) {
      expect(await aria.hasRole(role, owner)).to.equal(false);
    }
    expect(await aria.getRoleAdmin(operatorRole)).to.equal(operatorRole);
    expect(await aria.getRoleAdmin(aggregatorRole)).to.equal(aggregatorRole);
  });

  it("passes on to another key by its holder", async function () {
    const system = await loadFixture(threeDers);
    const { aria, operator, stranger } = system;
    const role = await aria.OPERATOR_ROLE();
    await aria.connect(operator).grantRole(role, stranger);
    await aria.connect(stranger).revokeRole(role, operator);
    const epoch = (await epochNow(system)) + 2n;
    const call = aria.connect(operator).orderBaseline(epoch, "0x00000001");
    await refused(call, aria, "AccessControlUnauthorizedAccount", operator.address, role);
    await orderBaseline({ ...system, operator: stranger }, epoch, [1n]);
  });

  it("passes on by nobody else, not even the owner or the other party", async function () {
    const { aria, owner, operator, aggregator, stranger } = await loadFixture(threeDers);
    const roles = { operator: await aria.OPERATOR_ROLE(), aggregator: await aria.AGGREGATOR_ROLE() };
    for (const [caller, role] of [
      [owner, roles.operator],
      [owner, roles.aggregator],
      [aggregator, roles.operator],
      [operator, roles.aggregator],
      [stranger, roles.operator],
      [operator, ZeroHash],
    ] as const) {
      const admin = role;
      const granting = aria.connect(caller).grantRole(role, caller);
      await refused(granting, aria, "AccessControlUnauthorizedAccount", caller.address, admin);
      const revoking = aria.connect(caller).revokeRole(role, operator);
      await refused(revoking, aria, "AccessControlUnauthorizedAccount", caller.address, admin);
    }
  });

  it("is given up by its holder only", async function () {
    const { aria, operator, stranger } = await loadFixture(threeDers);
    const role = await aria.OPERATOR_ROLE();
    await refused(aria.connect(stranger).renounceRole(role, operator), aria, "AccessControlBadConfirmation");
    await aria.connect(operator).renounceRole(role, operator);
    expect(await aria.hasRole(role, operator)).to.equal(false);
  });
});
