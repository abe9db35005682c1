import { expect } from "chai";

import { neededFrom } from "../../agents/chain/retention.ts";
import { EPOCH_SECONDS, flowRequest, service, sweepAt, TERMS } from "./situations.ts";

const DAY = 86_400;
const START = 100 * EPOCH_SECONDS;
const { sweepWindowSeconds, disputeWindowSeconds, rulingWindowSeconds } = TERMS.rules;

describe("What must be kept", function () {
  const sweptAt = START + EPOCH_SECONDS + 60;
  const sweep = sweepAt(sweptAt, 0n);
  /** When a request of epoch 100, swept so, is over for everybody. */
  const over = sweptAt + disputeWindowSeconds + 2 * rulingWindowSeconds + 1;

  it("is what is not older than the retention, from the start of an epoch", function () {
    const now = START + 10 * DAY + 5;
    expect(neededFrom([service({})], now, DAY)).to.equal(START + 9 * DAY);
  });

  it("is all since a request that is not settled for good, however old it is", function () {
    const one = service({ requests: [flowRequest(100, { sweep })] });
    expect(neededFrom([one], over - 1, 0)).to.equal(START);
    expect(neededFrom([one], over, 0)).to.be.above(START + EPOCH_SECONDS);
  });

  it("is all since a request that was never swept, until nobody can dispute it", function () {
    const one = service({ requests: [flowRequest(100)] });
    const lapses =
      START + EPOCH_SECONDS + sweepWindowSeconds + 1 + disputeWindowSeconds + 2 * rulingWindowSeconds;
    expect(neededFrom([one], lapses, 0)).to.equal(START);
    expect(neededFrom([one], lapses + 1, 0)).to.be.above(START + EPOCH_SECONDS);
  });

  it("is all since a disputed epoch while the dispute is open, under any service", function () {
    const disputed = service({ requests: [flowRequest(100, { sweep, openDisputes: 1 })] });
    const now = START + 1_000 * DAY;
    expect(neededFrom([disputed, service({})], now, DAY)).to.equal(START);
    const ruled = service({ requests: [flowRequest(100, { sweep, openDisputes: 0 })] });
    expect(neededFrom([ruled, service({})], now, DAY)).to.equal(START + 999 * DAY);
  });
});
