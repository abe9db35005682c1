import { expect } from "chai";

import type { Agreement } from "../../agents/chain/service-view.ts";
import { claimOf, dersOf } from "../../agents/chain/witness.ts";
import { agreement, dispute, flowRequest, METER, service, sweepAt } from "../agents/situations.ts";

function waiting(change: Partial<Agreement>): Agreement {
  const each = agreement({ ...change, status: "prospective" });
  delete each.since;
  return each;
}

describe("What is known of a dispute from the chain", function () {
  it("counts who left, and who joined again, among the DERs of the epochs that they had a meter for", function () {
    const meters = [{ key: METER, fromEpoch: 90 }];
    const [active, closed, again, never] = [
      agreement({ account: 8n, der: "active", meters }),
      agreement({ account: 7n, der: "left", status: "closed", until: 95, meters }),
      waiting({ account: 6n, der: "waits again", meters }),
      waiting({ account: 5n, der: "waits" }),
    ];
    const books = service({ agreements: [active, closed, again, never] });
    const ders = [
      { account: 6n, der: "waits again", meter: METER },
      { account: 7n, der: "left", meter: METER },
      { account: 8n, der: "active", meter: METER },
    ];
    expect(dersOf(books, 90)).to.deep.equal(ders);
    expect(dersOf(books, 89)).to.deep.equal([]);
    const later = service({ agreements: [{ ...again, status: "active", since: 200 }] });
    expect(dersOf(later, 90)).to.deep.equal(ders.slice(0, 1));
  });

  it("takes a claim's power from the request, whatever its DER joined with since", function () {
    const request = flowRequest(100, { sweep: sweepAt(0, 500n) });
    const books = service({ agreements: [agreement({ powerW: 5_000n })], requests: [request] });
    const claim = claimOf(dispute(0), books.view.entryOf(5n, 100)!, books);
    expect(claim).to.include({ powerW: 10_000n, requestedWh: 2_000n, creditedWh: 1_500n, claimWh: 1_000n });
  });
});
