import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";

import { energyWs } from "../../agents/metering/source.ts";
import { ReplayError } from "../../agents/metering/sources/replay.ts";
import {
  openForecast,
  openSource,
  sourceSpec,
  type SourceSpecInput,
} from "../../agents/metering/sources/spec.ts";

const DAY = 86_400;
const chainStart = Date.UTC(2026, 5, 20) / 1000;

const pv: SourceSpecInput = {
  kind: "pv",
  peakW: 8000,
  latitude: 47,
  longitude: 8.5,
  tiltDegrees: 30,
  azimuthDegrees: 180,
  seed: 1,
  cloudiness: 40,
};
const wind: SourceSpecInput = { kind: "wind", ratedW: 50_000, meanSpeed: 7, seed: 1 };
const battery: SourceSpecInput = {
  kind: "battery",
  capacityWh: 10_000,
  dischargeW: 4000,
  windowStartSeconds: 64_800,
  windowEndSeconds: 79_200,
};

describe("a source in a configuration file", () => {
  for (const spec of [pv, wind, battery]) {
    it(`opens as ${spec.kind}, with a forecast of the same order`, () => {
      const parsed = sourceSpec.parse(JSON.parse(JSON.stringify(spec)));
      const energy = (source: ReturnType<typeof openSource>): number =>
        Number(energyWs(source, chainStart, chainStart + 10 * DAY));
      expect(energy(openSource(parsed))).to.be.above(0);
      expect(energy(openForecast(parsed)) / energy(openSource(parsed))).to.be.within(0.8, 1.25);
    });
  }

  it("has whole watts, which become bigint, and a performance ratio of 85 % unless it says otherwise", () => {
    expect(sourceSpec.parse(pv)).to.include({ peakW: 8000n, performanceRatioPercent: 85 });
  });

  it("is refused with an unknown kind, an unknown field or a value out of range", () => {
    const refused: readonly unknown[] = [
      { ...pv, kind: "tidal" },
      { ...pv, tilt: 30 },
      { ...pv, peakW: 0 },
      { ...pv, peakW: 0.5 },
      { ...pv, latitude: 91 },
      { ...pv, cloudiness: 101 },
      { ...wind, meanSpeed: 0 },
      { ...battery, windowEndSeconds: 86_401 },
      { kind: "replay", file: "a.csv", column: "p", unit: "MW" },
    ];
    for (const spec of refused)
      expect(sourceSpec.safeParse(spec).success, JSON.stringify(spec)).to.equal(false);
  });
});

describe("a replay in a configuration file", () => {
  const folder = mkdtempSync(join(tmpdir(), "spec-"));
  const file = join(folder, "plant.csv");
  const hours = Array.from({ length: 48 }, (_, hour) => {
    const stamp = new Date(Date.UTC(2022, 2, 18, hour + 4)).toISOString();
    return `${stamp},${hour === 32 ? 4 : 2 + hour / 1000}`;
  });
  const spec: SourceSpecInput = { kind: "replay", file, column: "p", unit: "kW" };

  before(() => {
    writeFileSync(file, ["t,p", ...hours].join("\n"));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it("runs in the time of its file and at its own scale", () => {
    const source = openSource(sourceSpec.parse(spec));
    expect(source.powerW(Date.UTC(2022, 2, 19, 12) / 1000)).to.equal(4000n);
    expect(source.powerW(chainStart)).to.equal(0n);
  });

  it("begins its first full day at an instant of the chain", () => {
    const moved = sourceSpec.parse({ ...spec, startUnixSeconds: chainStart });
    const source = openSource(moved);
    expect(source.powerW(chainStart)).to.equal(2020n);
    expect(source.powerW(chainStart + 12 * 3600)).to.equal(4000n);
    expect(source.stepSeconds).to.equal(3600);
    expect(openForecast(moved).powerW(chainStart + 12.5 * 3600)).to.be.within(3900n, 4000n);
  });

  it("is scaled to a peak, its forecast by the same factor", () => {
    const scaledSpec = sourceSpec.parse({ ...spec, startUnixSeconds: chainStart, scaleToW: 1000 });
    expect(openSource(scaledSpec).powerW(chainStart + 12 * 3600)).to.equal(1000n);
    expect(openForecast(scaledSpec).powerW(chainStart)).to.be.within(500n, 510n);
  });

  it("stays at nothing when it has no power to scale", () => {
    writeFileSync(file, "t,p\n2022-03-18 00:00,0\n2022-03-18 01:00,0\n");
    const source = openSource(sourceSpec.parse({ ...spec, scaleToW: 1000 }));
    expect(source.powerW(Date.UTC(2022, 2, 18) / 1000)).to.equal(0n);
  });

  it("says what is wrong when it cannot be opened", () => {
    const missing = sourceSpec.parse({ ...spec, file: join(folder, "missing.csv") });
    expect(() => openSource(missing))
      .to.throw(ReplayError)
      .with.property("code", "unreadable-file");
    expect(() => openForecast(missing)).to.throw(ReplayError);
  });
});
