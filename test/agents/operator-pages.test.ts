import { expect } from "chai";

import { COMMISSIONINGS_PER_PAGE, RELEASES_PER_PAGE } from "../../agents/operator/decide.ts";
import { deploy, type Der, derAt, join, newDer, time } from "../contracts/fixture.ts";
import { orderBaseline, type Request, requestFlow, rowOf, sweepWindow } from "../contracts/settling.ts";

/** What a transaction may use, by EIP-7825. */
const GAS_CAP = 16_777_216n;

describe("A page of what the Operator sends stands well under what a transaction may use:", function () {
  this.timeout(120_000);

  it("commissionings", async function () {
    const system = await deploy({ criteria: { maxProspective: BigInt(COMMISSIONINGS_PER_PAGE) } });
    const waiting: Der[] = [];
    for (let index = 0; index < COMMISSIONINGS_PER_PAGE; index += 1) {
      waiting.push(await newDer(7_000 + index));
      await join(system, waiting.at(-1)!);
    }
    const page = waiting.map(({ signer, meter }) => ({ der: signer.address, meter: meter.address }));
    const gas = await system.aria.connect(system.operator).commission.estimateGas(page);
    expect(gas < GAS_CAP / 2n, `${gas} gas`).to.be.true;
  });

  it("releases", async function () {
    const system = await deploy({ derCount: 1 });
    const first = (await system.aria.currentEpoch()) + 2n;
    const order = await orderBaseline(system, first, Array<bigint>(RELEASES_PER_PAGE).fill(1_000n));
    const row = rowOf(derAt(system, 0), [1_000n]);
    let last: Request | undefined;
    for (let i = 0; i < RELEASES_PER_PAGE; i += 1)
      last = await requestFlow(system, order, first + BigInt(i), [row]);
    await time.increaseTo(sweepWindow(system, last!).closes + system.rules.disputeWindowSeconds + 1n);
    const page = Array.from({ length: RELEASES_PER_PAGE }, (_, i) => i + 1);
    const gas = await system.aria.releaseEscrow.estimateGas(page);
    expect(gas < GAS_CAP / 2n, `${gas} gas`).to.be.true;
  });
});
