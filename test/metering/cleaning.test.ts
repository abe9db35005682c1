import { expect } from "chai";
import fc from "fast-check";

import { energyWs } from "../../agents/metering/source.ts";
import { parseReading } from "../../agents/metering/sources/cleaning.ts";
import { ReplayError } from "../../agents/metering/sources/replay.ts";
import { noon, powers, quarterHours, replay, wholeEnergyWs } from "./replay-files.ts";

describe("a cell", () => {
  it("is exact from its decimals and truncated toward zero to whole watts", () => {
    expect(parseReading("111.9081", "kW")?.powerW).to.equal(111_908n);
    expect(parseReading("0.0009999", "kW")?.powerW).to.equal(0n);
    expect(parseReading("1.001", "kW")?.powerW).to.equal(1001n); // 1000.9999999999999 in floating point
    expect(parseReading("4628.5", "W")?.powerW).to.equal(4628n);
    expect(parseReading("+.5e3", "W")?.powerW).to.equal(500n);
    expect(parseReading("1e-05", "kW")?.powerW).to.equal(0n);
  });

  it("is never worth more than its number says", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 999_999 }), (whole, millionths) => {
        const cell = `${whole}.${String(millionths).padStart(6, "0")}`;
        const exact = BigInt(whole) * 1_000_000n + BigInt(millionths);
        expect(parseReading(cell, "kW")?.powerW).to.equal(exact / 1000n);
      }),
    );
  });

  it("is no number when it is anything else", () => {
    for (const cell of [
      "",
      ".",
      "-",
      "NaN",
      "nan",
      "null",
      "Infinity",
      "1,000",
      "12 W",
      "0x10",
      "1e999",
      "9e20",
    ]) {
      expect(parseReading(cell, "W"), cell).to.equal(undefined);
    }
  });
});

describe("replay of dirty data", () => {
  it("counts power below zero as nothing", () => {
    const dirty = replay(quarterHours(-2.7, 100, -0.0, 300));
    expect(powers(dirty, 4)).to.deep.equal([0, 100, 0, 300]);
    expect(dirty.report).to.include({ negative: 1, used: 4, energyWh: 100 });
  });

  it("counts cells without a number as nothing", () => {
    const dirty = replay(quarterHours(100, "", "NaN", "n/a", 500));
    expect(powers(dirty, 5)).to.deep.equal([100, 0, 0, 0, 500]);
    expect(dirty.report).to.include({ empty: 3, used: 2, rows: 5 });
  });

  it("counts a row that breaks off as empty", () => {
    const text = `${quarterHours(100, 200)}\n2026-06-20T12:30:00Z`;
    expect(replay(text).report).to.include({ rows: 3, used: 2, empty: 1 });
  });

  it("sorts rows that are out of order", () => {
    const text = "t,p\n2026-06-20 12:15,200\n2026-06-20 12:00,100\n2026-06-20 12:30,300\n";
    const dirty = replay(text);
    expect(powers(dirty, 3)).to.deep.equal([100, 200, 300]);
    expect(dirty.report.outOfOrder).to.equal(1);
  });

  it("keeps the first of rows for the same step", () => {
    const text = `${quarterHours(100, 200, 300)}\n2026-06-20 12:15,999\n2026-06-20 12:15,888`;
    const dirty = replay(text);
    expect(powers(dirty, 3)).to.deep.equal([100, 200, 300]);
    expect(dirty.report).to.include({ rows: 5, used: 3, duplicates: 2 });
  });

  it("leaves out rows whose time cannot be read, a bare time of day among them", () => {
    const dirty = replay(`${quarterHours(100, 200)}\nyesterday,300\n12:30,400\n,500\n2026-13-45 99:00,600`);
    expect(dirty.report).to.include({ rows: 6, used: 2, unparseable: 4, energyWh: 75 });
  });

  it("gives nothing in gaps, and lists them", () => {
    const text = `${quarterHours(100, 200)}\n2026-06-20T15:00:00Z,300\n2026-06-20T15:15:00Z,400`;
    const dirty = replay(text);
    expect(energyWs(dirty.source, noon + 1800, noon + 3 * 3600)).to.equal(0n);
    expect(dirty.report.gaps).to.deep.equal([
      { from: "2026-06-20T12:30:00Z", to: "2026-06-20T15:00:00Z", steps: 10 },
    ]);
  });

  it("bears a gap of decades without filling it", () => {
    const text =
      "t,p\n1970-01-01 00:00:00,1\n2026-06-20 12:00:00,2\n2026-06-20 12:00:01,3\n2026-06-20 12:00:02,4";
    expect(replay(text).report.gaps).to.have.lengthOf(1);
  });

  it("loses an hour rather than doubling it when clocks are put back", () => {
    const hours = ["00:30", "01:30", "02:30", "02:30", "03:30"];
    const text = ["t,p", ...hours.map((hour) => `2026-10-25 ${hour},100`)].join("\n");
    const { report } = replay(text, { zone: "Europe/Zurich" });
    expect(report).to.include({ stepSeconds: 3600, duplicates: 1, used: 4 });
    expect(report.gaps).to.have.lengthOf(1);
  });

  it("reads on after a quote that is never closed", () => {
    const text = 't,p\n2026-06-20 12:00,"100\n2026-06-20 12:15,200\n2026-06-20 12:30,300';
    expect(powers(replay(text), 3)).to.deep.equal([100, 200, 300]);
  });
});

describe("a stuck reading", () => {
  const peak = 1000;

  it("counts once: its repeats are nothing and are listed", () => {
    const dirty = replay(quarterHours(peak, 7, 7, 7, 7, 7, 7, 8));
    expect(powers(dirty, 8)).to.deep.equal([peak, 7, 0, 0, 0, 0, 0, 8]);
    expect(dirty.report.stuck).to.deep.equal([
      { from: "2026-06-20T12:30:00Z", to: "2026-06-20T13:45:00Z", steps: 5, value: 7 },
    ]);
  });

  it("is not found in fewer than six steps", () => {
    expect(replay(quarterHours(peak, 7, 7, 7, 7, 7, 8)).report.stuck).to.deep.equal([]);
  });

  it("is not found in less than half an hour", () => {
    const minutes = (count: number): string =>
      ["t,p", "2026-06-20 11:59,1000"]
        .concat(Array.from({ length: count }, (_, m) => `2026-06-20 12:${String(m).padStart(2, "0")},7`))
        .join("\n");
    expect(replay(minutes(29)).report.stuck).to.deep.equal([]);
    expect(replay(minutes(30)).report.stuck).to.have.lengthOf(1);
  });

  it("is found up to the end of the file", () => {
    expect(replay(quarterHours(peak, 7, 7, 7, 7, 7, 7)).report.stuck).to.have.lengthOf(1);
  });

  it("is not zero, which is what a plant at rest reads, nor below", () => {
    const resting = quarterHours(peak, ...Array<number>(8).fill(0), ...Array<number>(8).fill(-3));
    expect(replay(resting).report.stuck).to.deep.equal([]);
  });

  it("is not the plateau of a plant at its limit", () => {
    const atLimit = replay(quarterHours(peak, 990, 990, 990, 990, 990, 990));
    expect(atLimit.report.stuck).to.deep.equal([]);
    expect(replay(quarterHours(peak, 989, 989, 989, 989, 989, 989)).report.stuck).to.have.lengthOf(1);
  });

  it("is not a run broken by a missing row or cell", () => {
    const broken = quarterHours(peak, 7, 7, 7, "", 7, 7, 7);
    expect(replay(broken).report.stuck).to.deep.equal([]);
    const lines = quarterHours(peak, 7, 7, 7, 7, 7, 7, 7, 7).split("\n");
    expect(replay(lines.toSpliced(5, 1).join("\n")).report.stuck).to.deep.equal([]);
  });

  it("is compared as measured, not in whole watts", () => {
    const moving = quarterHours(peak, 7.1, 7.2, 7.3, 7.4, 7.5, 7.6);
    expect(replay(moving).report.stuck).to.deep.equal([]);
  });
});

describe("any file whatever", () => {
  const cell = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.double({ min: -100, max: 5000, noNaN: true }).map((value) => value.toFixed(2)),
    },
    fc.constantFrom("", "NaN", "7", "7", "5000", '"', '"12"', "1e3", "x;y", "-"),
    fc.string(),
  );
  const stamp = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.nat({ max: 40 }).map((step) => new Date((noon + step * 900) * 1000).toISOString()),
    },
    fc.nat({ max: 40_000 }).map((second) => new Date((noon + second) * 1000).toISOString()),
    fc.constantFrom("", "6/20/2026 12:00", "2026-06-20 12:00:00-07:00", "2026-06-20", "12:00"),
    fc.string(),
  );
  const rows = fc.array(fc.tuple(stamp, cell), { maxLength: 60 });
  const lineEnd = fc.constantFrom("\n", "\r\n", "\r");

  /** The most energy the rows can stand for: every positive number in them, for one step. */
  const positiveWs = (cells: readonly string[], stepSeconds: number): number =>
    cells.reduce((total, text) => total + Math.max(0, Number(text.replaceAll('"', "")) || 0), 0) *
    stepSeconds;

  it("is replayed with no more energy than its positive cells, or refused as unusable", () => {
    fc.assert(
      fc.property(rows, lineEnd, (list, end) => {
        const text = ["t,p", ...list.map((row) => row.join(","))].join(end);
        const written = text.split(/[\r\n,;]/);
        try {
          const result = replay(text);
          const { report } = result;
          const energy = Number(wholeEnergyWs(result));
          expect(energy).to.be.at.most(positiveWs(written, report.stepSeconds) * (1 + 1e-9));
          expect(Math.floor(energy / 3600)).to.equal(report.energyWh);
          expect(report.used + report.empty + report.duplicates + report.unparseable).to.equal(report.rows);
        } catch (error) {
          if (!(error instanceof ReplayError)) throw error;
          expect(error.code).to.be.oneOf(["no-usable-rows", "unreadable-time"]);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("has every row accounted for", () => {
    const dirty = replay(`${quarterHours(1, "", -3, 4)}\nnever,5\n2026-06-20 12:00,6`);
    expect(dirty.report).to.include({ rows: 6, used: 3, empty: 1, duplicates: 1, unparseable: 1 });
  });
});
