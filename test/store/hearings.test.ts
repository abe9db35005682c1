import { expect } from "chai";
import fc from "fast-check";

import { FieldError } from "../../agents/metering/reading.ts";
import { ConflictError, type StoredHearing } from "../../agents/store/store.ts";
import { describeEachStore, type Stage } from "./each-store.ts";
import { ARIA, hash, hearingOf, OTHER_ARIA, rejection } from "./stage.ts";

describeEachStore("hearings", function (newStage) {
  let stage: Stage;

  beforeEach(async function () {
    stage = await newStage();
  });

  afterEach(async function () {
    await stage.remove();
  });

  it("are kept, and may be saved again", async function () {
    const hearing = hearingOf(7n);
    expect(await stage.store.hearingOf(ARIA, 7n)).to.equal(undefined);
    await stage.store.saveHearing(hearing);
    await stage.store.saveHearing(hearing);
    await stage.reopen();
    await stage.store.saveHearing(hearing);
    expect(await stage.store.hearingOf(ARIA, 7n)).to.deep.equal(hearing);
    expect(await stage.store.hearings(ARIA)).to.deep.equal([hearing]);
  });

  it("keep evidence byte for byte, whatever it is, and tell empty from none", async function () {
    const text = fc.option(
      fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("", "\0", "a\0b", "\ufeff{}")),
      {
        nil: undefined,
      },
    );
    const hearings = fc.record({
      der: text,
      aggregator: text,
      feeder: text,
      verdict: fc.json(),
      disputeId: fc.bigInt(0n, 2n ** 64n - 1n),
      heardAt: fc.maxSafeNat(),
    });
    await fc.assert(
      fc.asyncProperty(hearings, async (values) => {
        const memory = await stage.fresh();
        const hearing = { ...hearingOf(1n), ...values };
        await memory.saveHearing(hearing);
        await memory.saveHearing(hearing);
        expect(await memory.hearingOf(ARIA, hearing.disputeId)).to.deep.equal(hearing);
        await memory.close();
      }),
    );
  });

  it("are one for each contract and dispute", async function () {
    const hearings = [hearingOf(1n), hearingOf(2n), { ...hearingOf(1n), aria: OTHER_ARIA, der: "{}" }];
    for (const each of hearings) await stage.store.saveHearing(each);
    for (const each of hearings)
      expect(await stage.store.hearingOf(each.aria, each.disputeId)).to.deep.equal(each);
    expect(await stage.store.hearings(ARIA)).to.deep.equal(hearings.slice(0, 2));
    expect(await stage.store.hearings(OTHER_ARIA)).to.deep.equal(hearings.slice(2));
  });

  it("come oldest first, those of one second by the dispute's number", async function () {
    const first = { ...hearingOf(2n ** 64n - 1n), evidenceHash: hash(1), heardAt: 10 };
    const rest = [2n, 9n, 256n, 2n ** 63n].map((disputeId) => ({
      ...hearingOf(disputeId),
      evidenceHash: hash(1),
      heardAt: 20,
    }));
    for (const each of [...rest.toReversed(), first]) await stage.store.saveHearing(each);
    expect(await stage.store.hearings(ARIA)).to.deep.equal([first, ...rest]);
  });

  const changes: [keyof StoredHearing, Partial<StoredHearing>, string, string][] = [
    ["evidenceHash", { evidenceHash: hash(8), der: "{}" }, hash(7), hash(8)],
    ["verdict", { verdict: "{}" }, '{"fault":"aggregator"}', "{}"],
    ["heardAt", { heardAt: 1_008 }, "1007", "1008"],
    ["der", { der: undefined }, '{"dispute":"7"}', "nothing"],
    ["aggregator", { aggregator: "" }, "nothing", ""],
    ["feeder", { feeder: "{}" }, "x".repeat(10_000), "{}"],
  ];
  for (const [field, change, expected, received] of changes) {
    it(`refuse a second one of another ${field}`, async function () {
      await stage.store.saveHearing(hearingOf(7n));
      const error = await rejection(stage.store.saveHearing({ ...hearingOf(7n), ...change }), ConflictError);
      expect(error).to.include({ expected, received });
      expect(error.message).to.match(new RegExp(`^${field} of the hearing of dispute 7 of ${ARIA}: `));
      expect(await stage.store.hearings(ARIA)).to.deep.equal([hearingOf(7n)]);
    });
  }

  const malformed: [string, Partial<StoredHearing>][] = [
    ["disputeId", { disputeId: -1n }],
    ["disputeId", { disputeId: 2n ** 64n }],
    ["evidenceHash", { evidenceHash: "0x12" }],
    ["evidenceHash", { evidenceHash: hash(10).toUpperCase().replace("0X", "0x") }],
    ["heardAt", { heardAt: 0.5 }],
    ["heardAt", { heardAt: -1 }],
    ["der", { der: "\ud800" }],
    ["aggregator", { aggregator: "{}\udc00" }],
    ["feeder", { feeder: "\udc00\ud800" }],
    ["address", { aria: ARIA.toLowerCase() }],
  ];
  for (const [field, change] of malformed) {
    it(`refuse ${JSON.stringify(Object.values(change).map(String))} as ${field}`, async function () {
      const hearing = { ...hearingOf(7n), ...change };
      const error = await rejection(stage.store.saveHearing(hearing), FieldError);
      expect(error).to.include({ field });
      expect(await stage.store.hearings(ARIA)).to.deep.equal([]);
    });
  }
});
