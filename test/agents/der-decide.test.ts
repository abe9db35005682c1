import { expect } from "chai";
import fc from "fast-check";

import type { Entry } from "../../agents/chain/service-view.ts";
import {
  decide,
  disputeDeadline,
  type DerSituation,
  shortChangedWh,
  type Wishes,
} from "../../agents/der/decide.ts";
import { agreement, dispute, EPOCH_SECONDS, flowRequest, TERMS } from "./situations.ts";

const WISHES: Wishes = { powerW: 10_000n, price: 30_000n, leaveAtEpoch: undefined };
const LEAVING: Wishes = { ...WISHES, leaveAtEpoch: 100 };

/** A DER with an agreement in force, all in order, in epoch 100. */
const SITUATION: DerSituation = {
  now: 100 * EPOCH_SECONDS,
  epoch: 100,
  terms: TERMS,
  agreement: agreement(),
  balance: 1_050_000n,
  locked: 1_000_000n,
  purse: 1_000_000n,
  retiring: false,
  paused: false,
  refused: false,
  settled: [],
  openDisputes: [],
};

const NEWCOMER: DerSituation = { ...SITUATION, agreement: undefined, balance: 0n, locked: 0n };

function entry(requestedWh: bigint, creditedWh?: bigint): Entry {
  const request = flowRequest(99);
  return {
    request,
    price: 30_000n,
    powerW: 10_000n,
    requestedWh,
    ...(creditedWh === undefined ? {} : { creditedWh }),
  };
}

describe("A DER decides", function () {
  it("to do nothing while all is in order", function () {
    expect(decide(WISHES, SITUATION)).to.deep.equal([]);
  });

  describe("to join", function () {
    it("with the deposit for its power, and a bond to dispute with", function () {
      expect(decide(WISHES, NEWCOMER)).to.deep.equal([
        { kind: "join", powerW: 10_000n, price: 30_000n, depositShort: 1_050_000n },
      ]);
    });

    it("with no more than is missing in its account", function () {
      const short = (balance: bigint): unknown => decide(WISHES, { ...NEWCOMER, balance })[0];
      expect(short(1_000_000n)).to.include({ depositShort: 50_000n });
      expect(short(1_050_000n)).to.include({ depositShort: 0n });
      expect(short(9_000_000n)).to.include({ depositShort: 0n });
    });

    it("once: not with an agreement in any state", function () {
      for (const status of ["prospective", "active", "leaving", "closed"] as const) {
        expect(decide(WISHES, { ...SITUATION, agreement: agreement({ status }) }), status).to.deep.equal([]);
      }
    });

    it("not an ARIA that retires, nor one that refused it", function () {
      expect(decide(WISHES, { ...NEWCOMER, retiring: true })).to.deep.equal([]);
      expect(decide(WISHES, { ...NEWCOMER, paused: true })).to.deep.equal([]);
      expect(decide(WISHES, { ...NEWCOMER, refused: true })).to.deep.equal([]);
    });

    it("only if it wants to stay beyond this epoch", function () {
      expect(decide({ ...WISHES, leaveAtEpoch: 101 }, NEWCOMER)[0]).to.include({ kind: "join" });
      expect(decide(LEAVING, NEWCOMER)).to.deep.equal([]);
    });
  });

  describe("to leave", function () {
    it("from the epoch on that its owner named", function () {
      expect(decide({ ...WISHES, leaveAtEpoch: 101 }, SITUATION)).to.deep.equal([]);
      expect(decide(LEAVING, SITUATION)).to.deep.equal([{ kind: "leave" }]);
      expect(decide(LEAVING, { ...SITUATION, epoch: 150 })).to.deep.equal([{ kind: "leave" }]);
    });

    it("even before it was commissioned", function () {
      const prospective = agreement({ status: "prospective" });
      expect(decide(LEAVING, { ...SITUATION, agreement: prospective })).to.deep.equal([{ kind: "leave" }]);
    });

    it("then to close, once nothing requested of it can be swept any more", function () {
      const leaving = agreement({ status: "leaving", until: 102 });
      const closes = 102 * EPOCH_SECONDS + 900;
      expect(decide(LEAVING, { ...SITUATION, agreement: leaving, now: closes })).to.deep.equal([]);
      expect(decide(LEAVING, { ...SITUATION, agreement: leaving, now: closes + 1 })).to.deep.equal([
        { kind: "close" },
      ]);
    });

    it("then to withdraw all that is free", function () {
      const closed = agreement({ status: "closed" });
      const rest = { ...SITUATION, agreement: closed, locked: 0n };
      expect(decide(LEAVING, { ...rest, balance: 123n })).to.deep.equal([{ kind: "withdraw", amount: 123n }]);
      expect(decide(LEAVING, { ...rest, balance: 0n })).to.deep.equal([]);
    });
  });

  describe("to dispute", function () {
    const until = SITUATION.now + 100;
    const shorted = { epoch: 99, entry: entry(2_000n, 600n), measuredWh: 2_000n, until };

    it("by the end of the first dispute window", function () {
      expect(disputeDeadline([])).to.be.undefined;
      expect(disputeDeadline([{ ...shorted, until: until + 1 }, shorted])).to.equal(until);
    });

    it("an epoch in which it was credited too little", function () {
      expect(decide(WISHES, { ...SITUATION, settled: [shorted] })).to.deep.equal([
        { kind: "dispute", epoch: 99, entry: shorted.entry, bondShort: 0n },
      ]);
    });

    it("an epoch that was never swept", function () {
      const unswept = { epoch: 99, entry: entry(2_000n), measuredWh: 1_500n, until };
      expect(decide(WISHES, { ...SITUATION, settled: [unswept] })).to.deep.equal([
        { kind: "dispute", epoch: 99, entry: unswept.entry, bondShort: 0n },
      ]);
    });

    it("nothing that differs by no more than the tolerance", function () {
      const claims = (creditedWh: bigint, measuredWh = 2_000n): number =>
        decide(WISHES, {
          ...SITUATION,
          settled: [{ epoch: 99, entry: entry(2_000n, creditedWh), measuredWh, until }],
        }).length;
      expect(claims(1_960n)).to.equal(0); // 2 % of 2000 Wh
      expect(claims(1_959n)).to.equal(1);
      expect(claims(2_000n, 9_999n)).to.equal(0); // more than was asked for
      expect(claims(1_500n, 1_000n)).to.equal(0); // credited more than it fed
    });

    /** The deposits that come before the disputes of three epochs, as many as are raised. */
    function depositsFor(situation: Partial<DerSituation>): bigint[] {
      const settled = [97, 98, 99].map((epoch) => ({ ...shorted, epoch }));
      return decide(WISHES, { ...SITUATION, settled, ...situation }).flatMap((intent) =>
        intent.kind === "dispute" ? [intent.bondShort] : [],
      );
    }

    it("with a bond each, of which it deposits what is not free in its account", function () {
      expect(depositsFor({ balance: 1_150_000n })).to.deep.equal([0n, 0n, 0n]);
      expect(depositsFor({ balance: 1_149_999n })).to.deep.equal([0n, 0n, 1n]);
      expect(depositsFor({})).to.deep.equal([0n, 50_000n, 50_000n]);
      expect(depositsFor({ balance: 1_000_000n })).to.deep.equal([50_000n, 50_000n, 50_000n]);
    });

    it("after its deposit is whole again, where a penalty was taken from it", function () {
      expect(depositsFor({ balance: 990_000n })).to.deep.equal([60_000n, 50_000n, 50_000n]);
    });

    it("as many epochs as it can pay a bond for", function () {
      expect(depositsFor({ purse: 0n })).to.deep.equal([0n]);
      expect(depositsFor({ purse: 99_999n })).to.deep.equal([0n, 50_000n]);
      expect(depositsFor({ balance: 990_000n, purse: 59_999n })).to.deep.equal([]);
      const terms = { ...TERMS, rules: { ...TERMS.rules, disputeBond: 0n } };
      expect(depositsFor({ balance: 0n, purse: 0n, terms })).to.deep.equal([0n, 0n, 0n]);
    });

    it("before anything else", function () {
      const kinds = decide(LEAVING, { ...SITUATION, settled: [shorted] }).map(({ kind }) => kind);
      expect(kinds).to.deep.equal(["dispute", "leave"]);
    });
  });

  it("to have a claim paid by default when nobody ruled on it in time", function () {
    const raisedAt = 90_000;
    const open = dispute(raisedAt);
    const at = (now: number): unknown => decide(WISHES, { ...SITUATION, openDisputes: [open], now });
    expect(at(raisedAt + 1_800)).to.deep.equal([]);
    expect(at(raisedAt + 1_801)).to.deep.equal([{ kind: "settleByDefault", disputeId: open.id }]);
  });
});

describe("What a DER was short-changed", function () {
  const wh = fc.bigInt({ min: 0n, max: 100_000n });

  it("is what it fed and was asked for, less the credit", function () {
    expect(shortChangedWh(entry(2_000n, 500n), 1_800n, TERMS)).to.equal(1_300n);
    expect(shortChangedWh(entry(2_000n, 500n), 2_500n, TERMS)).to.equal(1_500n);
    expect(shortChangedWh(entry(2_000n), 1_800n, TERMS)).to.equal(1_800n);
    expect(shortChangedWh(entry(100n, 90n), 100n, TERMS)).to.equal(0n); // the floor of the tolerance
    expect(shortChangedWh(entry(100n, 89n), 100n, TERMS)).to.equal(11n);
  });

  it("is never negative, nor more than was asked for and not credited", function () {
    fc.assert(
      fc.property(wh, wh, wh, (requested, credited, measured) => {
        const creditedWh = credited < requested ? credited : requested;
        const claim = shortChangedWh(entry(requested, creditedWh), measured, TERMS);
        expect(claim >= 0n && claim <= requested - creditedWh).to.be.true;
      }),
    );
  });
});
