import { expect } from "chai";

import type { Bundle } from "../../agents/evidence/format.ts";
import { partsAt, viewOf } from "../../agents/pof/case.ts";
import { chartOf } from "../../agents/pof/chart.ts";

const EPOCH = 1_000;
const START = EPOCH * 900;
const CLAIM = { meterToleranceBps: 100n, toleranceFloorWh: 10n };

/** A bundle as far as it is drawn: registers by the time of their block, seconds from the epoch's start. */
function bundle(
  role: Bundle["role"],
  registers: Readonly<Record<number, bigint>>,
  more: object = {},
): Bundle {
  const times = Object.keys(registers)
    .map(Number)
    .sort((a, b) => a - b);
  const blocks = times.map((at, number) => ({ number, hash: "0x", timestamp: START + at, header: null }));
  const all = times.map((at, block) => ({
    sequence: block,
    registerWh: registers[at],
    powerW: 0n,
    block,
    digest: "0x",
  }));
  const before = times[0]! < 0 ? all.shift() : null;
  const statement = { der: "0xder", epoch: EPOCH, energyWh: 0n };
  const common = {
    role,
    epochSeconds: 900,
    chainId: 1n,
    aria: "0xaria",
    meter: "0xmeter",
    previousDigest: "0x",
  };
  return {
    ...common,
    statement,
    before,
    readings: all,
    blocks,
    claim: CLAIM,
    leaves: null,
    ...more,
  } as unknown as Bundle;
}

describe("A case that is drawn", function () {
  it("compares the meters at blocks that both were read at, whatever they missed in between", function () {
    const der = bundle("der", { [-5]: 1_000n, 100: 1_100n, 200: 1_200n, 300: 1_300n });
    const aggregator = bundle("aggregator", { [-5]: 0n, 200: 195n, 300: 250n });
    const { intervals, parting } = viewOf([aggregator, der]);
    expect(
      intervals.map(({ wh, differenceWh, apartWh }) => [wh.der, wh.aggregator, differenceWh, apartWh]),
    ).to.deep.equal([
      [100n, undefined, undefined, undefined],
      [100n, 195n, 5n, 5n],
      [100n, 55n, 45n, 50n],
    ]);
    expect(intervals.map(partsAt)).to.deep.equal([false, false, true]);
    expect(parting?.to).to.equal(START + 300);
  });

  it("has the tolerance of the rules, and none without a claim", function () {
    const registers = { [-5]: 0n, 100: 5_000n };
    const aggregator = bundle("aggregator", { [-5]: 0n, 100: 4_950n });
    const apart = viewOf([bundle("der", registers), aggregator]);
    expect(apart.intervals[0]).to.include({ apartWh: 50n, toleratedWh: 49n });
    const unclaimed = viewOf([bundle("der", registers, { claim: null }), aggregator]);
    expect(unclaimed.intervals[0]?.toleratedWh).to.be.undefined;
    expect(unclaimed.parting).to.be.undefined;
  });

  it("counts a meter whose chain begins in the epoch from zero", function () {
    const { intervals } = viewOf([bundle("der", { 10: 4n, 100: 90n })]);
    expect(intervals.map(({ wh }) => wh.der)).to.deep.equal([86n]);
  });

  it("takes several readings of one block for its last", function () {
    const twice = bundle("der", { [-5]: 0n, 100: 50n });
    const [only] = twice.readings;
    const { points } = viewOf([{ ...twice, readings: [only!, { ...only!, registerWh: 60n }] }]);
    expect(points.der).to.deep.equal([
      { at: START - 5, wh: 0n },
      { at: START + 100, wh: 60n },
    ]);
  });

  it("is drawn also where nothing flowed, or only one meter is there", function () {
    const idle = bundle("der", { [-5]: 7n, 100: 7n });
    for (const bundles of [[idle], [bundle("aggregator", { 3: 0n })]]) {
      expect(chartOf(viewOf(bundles)))
        .to.match(/^<svg /)
        .and.to.not.match(/NaN|undefined|Infinity/);
    }
  });
});
