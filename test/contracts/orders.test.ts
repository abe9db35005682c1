import { expect } from "chai";
import { ZeroHash } from "ethers";

import { packEnergy } from "../../agents/settlement/rows.ts";
import { at, derAt, epochNow, loadFixture, refused, startOf, threeDers } from "./fixture.ts";
import {
  hashOf,
  loadOrdered,
  nothingMissing,
  orderBaseline,
  requestFlow,
  rowOf,
  sendRequest,
  sweep,
} from "./settling.ts";

describe("An order", function () {
  it("says what may be requested, and is kept as a hash", async function () {
    const system = await loadFixture(threeDers);
    const { aria, operator } = system;
    const first = (await epochNow(system)) + 5n;
    const baseline = packEnergy([1_000n, 0n, 2n ** 31n - 1n]);
    await expect(aria.connect(operator).orderBaseline(first, baseline))
      .to.emit(aria, "BaselineOrdered")
      .withArgs(1n, first, baseline);
    expect(await aria.orderHash(1)).to.equal(
      hashOf({ id: 1n, firstEpoch: first, leftWh: [1_000n, 0n, 2n ** 31n - 1n] }),
    );
    expect(await aria.orderHash(2)).to.equal(ZeroHash);
    expect((await orderBaseline(system, first, [5n])).id).to.equal(2n);
  });

  it("is not empty, nor cut off", async function () {
    const system = await loadFixture(threeDers);
    const asOperator = system.aria.connect(system.operator);
    const first = (await epochNow(system)) + 5n;
    await refused(asOperator.orderBaseline(first, "0x"), system.aria, "EmptyOrder");
    await refused(asOperator.orderBaseline(first, "0x0000000100"), system.aria, "MalformedBytes", 4n, 5n);
  });

  it("is of less than 2^31 Wh an epoch", async function () {
    const system = await loadFixture(threeDers);
    const firstEpoch = (await epochNow(system)) + 1n;
    for (const place of [0, 7, 8, 16]) {
      const baselineWh = Array.from({ length: 17 }, (_, i) => (i === place ? 2n ** 31n : 2n ** 31n - 1n));
      await refused(orderBaseline(system, firstEpoch, baselineWh), system.aria, "EnergyTooLarge");
    }
    await orderBaseline(system, firstEpoch, [2n ** 31n - 1n]);
  });

  it("is not judged by what stands behind its last figure", async function () {
    const { aria, operator, ...system } = await loadFixture(threeDers);
    const firstEpoch = (await epochNow({ aria, operator, ...system })) + 2n;
    const baseline = packEnergy(Array.from({ length: 11 }, (_, i) => BigInt(i)));
    const data = aria.interface.encodeFunctionData("orderBaseline", [firstEpoch, baseline]);
    const filling = 2 * (32 - 3 * 4); // the rest of the second word, which is zero if nobody makes it something else
    const sent = operator.sendTransaction({
      to: aria,
      data: `${data.slice(0, -filling)}${"f".repeat(filling)}`,
    });
    await expect(sent).to.emit(aria, "BaselineOrdered").withArgs(1n, firstEpoch, baseline);
  });

  it("can be placed until the last second before its first epoch", async function () {
    const system = await loadFixture(threeDers);
    const asOperator = system.aria.connect(system.operator);
    const first = (await epochNow(system)) + 5n;
    await at(startOf(system, first) - 1n, () => asOperator.orderBaseline(first, "0x00000001"));
    const late = at(startOf(system, first), () => asOperator.orderBaseline(first, "0x00000001"));
    await refused(late, system.aria, "EpochStarted", first + 1n, first);
  });

  it("reaches 4,096 epochs ahead, and no further: nobody can leave before what is requested", async function () {
    const system = await loadFixture(threeDers);
    const asOperator = system.aria.connect(system.operator);
    const latest = (await epochNow(system)) + 4_096n;
    await asOperator.orderBaseline(latest - 2n, packEnergy([1n, 1n]));
    const tooFar = asOperator.orderBaseline(latest - 2n, packEnergy([1n, 1n, 1n]));
    await refused(tooFar, system.aria, "TooFarAhead", latest, latest + 1n);
  });

  it("can be taken back, for what is not requested yet", async function () {
    const { order, first, ...system } = await loadOrdered();
    const { aria, operator } = system;
    const request = await requestFlow(system, { ...order }, first, [rowOf(derAt(system, 0), [2_000n])]);
    await expect(aria.connect(operator).cancelOrder(order.id))
      .to.emit(aria, "OrderCancelled")
      .withArgs(order.id);
    expect(await aria.orderHash(order.id)).to.equal(ZeroHash);
    const rows = [rowOf(derAt(system, 0), [1n])];
    await refused(sendRequest(system, order, first + 1n, rows), aria, "UnknownOrder", order.id);
    await refused(aria.connect(operator).cancelOrder(order.id), aria, "UnknownOrder", order.id);
    await sweep(system, request, nothingMissing(request));
  });

  it("is the Operator's alone", async function () {
    const system = await loadFixture(threeDers);
    const { aria, aggregator, stranger, owner } = system;
    const role = await aria.OPERATOR_ROLE();
    for (const caller of [aggregator, stranger, owner]) {
      const args = [caller.address, role];
      const call = aria.connect(caller);
      await refused(call.orderBaseline(9n, "0x00000001"), aria, "AccessControlUnauthorizedAccount", ...args);
      await refused(call.cancelOrder(1n), aria, "AccessControlUnauthorizedAccount", ...args);
    }
  });
});
