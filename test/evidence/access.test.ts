import { expect } from "chai";

import {
  accessOf,
  covers,
  type Disputed,
  disputedIn,
  type Holder,
  NO_ACCESS,
  type Requester,
  requesterAs,
} from "../../agents/evidence/access.ts";

const OPERATOR = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359";
const DER = "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB";
const STRANGER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

describe("Access to evidence", function () {
  // whose server, requester, dispute of the epoch, and whether it gets the evidence and the statement
  const TABLE: [Holder, Requester, Disputed, boolean, boolean][] = [
    ["der", "operator", "own", true, true],
    ["der", "operator", "other", false, true],
    ["der", "operator", "none", false, false],
    ["der", "der", "own", true, true],
    ["der", "der", "other", true, true],
    ["der", "der", "none", true, true],
    ["der", "other", "own", false, false],
    ["der", "other", "other", false, false],
    ["der", "other", "none", false, false],
    ["aggregator", "operator", "own", true, true],
    ["aggregator", "operator", "other", true, true],
    ["aggregator", "operator", "none", true, true],
    ["aggregator", "der", "own", true, true],
    ["aggregator", "der", "other", true, true],
    ["aggregator", "der", "none", true, true],
    ["aggregator", "other", "own", false, false],
    ["aggregator", "other", "other", false, false],
    ["aggregator", "other", "none", false, false],
  ];
  for (const [holder, requester, disputed, evidence, statement] of TABLE) {
    it(`at the ${holder}'s of ${requester}, where the dispute is ${disputed}`, function () {
      const access = accessOf(holder, requester, disputed);
      expect(access.requester).to.equal(requester);
      expect(covers(access, "evidence"), "evidence").to.equal(evidence);
      expect(covers(access, "statement"), "statement").to.equal(statement);
    });
  }

  it("is none for nobody in particular", function () {
    expect(covers(NO_ACCESS, "evidence") || covers(NO_ACCESS, "statement")).to.be.false;
    expect(NO_ACCESS.requester).to.equal("other");
  });

  it("tells requesters apart by their address", function () {
    const parties = { operator: OPERATOR, der: DER };
    expect(requesterAs(OPERATOR, parties)).to.equal("operator");
    expect(requesterAs(DER, parties)).to.equal("der");
    expect(requesterAs(STRANGER, parties)).to.equal("other");
    expect(requesterAs("", parties)).to.equal("other");
  });

  describe("goes by the disputes of the epoch:", function () {
    const [own, neighbour] = [5n, 6n];
    const subject = { account: own, epoch: 100 };
    const dispute = (
      account: bigint,
      epoch: number,
      status: "open" | "ruled" | "defaulted",
    ): { account: bigint; epoch: number; status: string } => ({ account, epoch, status });
    const cases: Record<string, [Disputed, ReturnType<typeof dispute>[]]> = {
      "there is none": ["none", []],
      "own, open": ["own", [dispute(own, 100, "open")]],
      "own, ruled": ["own", [dispute(own, 100, "ruled")]],
      "own, defaulted": ["own", [dispute(own, 100, "defaulted")]],
      "own, of another epoch": ["none", [dispute(own, 99, "open")]],
      "a neighbour's, open": ["other", [dispute(neighbour, 100, "open")]],
      "a neighbour's, ruled": ["none", [dispute(neighbour, 100, "ruled")]],
      "a neighbour's, defaulted": ["none", [dispute(neighbour, 100, "defaulted")]],
      "a neighbour's, of another epoch": ["none", [dispute(neighbour, 101, "open")]],
      "both, own last": ["own", [dispute(neighbour, 100, "open"), dispute(own, 100, "ruled")]],
      "both, own first": ["own", [dispute(own, 100, "open"), dispute(neighbour, 100, "open")]],
      "neighbours', one still open": ["other", [dispute(neighbour, 100, "open"), dispute(7n, 100, "ruled")]],
    };
    for (const [what, [disputed, disputes]] of Object.entries(cases)) {
      it(what, function () {
        expect(disputedIn(disputes, subject)).to.equal(disputed);
      });
    }
  });
});
