import { expect } from "chai";

import { packRows } from "../../agents/settlement/rows.ts";
import * as rules from "../../agents/settlement/rules.ts";
import { rootOf } from "../../agents/settlement/tree.ts";
import {
  at,
  commission,
  deploy,
  derAt,
  epochNow,
  expectMoves,
  join,
  loadFixture,
  newDer,
  OPERATOR_FUNDS,
  refused,
  RequestStatus,
  RULES,
  startOf,
  threeDers,
  time,
  twentyDers,
  UNIT,
  VAULT_ERRORS,
} from "./fixture.ts";
import {
  escrowFor,
  hashOf,
  loadOrdered,
  type OpenOrder,
  orderAndRequest,
  orderArgument,
  orderBaseline,
  requestFlow,
  rowOf,
  sendRequest,
} from "./settling.ts";

describe("A request", function () {
  it("moves the most it can cost to escrow and is kept as the root of its rows", async function () {
    const { order, first, ...system } = await loadOrdered();
    const { aria } = system;
    const rows = system.ders.map((der, i) => rowOf(der, [2_001n + BigInt(i), 0n, 1_999n]));
    const escrow = escrowFor(system, rows);
    const sent = await expectMoves(system, () => sendRequest(system, order, first, rows), {
      operator: -escrow,
      escrow,
    });
    await expect(sent)
      .to.emit(aria, "FlowRequested")
      .withArgs(1n, order.id, first, 3n, escrow, packRows(rows));
    const root = rootOf({ requestId: 1n, rows });
    const stored = [root, RequestStatus.Requested, first, 3n, 0n, 0n, escrow];
    expect([...(await aria.requestOf(1))]).to.deep.equal(stored);
    expect([await aria.openRequests(), await aria.requestedUntil()]).to.deep.equal([1n, first + 3n]);
  });

  it("has the root that the agents compute, whatever its shape", async function () {
    this.timeout(60_000);
    // Rows and epochs: one leaf or several, a leaf not full, and lanes that do not fill a word.
    for (const [rowCount, count] of [
      [1, 1],
      [16, 1],
      [17, 1],
      [20, 3],
      [19, 5],
      [7, 8],
      [20, 9],
      [3, 15],
      [4, 16],
      [5, 17],
      [2, 33],
    ] as const) {
      const system = await loadFixture(twentyDers);
      const energy = (row: number) => Array.from({ length: count }, (_, i) => BigInt(1_000 + 7 * row + i));
      const rows = system.ders.slice(0, rowCount).map((der, row) => rowOf(der, energy(row)));
      const request = await orderAndRequest(system, rows);
      const { commitment, escrow } = await system.aria.requestOf(request.requestId);
      expect(commitment, `${rowCount.toString()} x ${count.toString()}`).to.equal(rootOf(request));
      expect(escrow).to.equal(request.escrow);
    }
  });

  it("draws on its order, epoch by epoch and to the last Wh", async function () {
    const { order, first, ...system } = await loadOrdered();
    const { aria } = system;
    const [one, two, three] = [derAt(system, 0), derAt(system, 1), derAt(system, 2)];
    await requestFlow(system, order, first, [rowOf(one, [2_500n, 2_500n]), rowOf(two, [3_250n, 1n])]);
    expect(order.leftWh).to.deep.equal([4_250n, 7_499n, 10_000n, 10_000n]);
    expect(await aria.orderHash(order.id)).to.equal(hashOf(order));

    const tight = await orderBaseline(system, first, [0n, 3_999n, 4_001n]);
    const tooMuch = sendRequest(system, tight, first, [rowOf(three, [0n, 4_000n])]);
    await refused(tooMuch, aria, "BaselineExceeded", first + 1n, 3_999n, 4_000n);
    await requestFlow(system, tight, first, [rowOf(three, [0n, 3_999n])]);
    expect(tight.leftWh).to.deep.equal([0n, 0n, 4_001n]);
    expect(await aria.orderHash(tight.id)).to.equal(hashOf(tight));
  });

  it("is not judged by what stands behind its last row", async function () {
    const { order, first, ...system } = await loadOrdered();
    const { aria, aggregator } = system;
    const rows = [rowOf(derAt(system, 0), [2_500n])];
    const tight = await orderBaseline(system, first, [2_499n]);
    /** The row fills up half a word. The other half is zero, but nobody makes sure of it. */
    const dirty = (of: OpenOrder): { to: typeof aria; data: string } => {
      const args: [ReturnType<typeof orderArgument>, bigint, number, string] = [
        orderArgument(of),
        first,
        1,
        packRows(rows),
      ];
      const data = aria.interface.encodeFunctionData("requestFlow", args);
      expect(data.endsWith("0".repeat(32))).to.be.true;
      return { to: aria, data: `${data.slice(0, -32)}${"f".repeat(32)}` };
    };
    const tooMuch = aggregator.sendTransaction(dirty(tight));
    await refused(tooMuch, aria, "BaselineExceeded", first, 2_499n, 2_500n);
    const sent = await aggregator.sendTransaction(dirty(order));
    await expect(sent).to.emit(aria, "FlowRequested");
    expect((await aria.requestOf(1)).escrow).to.equal(escrowFor(system, rows));
  });

  it("draws on each epoch of a long run", async function () {
    const system = await loadFixture(threeDers);
    const first = (await epochNow(system)) + 2n;
    const count = 27; // two words of figures, one more, and a part of one
    const figures = (from: bigint, step: bigint) =>
      Array.from({ length: count }, (_, i) => from + step * BigInt(i));
    const around = [11n, 12n, 13n]; // epochs of the order before the run and after it
    const order = await orderBaseline(system, first, [...around, ...figures(5_000n, 13n), ...around]);
    const rows = [rowOf(derAt(system, 0), figures(1_000n, 7n)), rowOf(derAt(system, 1), figures(500n, 11n))];
    const request = await requestFlow(system, order, first + 3n, rows);
    order.leftWh = [...around, ...figures(3_500n, -5n), ...around];
    expect(await system.aria.orderHash(order.id)).to.equal(hashOf(order));
    expect((await system.aria.requestOf(request.requestId)).escrow).to.equal(request.escrow);
  });

  it("counts all rows of an epoch together, in every lane of every word", async function () {
    const system = await loadFixture(twentyDers);
    const first = (await epochNow(system)) + 2n;
    const count = 11;
    for (let lane = 0; lane < count; ++lane) {
      const baseline = Array.from({ length: count }, (_, i) => (i === lane ? 49_999n : 50_000n));
      const order = await orderBaseline(system, first, baseline);
      const rows = system.ders.map((der) => rowOf(der, Array<bigint>(count).fill(2_500n)));
      const call = sendRequest(system, order, first, rows);
      await refused(call, system.aria, "BaselineExceeded", first + BigInt(lane), 49_999n, 50_000n);
    }
  });

  it("must show what is left of its order, and stay within it", async function () {
    const { order, first, ...system } = await loadOrdered();
    const { aria } = system;
    const rows = [rowOf(derAt(system, 0), [1n, 1n])];
    const stale = { ...order, leftWh: [10_000n, 10_000n, 10_000n, 10_001n] };
    const [expected, received] = [hashOf(order), hashOf(stale)];
    await refused(sendRequest(system, stale, first, rows), aria, "OrderMismatch", expected, received);
    const outside = [first, first + 4n];
    await refused(sendRequest(system, order, first - 1n, rows), aria, "OutsideOrder", ...outside);
    await refused(sendRequest(system, order, first + 3n, rows), aria, "OutsideOrder", ...outside);
    await refused(sendRequest(system, { ...order, id: 7n }, first, rows), aria, "UnknownOrder", 7n);
    await sendRequest(system, order, first + 2n, rows);
  });

  it("has at least one row and one epoch, and no rest", async function () {
    const { order, first, aria, aggregator, ...system } = await loadOrdered();
    const rows = packRows([rowOf(derAt({ aria, aggregator, ...system }, 0), [1n, 1n])]);
    const request = (count: number, bytes: string) =>
      aria.connect(aggregator).requestFlow(orderArgument(order), first, count, bytes);
    await refused(request(0, rows), aria, "EmptyRequest");
    await refused(request(2, "0x"), aria, "EmptyRequest");
    await refused(request(1, rows), aria, "MalformedBytes", 16n, 20n);
    await refused(request(2, `${rows}00`), aria, "MalformedBytes", 20n, 21n);
  });

  it("can be made until the last second before its first epoch", async function () {
    const { order, first, ...system } = await loadOrdered();
    const send = () => sendRequest(system, order, first, [rowOf(derAt(system, 0), [1n])]);
    const start = startOf(system, first);
    await refused(at(start, send), system.aria, "EpochStarted", first + 1n, first);
    const again = await loadOrdered();
    await at(start - 1n, () => sendRequest(again, order, first, [rowOf(derAt(again, 0), [1n])]));
  });

  it("lists accounts in order, each once", async function () {
    const { order, first, ...system } = await loadOrdered();
    const { aria } = system;
    const [one, two] = [derAt(system, 0), derAt(system, 1)];
    const send = (ders: (typeof one)[]) =>
      sendRequest(
        system,
        order,
        first,
        ders.map((der) => rowOf(der, [1n])),
      );
    await refused(send([two, one]), aria, "RowsOutOfOrder", two.account, one.account);
    await refused(send([one, one]), aria, "RowsOutOfOrder", one.account, one.account);
    await refused(send([{ ...one, account: 0n, powerW: 0n }]), aria, "RowsOutOfOrder", 0n, 0n);
  });

  it("may be a further page of the same epochs, with accounts that follow", async function () {
    const { order, first, ...system } = await loadOrdered();
    const { aria } = system;
    const [one, two, three] = [derAt(system, 0), derAt(system, 1), derAt(system, 2)];
    await requestFlow(system, order, first, [rowOf(one, [1n, 1n]), rowOf(two, [1n, 1n])]);
    const overlapping = sendRequest(system, order, first, [rowOf(two, [1n, 1n]), rowOf(three, [1n, 1n])]);
    await refused(overlapping, aria, "RowsOutOfOrder", two.account, two.account);
    const before = sendRequest(system, order, first, [rowOf(one, [1n, 1n])]);
    await refused(before, aria, "RowsOutOfOrder", two.account, one.account);
    await requestFlow(system, order, first, [rowOf(three, [1n, 1n])]);
    const repeated = sendRequest(system, order, first, [rowOf(three, [1n, 1n])]);
    await refused(repeated, aria, "RowsOutOfOrder", three.account, three.account);
    await requestFlow(system, order, first + 2n, [rowOf(one, [1n])]);
  });

  it("never overlaps epochs that were requested before", async function () {
    const { order, first, ...system } = await loadOrdered();
    const { aria } = system;
    await requestFlow(system, order, first + 1n, [rowOf(derAt(system, 0), [1n, 1n])]);
    const rows = (count: number) => [rowOf(derAt(system, 1), Array<bigint>(count).fill(1n))];
    for (const [from, count] of [
      [first, 1],
      [first, 2],
      [first + 1n, 1],
      [first + 1n, 3],
      [first + 2n, 1],
    ] as const) {
      const call = sendRequest(system, order, from, rows(count));
      await refused(call, aria, "RequestOutOfOrder", first + 3n, from);
    }
    await requestFlow(system, order, first + 3n, rows(1));
  });

  it("is on the terms of the agreement", async function () {
    const { order, first, ...system } = await loadOrdered();
    const der = derAt(system, 0);
    const termsOf = ({ price, powerW }: typeof der) => (price << 32n) | powerW;
    for (const changed of [
      { ...der, price: der.price + 1n },
      { ...der, powerW: der.powerW - 1n },
    ]) {
      const call = sendRequest(system, order, first, [rowOf(changed, [1n])]);
      await refused(call, system.aria, "TermsMismatch", der.account, termsOf(der), termsOf(changed));
    }
    const nobody = { ...der, account: 99n, powerW: 0n };
    const call = sendRequest(system, order, first, [rowOf(nobody, [1n])]);
    await refused(call, system.aria, "TermsMismatch", 99n, 0n, termsOf(nobody));
  });

  it("is refused for who is not in force", async function () {
    const { order, first, ...system } = await loadOrdered();
    const der = await newDer(5);
    await join(system, der);
    const send = () => sendRequest(system, order, first, [rowOf(der, [1n])]);
    await refused(send(), system.aria, "AgreementNotInForce", der.account, 0n, 0n);
    await system.vault.deposit(der.signer, 1n, { value: UNIT });
    await system.aria.connect(der.signer).leave();
    await refused(send(), system.aria, "AgreementNotInForce", der.account, 0n, 0n);
  });

  it("may be for the very epoch from which the agreement counts", async function () {
    const { order, first, ...system } = await loadOrdered();
    const der = await newDer(5);
    await join(system, der);
    await time.increaseTo(startOf(system, first - 1n));
    await commission(system, [der]);
    expect((await system.aria.agreementOf(der.account)).sinceEpoch).to.equal(first);
    await expect(sendRequest(system, order, first, [rowOf(der, [1n])])).to.emit(system.aria, "FlowRequested");
  });

  it("asks of nobody more than its power allows, in any epoch", async function () {
    const system = await loadFixture(twentyDers);
    const der = derAt(system, 1);
    const capacity = rules.capacityWh(der.powerW, RULES.epochSeconds);
    expect(capacity).to.equal(3_250n);
    const first = (await epochNow(system)) + 2n;
    const count = 27; // two words of figures, one more, and a part of one
    const order = await orderBaseline(system, first, Array<bigint>(count).fill(100_000n));
    for (let lane = 0; lane < count; ++lane) {
      for (const most of [capacity + 1n, 2n ** 32n - 1n]) {
        const energyWh = Array.from({ length: count }, (_, i) => (i === lane ? most : capacity));
        const call = sendRequest(system, order, first, [rowOf(der, energyWh)]);
        await refused(call, system.aria, "PowerExceeded", der.account, capacity);
      }
    }
    await sendRequest(system, order, first, [rowOf(der, Array<bigint>(count).fill(capacity))]);
  });

  it("has no more rows than its sums can hold, at the largest power", async function () {
    const system = await deploy({ derCount: 5, criteria: { maxPowerW: 2_000_000_000n } });
    const first = (await epochNow(system)) + 2n;
    const order = await orderBaseline(system, first, [10_000n]);
    const rows = system.ders.map((der) => rowOf(der, [1_000n]));
    await refused(sendRequest(system, order, first, rows), system.aria, "RequestTooLarge", 4n, 5n);
    await requestFlow(system, order, first, rows.slice(0, 4));
  });

  it("may ask for what a power makes of an epoch, rounded up to a whole Wh", async function () {
    const { order, first, ...system } = await loadOrdered();
    const der = { ...(await newDer(9)), powerW: 1_001n, deposit: 500_502n };
    await join(system, der);
    await commission(system, [der]);
    const send = (wh: bigint) => sendRequest(system, order, first, [rowOf(der, [wh])]);
    await refused(send(252n), system.aria, "PowerExceeded", der.account, 251n); // 250.25 Wh in a quarter of an hour
    await send(251n);
  });

  it("needs the Aggregator's bond: it must be posted, and not only be there", async function () {
    const { order, first, ...system } = await loadOrdered();
    const { aria, vault, aggregator, accounts } = system;
    await aria.connect(aggregator).releaseBond();
    expect(await vault.balanceOf(accounts.aggregator)).to.equal(RULES.aggregatorBond);
    const send = () => sendRequest(system, order, first, [rowOf(derAt(system, 0), [2_000n])]);
    await refused(send(), aria, "BondTooLow", RULES.aggregatorBond, 0n);
    await aria.connect(aggregator).postBond();
    await send();
  });

  it("needs the Operator's money", async function () {
    const { order, first, ...system } = await loadOrdered();
    const rows = [rowOf(derAt(system, 0), [2_500n])];
    const escrow = escrowFor(system, rows);
    await system.vault.connect(system.operator).withdraw(OPERATOR_FUNDS - escrow + 1n, system.operator);
    const args = [system.accounts.operator, escrow, escrow - 1n];
    await refused(sendRequest(system, order, first, rows), VAULT_ERRORS, "InsufficientBalance", ...args);
    await system.vault.deposit(system.operator, 1n, { value: UNIT });
    await sendRequest(system, order, first, rows);
  });

  it("is the Aggregator's alone", async function () {
    const { order, first, aria, ...system } = await loadOrdered();
    const rows = packRows([rowOf(derAt({ aria, ...system }, 0), [1n])]);
    for (const caller of [system.operator, system.stranger, system.owner]) {
      const call = aria.connect(caller).requestFlow(orderArgument(order), first, 1, rows);
      const args = [caller.address, await aria.AGGREGATOR_ROLE()];
      await refused(call, aria, "AccessControlUnauthorizedAccount", ...args);
    }
  });
});
