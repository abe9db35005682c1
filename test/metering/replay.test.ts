import { join } from "node:path";

import { expect } from "chai";

import { energyWs } from "../../agents/metering/source.ts";
import {
  firstFullDay,
  ReplayError,
  type Replay,
  type ReplayErrorCode,
  type ReplayOptions,
} from "../../agents/metering/sources/replay.ts";
import { folder, noon, powers, quarterHours, replay, unix } from "./replay-files.ts";

const DAY = 86_400;

describe("replay of a clean file", () => {
  it("gives each row's power for one step, and nothing before or after the file", () => {
    const { source, report } = replay(quarterHours(100, 200, 300));
    expect(source.stepSeconds).to.equal(900);
    expect(source.powerW(noon - 1)).to.equal(0n);
    expect(source.powerW(noon)).to.equal(100n);
    expect(source.powerW(noon + 899)).to.equal(100n);
    expect(source.powerW(noon + 900)).to.equal(200n);
    expect(source.powerW(noon + 2699)).to.equal(300n);
    expect(source.powerW(noon + 2700)).to.equal(0n);
    expect(report).to.deep.equal({
      rows: 3,
      used: 3,
      negative: 0,
      empty: 0,
      outOfOrder: 0,
      duplicates: 0,
      unparseable: 0,
      gaps: [],
      stuck: [],
      stepSeconds: 900,
      first: "2026-06-20T12:00:00Z",
      last: "2026-06-20T12:30:00Z",
      peakW: 300,
      energyWh: 150,
    });
  });

  it("has a report that is plain JSON", () => {
    const { report } = replay(quarterHours(100, "", 7, 7, 7, 7, 7, 7, 7));
    expect(JSON.parse(JSON.stringify(report))).to.deep.equal(report);
  });

  it("forecasts the mean of the hour around, never above the peak", () => {
    const { forecast, source } = replay(quarterHours(0, 0, 400, 800, 400, 0, 0));
    const peak = noon + 3 * 900 + 450;
    expect(forecast.powerW(peak)).to.equal(400n);
    const day = [noon - DAY / 2, noon + DAY / 2] as const;
    const lost = energyWs(source, ...day) - energyWs(forecast, ...day);
    expect(Number(lost), "Ws lost to whole watts").to.be.within(0, 3 * 3600);
  });
});

describe("the way a file is written", () => {
  const expected = [100, 200, 300];
  const stamps = (...list: readonly string[]): string =>
    ["t,p", ...list.map((stamp, index) => `${stamp},${(index + 1) * 100}`)].join("\n");

  it("may give stamps with an offset, after a blank or a T", () => {
    const text = stamps(
      "2026-06-20 05:00:00-07:00",
      "2026-06-20T14:15:00+02:00",
      "2026-06-20 12:30:00 +00:00",
    );
    expect(powers(replay(text), 3)).to.deep.equal(expected);
  });

  it("may give ISO stamps in UTC or, without offset, in the named zone", () => {
    const local = stamps("2026-06-20T14:00", "2026-06-20 14:15", "2026-06-20 14:30:00");
    expect(powers(replay(local, { zone: "Europe/Zurich" }), 3)).to.deep.equal(expected);
    const utc = stamps("2026-06-20 12:00", "2026-06-20T12:15:00", "2026-06-20T12:30:00.000Z");
    expect(powers(replay(utc), 3)).to.deep.equal(expected);
  });

  it("may give local stamps as M/D/YYYY H:MM, with seconds or not", () => {
    const text = stamps("6/20/2026 6:00", "6/20/2026 6:15:00", "6/20/2026 6:30");
    expect(powers(replay(text, { zone: "America/Denver" }), 3)).to.deep.equal(expected);
  });

  it("may give stamps in a format of its own, named in the options", () => {
    const text = stamps("20.06.2026 12.00", "20.06.2026 12.15", "20.06.2026 12.30");
    expect(powers(replay(text, { timeFormat: "dd.MM.yyyy HH.mm" }), 3)).to.deep.equal(expected);
  });

  it("may have a byte order mark, quotes, CRLF and a time column without a name", () => {
    const rows = ['"2026-06-20 12:00","100"', '"2026-06-20 12:15"," 200 "', "2026-06-20 12:30,300"];
    const text = ['\uFEFF"","p"', ...rows, ""].join("\r\n");
    expect(powers(replay(text), 3)).to.deep.equal(expected);
  });

  it("may have a byte order mark before the very column to read", () => {
    const text = '\uFEFF"p","t"\n100,2026-06-20 12:00\n200,2026-06-20 12:15\n300,2026-06-20 12:30';
    expect(powers(replay(text, { timeColumn: "t" }), 3)).to.deep.equal(expected);
  });

  it("may separate by semicolons, with decimal commas", () => {
    const text = "t;p\n2026-06-20 12:00;0,1\n2026-06-20 12:15;0,2\n2026-06-20 12:30;0.3\n";
    expect(powers(replay(text, { unit: "kW" }), 3)).to.deep.equal(expected);
  });

  it("may have its time in any column", () => {
    const text = "p,when\n100,2026-06-20 12:00\n200,2026-06-20 12:15\n300,2026-06-20 12:30\n";
    expect(powers(replay(text, { timeColumn: "when" }), 3)).to.deep.equal(expected);
  });

  it("may have stamps that jitter by seconds: each goes to its step", () => {
    const text = stamps(
      "2026-06-20 12:00:00",
      "2026-06-20 12:15:00",
      "2026-06-20 12:30:00",
      "2026-06-20 12:44:58",
    );
    const { report } = replay(text);
    expect(report.gaps).to.deep.equal([]);
    expect(report.last).to.equal("2026-06-20T12:45:00Z");
  });

  it("may have steps that are not aligned to unix time", () => {
    const { source } = replay(stamps("2026-06-20 12:05", "2026-06-20 12:20", "2026-06-20 12:35"));
    expect(source.powerW(noon + 299)).to.equal(0n);
    expect(source.powerW(noon + 300)).to.equal(100n);
    expect(energyWs(source, noon, noon + DAY)).to.equal(600n * 900n);
  });
});

describe("a wrong option", () => {
  const text = quarterHours(100, 200, 300);
  const cases: readonly [ReplayErrorCode, string, string, Partial<ReplayOptions>][] = [
    ["unreadable-file", "check its path", text, { file: join(folder, "missing.csv") }],
    ["unreadable-file", "check its path", text, { file: folder }],
    ["unknown-column", "its columns are t, p", text, { column: "power" }],
    ["unknown-column", "its columns are t, p", text, { timeColumn: "when" }],
    ["unknown-column", "its columns are (no name), q", ",q\n2026-06-20,1", {}],
    ["unknown-unit", "give W or kW", text, { unit: "MW" as "W" }],
    ["unknown-zone", "Europe/Zurich", text, { zone: "Mars/Olympus" }],
    ["unreadable-time", 'the first is "soon": set timeColumn or timeFormat', "t,p\nsoon,1\nlater,2", {}],
    ["unreadable-time", "set timeColumn or timeFormat", text, { timeFormat: "yyyy" }],
    ["no-usable-rows", "give a file with a header and data", "", {}],
    ["no-usable-rows", "give a file with a header and data", "t,p\n", {}],
    ["no-usable-rows", "two rows at different times", quarterHours(100), {}],
    ["no-usable-rows", "choose another column", quarterHours("a", "b", "c"), {}],
  ];

  for (const [code, remedy, content, options] of cases) {
    it(`is refused as ${code} with one line that says: ${remedy}`, () => {
      const open = (): Replay => replay(content, options);
      expect(open).to.throw(ReplayError, remedy).with.property("code", code);
      expect(open).to.throw().with.property("message").that.does.not.include("\n");
    });
  }
});

describe("first full day of a file", () => {
  const hours = (start: string, count: number, skip: (hour: number) => boolean = () => false): string => {
    const rows = Array.from({ length: count }, (_, hour) => hour)
      .filter((hour) => !skip(hour))
      .map((hour) => `${new Date((unix(start) + hour * 3600) * 1000).toISOString().slice(0, 19)},${hour}`);
    return ["t,p", ...rows].join("\n");
  };

  it("begins at the first midnight with a day of readings after it", () => {
    const file = replay(hours("2026-06-20T04:00:00Z", 60));
    expect(firstFullDay(file)).to.equal(unix("2026-06-21T00:00:00Z"));
  });

  it("is the first day when the file begins at midnight", () => {
    expect(firstFullDay(replay(hours("2026-06-20T00:00:00Z", 48)))).to.equal(unix("2026-06-20T00:00:00Z"));
  });

  it("is not a day that began before the file, though few of its readings lack", () => {
    const file = replay(hours("2026-06-20T01:00:00Z", 60));
    expect(firstFullDay(file)).to.equal(unix("2026-06-21T00:00:00Z"));
  });

  it("passes over a day that lacks many readings", () => {
    const file = replay(hours("2026-06-20T00:00:00Z", 72, (hour) => hour >= 5 && hour < 10));
    expect(firstFullDay(file)).to.equal(unix("2026-06-21T00:00:00Z"));
  });

  it("is local: by the zone, or by the offset of the stamps", () => {
    const zoned = replay(hours("2026-06-20T04:00:00Z", 60), { zone: "America/Denver" });
    expect(firstFullDay(zoned)).to.equal(unix("2026-06-21T00:00:00-06:00"));

    const withOffset = hours("2026-06-20T04:00:00Z", 60).replaceAll(/(T\d\d:00:00)/g, "$1-07:00");
    expect(firstFullDay(replay(withOffset))).to.equal(unix("2026-06-21T00:00:00-07:00"));
  });

  it("is where the file begins when no day is full", () => {
    expect(firstFullDay(replay(quarterHours(1, 2, 3)))).to.equal(noon);
  });
});
