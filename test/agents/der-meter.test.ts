import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";
import { z } from "zod/v4";

import { type MeterSpec, meterSpec, openMeter } from "../../agents/der/meter.ts";
import { isDevice } from "../../agents/metering/devices/device.ts";
import { ConfigError } from "../../agents/runtime/config.ts";
import { silent } from "../../agents/runtime/log.ts";

const MQTT = { kind: "mqtt", url: "mqtts://broker.example.org", topic: "meters/7", unit: "kWh" };
const SUNSPEC = { kind: "sunspec", host: "192.168.1.40" };

function problemsOf(source: object): string {
  const { error } = meterSpec.safeParse(source);
  return error === undefined ? "" : z.prettifyError(error);
}

describe("The meter in a DER's configuration", function () {
  const folder = mkdtempSync(join(tmpdir(), "der-meter-"));

  after(function () {
    rmSync(folder, { recursive: true });
  });

  it("may be simulated, an MQTT topic or a SunSpec device, each with its defaults", function () {
    const wind = { kind: "wind", ratedW: 10_000, meanSpeed: 7, seed: 1 };
    expect(meterSpec.parse(wind).kind).to.equal("wind");
    expect(meterSpec.parse(MQTT)).to.deep.equal({
      ...MQTT,
      register: "",
      powerUnit: "W",
      staleAfterSeconds: 60,
    });
    expect(meterSpec.parse(SUNSPEC)).to.deep.equal({
      ...SUNSPEC,
      port: 502,
      unitId: 1,
      timeoutSeconds: 5,
      staleAfterSeconds: 60,
    });
  });

  it("tells what was done to the data of a recording", function () {
    const file = join(folder, "plant.csv");
    const rows = ["t,p", "2026-06-20T12:00:00Z,100", "2026-06-20T12:15:00Z,", "2026-06-20T12:30:00Z,-5"];
    writeFileSync(
      file,
      [...rows, "2026-06-20T12:30:00Z,7", "no time,1", "2026-06-20T13:15:00Z,90"].join("\n"),
    );
    const told: [event: string, fields: unknown][] = [];
    const spec = meterSpec.parse({ kind: "replay", file, column: "p", unit: "W" });
    openMeter(spec, (event, fields) => told.push([event, fields]));
    expect(told.map(([event]) => event)).to.deep.equal(["recording opened"]);
    const counted = {
      rows: 6,
      used: 3,
      negative: 1,
      empty: 1,
      duplicates: 1,
      unparseable: 1,
      gaps: 1,
      stuck: 0,
    };
    expect(told[0]?.[1]).to.include(counted);
  });

  it("is opened as what it is, whether or not the device answers", async function () {
    const wind = openMeter(meterSpec.parse({ kind: "wind", ratedW: 1, meanSpeed: 7, seed: 1 }), silent);
    expect(isDevice(wind)).to.equal(false);
    for (const spec of [{ ...MQTT, url: "mqtt://127.0.0.1:1" }, SUNSPEC]) {
      const device = openMeter(meterSpec.parse(spec), silent);
      expect(isDevice(device)).to.equal(true);
      if (isDevice(device)) await device.close();
    }
  });

  describe("is refused when it has", function () {
    const cases: [what: string, source: object, says: RegExp][] = [
      ["an unknown field", { ...MQTT, pasword: "X" }, /pasword/],
      ["a password in place of a variable's name", { ...MQTT, password: "hunter2" }, /environment variable/],
      ["credentials in the address", { ...MQTT, url: "mqtt://me:secret@host" }, /must not hold credentials/],
      ["another protocol", { ...MQTT, url: "http://host" }, /must be mqtt:\/\//],
      ["a topic for many meters", { ...MQTT, topic: "meters/+" }, /without wildcards/],
      ["no unit", { ...MQTT, unit: undefined }, /unit/],
      ["a path that is no JSON Pointer", { ...MQTT, register: "ENERGY.Total" }, /JSON Pointer/],
      ["a bare figure and a clock", { ...MQTT, clock: "/time" }, /must be given where power, clock/],
      ["a register that ends at nothing", { ...MQTT, rollsOverAt: "0" }, /must be a decimal number/],
      ["a certificate without its key", { ...MQTT, certFile: "c.pem" }, /go together/],
      ["a model without energy in it", { ...SUNSPEC, model: 113 }, /model/],
      ["a port that is none", { ...SUNSPEC, port: 0 }, /port/],
      ["a time-out longer than a stop may take", { ...SUNSPEC, timeoutSeconds: 30 }, /timeoutSeconds/],
    ];
    for (const [what, source, says] of cases) {
      it(what, function () {
        expect(problemsOf(source)).to.match(says).and.to.not.contain("hunter2");
      });
    }
  });

  it("takes credentials from the variables it names and nowhere else", function () {
    const spec = meterSpec.parse({ ...MQTT, username: "METER_TEST_USER", password: "METER_TEST_PASSWORD" });
    delete process.env["METER_TEST_USER"];
    expect(() => openMeter(spec, silent)).to.throw(
      ConfigError,
      "set the environment variable METER_TEST_USER, which the meter's configuration names",
    );
  });

  it("names the certificate that cannot be read", function () {
    const missing = join(folder, "missing.pem");
    const spec = meterSpec.parse({ ...MQTT, caFile: missing });
    expect(() => openMeter(spec, silent))
      .to.throw(ConfigError)
      .with.property("message")
      .that.match(/^source\.caFile: .*missing\.pem cannot be read: ENOENT[^\n]*$/);
  });
});

describe("docs/meters.md", function () {
  const text = readFileSync("docs/meters.md", "utf8");

  function blocks(language: string): string[] {
    return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, "gm"))].map(
      ([, block = ""]) => block,
    );
  }

  it("has an example of each kind that a program can read", function () {
    const specs = blocks("json").map((block) => {
      const { source } = JSON.parse(block) as { source: object };
      expect(problemsOf(source), block).to.equal("");
      return meterSpec.parse(source);
    });
    const kinds = new Set(specs.map(({ kind }: MeterSpec) => kind));
    expect([...kinds].sort()).to.deep.equal(["mqtt", "replay", "sunspec"]);
    expect(specs).to.have.length.of.at.least(5);
  });

  it("shows a source of another kind that is compiled and tried, in less than 60 lines", function () {
    const [example = "", ...others] = blocks("ts");
    expect(others).to.be.empty;
    expect(example).to.equal(readFileSync("test/metering/devices/http-device.ts", "utf8"));
    expect(example.split("\n").length).to.be.below(60);
  });

  it("tells of each counter and each field", function () {
    const device = openMeter(meterSpec.parse(SUNSPEC), silent);
    if (!isDevice(device)) throw new Error("a SunSpec device is a device");
    const { options } = meterSpec;
    const fields = options.flatMap((option) => ("shape" in option ? Object.keys(option.shape) : []));
    for (const name of [...Object.keys(device.counters), ...fields])
      expect(text, name).to.contain(`\`${name}\``);
  });
});
