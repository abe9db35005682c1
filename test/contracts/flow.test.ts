import { expect } from "chai";
import fc from "fast-check";

import { packRows, packShortfalls } from "../../agents/settlement/rows.ts";
import * as rules from "../../agents/settlement/rules.ts";
import { commitmentOf, rootOf } from "../../agents/settlement/tree.ts";
import {
  allBalances,
  at,
  deploy,
  derAt,
  expectMoves,
  loadFixture,
  refused,
  RequestStatus,
  RULES,
  type System,
  threeDers,
  time,
  twentyDers,
} from "./fixture.ts";
import {
  dear,
  DEAR,
  expectSweep,
  FLOW_ROOT,
  loadRequest,
  nothingMissing,
  orderAndRequest,
  orderBaseline,
  type Request,
  requestFlow,
  rowOf,
  rowsFor,
  sendSweep,
  settlementOf,
  sweep,
  sweepWindow,
  toSweepWindow,
} from "./settling.ts";

async function requested(): Promise<System & { request: Request }> {
  const system = await threeDers();
  const request = await orderAndRequest(system, rowsFor(system, 3, [2_000n]));
  return { ...system, request };
}

/** As many DERs as have their rows of one epoch in two leaves. */
async function fleetOfTwoLeaves(): Promise<System> {
  return await deploy({ derCount: 64 });
}

describe("A sweep", function () {
  it("pays each DER what it delivered, the Aggregator its fee, and leaves the rest in escrow", async function () {
    const { request, ...system } = await loadRequest(requested);
    const { aria } = system;
    // 123,457, 124,470 and 125,483 units a kWh; 2,000, 2,001 and 2,002 Wh asked; 3, 0 and 50 Wh less delivered.
    const payments = [246_543n, 249_064n, 244_942n];
    const fee = 18_513n; // 2.5 % of 740,549, rounded down
    expect(request.escrow).to.equal(253_087n + 255_292n + 257_498n);
    const { opens } = sweepWindow(system, request);
    const sent = await expectMoves(
      system,
      () => at(opens, () => sendSweep(system, request, [[3n], [0n], [50n]])),
      { aggregator: fee, escrow: -740_549n - fee, ders: payments },
    );
    const shortfalls = packShortfalls([[3n], [0n], [50n]]);
    await expect(sent)
      .to.emit(aria, "FlowSwept")
      .withArgs(request.requestId, FLOW_ROOT, request.escrow - 740_549n - fee, fee, shortfalls);
    await expect(sent).not.to.emit(aria, "PenaltyCapped");
    await expect(sent).not.to.emit(aria, "AgreementSuspended");
    const sweep_ = { shortfallsWh: [[3n], [0n], [50n]], penalties: [0n, 0n, 0n], flowRoot: FLOW_ROOT };
    const commitment = commitmentOf({ ...request, sweep: sweep_ });
    const rest = request.escrow - 740_549n - fee;
    const stored = [commitment, RequestStatus.Swept, request.firstEpoch, 1n, 0n, opens, rest];
    expect([...(await aria.requestOf(request.requestId))]).to.deep.equal(stored);
  });

  it("takes no penalty at exactly the tolerance, and one from the next Wh on", async function () {
    const { request, ...system } = await loadRequest(requested);
    // 5 % of 2,000, 2,001 and 2,002 Wh is 100 Wh each. 2 Wh at 125,483 units, and half of it as the penalty: 125.48.
    const settlement = await expectSweep(system, request, [[100n], [101n], [102n]]);
    expect(settlement.taken).to.deep.equal([0n, 62n, 125n]);
  });

  it("tolerates 10 Wh however little was asked", async function () {
    const system = await loadFixture(threeDers);
    const request = await orderAndRequest(system, rowsFor(system, 3, [100n]));
    const settlement = await expectSweep(system, request, [[10n], [11n], [30n]]);
    expect(settlement.taken).to.deep.equal([0n, 62n, 1_254n]);
  });

  it("pays nothing, and penalises all beyond the tolerance, when nothing came", async function () {
    const { request, ...system } = await loadRequest(requested);
    const settlement = await expectSweep(system, request, [[2_000n], [2_001n], [2_002n]]);
    expect(settlement.payments).to.deep.equal([0n, 0n, 0n]);
    expect(settlement.fee).to.equal(0n);
    expect(settlement.taken).to.deep.equal([117_284n, 118_308n, 119_334n]);
    expect(settlement.escrow).to.equal(request.escrow + 354_926n);
  });

  it("settles several epochs at once, with the tolerance of each", async function () {
    const system = await loadFixture(threeDers);
    // A full word of eight, and three more: the eleven figures end within a word.
    const energyWh = [2_000n, 0n, 1n, 400n, 2_000n, 7n, 2_000n, 2_000n, 1_999n, 0n, 2_000n];
    const request = await orderAndRequest(system, [rowOf(derAt(system, 0), energyWh)]);
    const short = [100n, 0n, 1n, 25n, 0n, 7n, 2_000n, 0n, 110n, 0n, 101n];
    const settlement = await expectSweep(system, request, [short]);
    // Beyond the tolerances: 25 - 20, 2,000 - 100, 110 - 99 and 101 - 100.
    expect(settlement.due).to.deep.equal([rules.penalty(1_917n, 123_457n, RULES.penaltyBps)]);
  });

  it("pays what is too much for an octet", async function () {
    const { request, ...system } = await loadRequest(dear);
    const { payments } = await expectSweep(system, request, nothingMissing(request));
    expect(payments).to.deep.equal(DEAR);
  });

  it("settles the pages of a fleet each on its own", async function () {
    const system = await loadFixture(twentyDers);
    const energy = [2_000n, 1_500n, 900n];
    const rows = rowsFor(system, 20, energy);
    const first = BigInt(await time.latest()) / RULES.epochSeconds + 2n;
    const order = await orderBaseline(system, first, Array<bigint>(3).fill(60_000n));
    const pages = [
      await requestFlow(system, order, first, rows.slice(0, 7)),
      await requestFlow(system, order, first, rows.slice(7, 8)),
      await requestFlow(system, order, first, rows.slice(8)),
    ];
    for (const page of pages.reverse()) {
      const short = page.rows.map(({ account }) => [account * 10n, 0n, account]);
      await expectSweep(system, page, short);
    }
    expect(await system.aria.openRequests()).to.equal(3n);
  });

  it("comes to what the agents compute, for any fleet, run of epochs and delivery", async function () {
    this.timeout(240_000);
    const shape = fc.record({
      rowCount: fc.integer({ min: 1, max: 20 }),
      count: fc.integer({ min: 1, max: 19 }),
      seeds: fc.array(fc.nat({ max: 2_500 }), { minLength: 40, maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(shape, async ({ rowCount, count, seeds }) => {
        const system = await loadFixture(twentyDers);
        const pick = (row: number, epoch: number) => BigInt(seeds[(7 * row + epoch) % seeds.length]!);
        const figures = (row: number) => Array.from({ length: count }, (_, epoch) => pick(row, epoch));
        const request = await orderAndRequest(
          system,
          system.ders.slice(0, rowCount).map((der, row) => rowOf(der, figures(row))),
        );
        expect((await system.aria.requestOf(request.requestId)).commitment).to.equal(rootOf(request));
        const short = request.rows.map(({ energyWh }, row) =>
          energyWh.map((wh, epoch) =>
            pick(row, epoch + 3) % 3n === 0n ? pick(row, epoch + 5) % (wh + 1n) : 0n,
          ),
        );
        await expectSweep(system, request, short);
      }),
      { numRuns: 25, seed: 20_260_620 },
    );
  });

  it("is done once (I4)", async function () {
    const { request, ...system } = await loadRequest(requested);
    await sweep(system, request, nothingMissing(request));
    const status = [RequestStatus.Requested, RequestStatus.Swept];
    const call = sendSweep(system, request, nothingMissing(request));
    await refused(call, system.aria, "WrongRequestStatus", request.requestId, ...status);
    const unknown = sendSweep(system, { ...request, requestId: 2n }, nothingMissing(request));
    await refused(
      unknown,
      system.aria,
      "WrongRequestStatus",
      2n,
      RequestStatus.Requested,
      RequestStatus.None,
    );
  });

  it("is done from the end of the last epoch to the last second of its window", async function () {
    const { request, ...system } = await loadRequest(requested);
    const { opens, closes } = sweepWindow(system, request);
    expect(closes - opens).to.equal(3_600n);
    const send = () => sendSweep(system, request, nothingMissing(request));
    await refused(at(opens - 1n, send), system.aria, "EpochNotOver", opens, opens - 1n);
    await refused(at(closes + 1n, send), system.aria, "SweepWindowOver", closes, closes + 1n);
    await loadRequest(requested);
    await at(closes, send);
  });

  it("is of the rows requested, and of no others (I13)", async function () {
    const { request, ...system } = await loadRequest(requested);
    await toSweepWindow(system, request);
    const other = (rows: Request["rows"]) => ({ ...request, rows });
    for (const rows of [
      request.rows.slice(0, 2),
      request.rows.map((row, i) => (i === 1 ? { ...row, energyWh: [2_000n] } : row)),
      request.rows.map((row, i) => (i === 1 ? { ...row, price: row.price + 1n } : row)),
    ]) {
      await refused(
        sendSweep(system, other(rows), nothingMissing(other(rows))),
        system.aria,
        "RequestMismatch",
        rootOf(request),
        rootOf(other(rows)),
      );
    }
  });

  it("is of the rows in the order of the request: leaves that changed places have its root as well (I13)", async function () {
    const day = await loadFixture(threeDers);
    const rows = [0, 1].map((i) => rowOf(derAt(day, i), Array<bigint>(17).fill(1_000n))); // a leaf each
    const long = await orderAndRequest(day, rows);
    await toSweepWindow(day, long);
    const turned = { ...long, rows: rows.toReversed() };
    expect(rootOf(turned)).to.equal(rootOf(long));
    const accounts = [rows[1]!.account, rows[0]!.account];
    const sent = sendSweep(day, turned, [rows[0]!.energyWh.map(() => 0n), rows[0]!.energyWh]);
    await refused(sent, day.aria, "RowsOutOfOrder", ...accounts);

    const twice = { ...long, rows: [rows[0]!, rows[0]!] };
    const same = [rows[0]!.account, rows[0]!.account];
    await refused(sendSweep(day, twice, nothingMissing(twice)), day.aria, "RowsOutOfOrder", ...same);

    const fleet = await loadFixture(fleetOfTwoLeaves);
    const short = await orderAndRequest(fleet, rowsFor(fleet, 64, [1_000n]));
    await toSweepWindow(fleet, short);
    const leaves = [short.rows.slice(32), short.rows.slice(0, 32)];
    const other = { ...short, rows: leaves.flat() };
    expect(rootOf(other)).to.equal(rootOf(short));
    const edge = [leaves[0]![0]!.account, leaves[1]![0]!.account];
    await refused(sendSweep(fleet, other, nothingMissing(other)), fleet.aria, "RowsOutOfOrder", ...edge);
    await expectSweep(fleet, short, nothingMissing(short));
  });

  it("has as many shortfalls as there are figures", async function () {
    const { request, ...system } = await loadRequest(requested);
    const { aria } = system;
    await toSweepWindow(system, request);
    await refused(sendSweep(system, request, [[0n], [0n]]), aria, "MalformedBytes", 12n, 8n);
    await refused(sendSweep(system, request, [[0n], [0n], [0n, 0n]]), aria, "MalformedBytes", 12n, 16n);
    const cut = aria
      .connect(system.aggregator)
      .sweepEpoch(request.requestId, packRows(request.rows).slice(0, -2), "0x", FLOW_ROOT);
    await refused(cut, aria, "MalformedBytes", 16n, 47n);
    const empty = aria.connect(system.aggregator).sweepEpoch(request.requestId, "0x", "0x", FLOW_ROOT);
    await refused(empty, aria, "EmptyRequest");
  });

  it("reports no more missing than was asked", async function () {
    const system = await loadFixture(threeDers);
    const energyWh = Array.from({ length: 10 }, (_, i) => BigInt(i));
    const request = await orderAndRequest(system, rowsFor(system, 2, energyWh));
    await toSweepWindow(system, request);
    for (let epoch = 0; epoch < 10; ++epoch) {
      const short = nothingMissing(request);
      short[1] = request.rows[1]!.energyWh.map((wh, i) => (i < epoch ? wh : 0n)); // all of it may be missing
      short[1][epoch] = BigInt(epoch) + 2n;
      await refused(
        sendSweep(system, request, short),
        system.aria,
        "ShortfallExceedsRequest",
        derAt(system, 1).account,
        BigInt(epoch),
        BigInt(epoch) + 1n,
        BigInt(epoch) + 2n,
      );
    }
  });

  it("of several epochs takes nothing for a row that stands behind the last one", async function () {
    const system = await loadFixture(threeDers);
    const request = await orderAndRequest(system, rowsFor(system, 2, [1_000n, 1_500n]));
    await toSweepWindow(system, request);
    const { aria, aggregator, vault } = system;
    const short = nothingMissing(request);
    const rows = packRows(request.rows);
    const clean = aria.interface.encodeFunctionData("sweepEpoch", [
      request.requestId,
      rows,
      packShortfalls(short),
      FLOW_ROOT,
    ]);
    // What fills up the last word is zero, but nobody makes sure of it: here it is one row more.
    const third = packRows([rowOf(derAt(system, 2), [1_000n, 1_500n])]).slice(2);
    const dirty = clean.replace(`${rows.slice(2)}${"0".repeat(third.length)}`, `${rows.slice(2)}${third}`);
    expect(dirty).not.to.equal(clean);
    const before = await allBalances(vault);
    const { payments } = settlementOf(system, request, short, before);
    await aggregator.sendTransaction({ to: aria, data: dirty });
    const after = await allBalances(vault);
    const gains = system.ders.map(({ account }) => (after.get(account) ?? 0n) - (before.get(account) ?? 0n));
    expect(gains).to.deep.equal([...payments, 0n]);
  });

  it("is the Aggregator's alone", async function () {
    const { request, aria, ...system } = await loadRequest(requested);
    const role = await aria.AGGREGATOR_ROLE();
    for (const caller of [system.operator, system.stranger, derAt({ aria, ...system }, 0).signer]) {
      const call = aria.connect(caller).sweepEpoch(request.requestId, "0x", "0x", FLOW_ROOT);
      await refused(call, aria, "AccessControlUnauthorizedAccount", caller.address, role);
    }
  });
});

describe("A sweep of a single epoch, which settles eight accounts of a word at a time,", function () {
  /** Accounts 4 to 7, 8 to 15 and 16 to 23: a word in the middle has all of its eight. */
  async function threeWords(): Promise<System & { request: Request }> {
    const system = await twentyDers();
    const rows = system.ders.map((der, i) => rowOf(der, [1_500n + 37n * BigInt(i)]));
    return { ...system, request: await orderAndRequest(system, rows) };
  }

  /** Accounts 8 to 14: all of a word but the last. */
  async function sevenOfAWord(): Promise<System & { request: Request }> {
    const system = await twentyDers();
    const rows = system.ders.slice(4, 11).map((der) => rowOf(der, [1_500n]));
    return { ...system, request: await orderAndRequest(system, rows) };
  }

  it("comes to the same where there are fewer, whatever is missing of each", async function () {
    for (const shortOf of [
      () => 0n,
      (i: number) => BigInt(i),
      (i: number) => BigInt((i % 5) * 60),
      () => 1_500n,
    ]) {
      const { request, ...system } = await loadRequest(threeWords);
      const { due } = await expectSweep(
        system,
        request,
        request.rows.map((_, i) => [shortOf(i)]),
      );
      expect(due.some((units) => units > 0n)).to.equal(shortOf(4) >= 150n);
    }
  });

  it("takes nothing before the rows for one of them", async function () {
    const system = await loadFixture(twentyDers);
    // Accounts 5 to 7, then 8 to 14, and 16 where 15 would complete a word.
    const ders = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14].map((index) => derAt(system, index));
    const request = await orderAndRequest(
      system,
      ders.map((der) => rowOf(der, [1_500n])),
    );
    const flowRoot = `0x0000000f${"00".repeat(28)}`; // it precedes the rows, and begins like the row of account 15
    await expectSweep(system, request, nothingMissing(request), flowRoot);
  });

  it("takes nothing for a row or a shortfall that stands behind the last one", async function () {
    const { request, ...system } = await loadRequest(sevenOfAWord);
    await toSweepWindow(system, request);
    const { aria, aggregator, vault } = system;
    const shortfalls = packShortfalls(request.rows.map(() => [3n]));
    const clean = aria.interface.encodeFunctionData("sweepEpoch", [
      request.requestId,
      packRows(request.rows),
      shortfalls,
      FLOW_ROOT,
    ]);
    // What fills up the last word of each list is zero, but nobody makes sure of it: here it is one row and shortfall more.
    const eighth = packRows([rowOf(derAt(system, 11), [1_500n])]).slice(2);
    const rowsPadded = `${packRows(request.rows).slice(2)}${"0".repeat(eighth.length)}`;
    const shortPadded = `${shortfalls.slice(2)}${"0".repeat(8)}`;
    const dirty = clean
      .replace(rowsPadded, `${packRows(request.rows).slice(2)}${eighth}`)
      .replace(shortPadded, `${shortfalls.slice(2)}${"0".repeat(5)}5dc`);
    expect(dirty).not.to.equal(clean);
    const settlement = settlementOf(
      system,
      request,
      request.rows.map(() => [3n]),
      await allBalances(vault),
    );
    const before = await allBalances(vault);
    await aggregator.sendTransaction({ to: aria, data: dirty });
    const after = await allBalances(vault);
    request.rows.forEach(({ account }, i) => {
      expect((after.get(account) ?? 0n) - (before.get(account) ?? 0n)).to.equal(settlement.payments[i]);
    });
    expect(after.get(derAt(system, 11).account)).to.equal(before.get(derAt(system, 11).account));
  });
});
