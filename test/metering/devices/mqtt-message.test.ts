import { expect } from "chai";
import fc from "fast-check";

import { DeviceError } from "../../../agents/metering/devices/device.ts";
import { parseExactJson, valueAt } from "../../../agents/metering/devices/json-figure.ts";
import {
  type Message,
  type MessageForm,
  readMessage,
} from "../../../agents/metering/devices/mqtt-message.ts";

const FORM: MessageForm = {
  register: "/ENERGY/Total",
  unit: "kWh",
  power: "/ENERGY/Power",
  powerUnit: "W",
  clock: "/Time",
  identity: "/Id",
};

function read(text: string, form: Partial<MessageForm> = {}): Message {
  return readMessage(Buffer.from(text), { ...FORM, ...form }, 7);
}

function refusal(text: string | Uint8Array, form: Partial<MessageForm> = {}): DeviceError {
  try {
    readMessage(Buffer.from(text), { ...FORM, ...form }, 7);
  } catch (error) {
    expect(error).to.be.instanceOf(DeviceError);
    return error as DeviceError;
  }
  throw new Error("it was not refused");
}

describe("A message of an MQTT meter", function () {
  it("has the register with every digit, the power, the device's time and name", function () {
    const text = '{"Time":"2026-06-20T12:00:00","Id":77,"ENERGY":{"Total":123456789012.345678,"Power":-1.5}}';
    expect(read(text)).to.deep.equal({
      sample: {
        registerMicroWh: 123_456_789_012_345_678_000n,
        stepMicroWh: 1_000n,
        spanMicroWh: undefined,
        powerW: -2n,
        identity: "77",
        saidAt: 7,
      },
      clock: "2026-06-20T12:00:00",
    });
  });

  it("may be the bare figure, or have it as text", function () {
    const bare = { register: "", power: undefined, clock: undefined, identity: undefined };
    expect(read(" 12.5\n", bare).sample.registerMicroWh).to.equal(12_500_000_000n);
    expect(read('{"ENERGY":{"Total":"12.5"}}').sample.registerMicroWh).to.equal(12_500_000_000n);
  });

  it("may name the register as meters do, such as OBIS 2.8.0", function () {
    const form = { register: "/1-0:2.8.0", unit: "Wh" } as const;
    expect(read('{"1-0:2.8.0":42}', form).sample.registerMicroWh).to.equal(42_000_000n);
    expect(read('{"a/b":{"~":9}}', { register: "/a~1b/~0", unit: "Wh" }).sample.registerMicroWh).to.equal(
      9_000_000n,
    );
    expect(read('{"phases":[1,2]}', { register: "/phases/1", unit: "Wh" }).sample.registerMicroWh).to.equal(
      2_000_000n,
    );
  });

  it("may lack the power, not the register", function () {
    expect(read('{"ENERGY":{"Total":1,"Power":null}}').sample.powerW).to.equal(undefined);
    expect(refusal('{"ENERGY":{"Power":5}}').kind).to.equal("missing");
    for (const none of ["null", '""', '"NaN"', '"unavailable"'])
      expect(refusal(`{"ENERGY":{"Total":${none}}}`).kind, none).to.equal("missing");
    expect(refusal("NaN", { register: "" }).kind).to.equal("missing");
  });

  const malformed: [what: string, text: string | Uint8Array, says: RegExp][] = [
    ["is no JSON", "12,5", /expected JSON, received "12,5"/],
    ["is empty", "", /expected JSON/],
    ["has NaN in JSON", '{"ENERGY":{"Total":NaN}}', /expected JSON/],
    ["has a list where the register is", '{"ENERGY":{"Total":[1]}}', /decimal number at \/ENERGY\/Total/],
    ["has true there", '{"ENERGY":{"Total":true}}', /decimal number/],
    ["has a text there", '{"ENERGY":{"Total":"12 kWh"}}', /received "12 kWh"/],
    ["is below zero", '{"ENERGY":{"Total":-1}}', /0 or more, received -1000 Wh/],
    ["has a power that is none", '{"ENERGY":{"Total":1,"Power":"much"}}', /at \/ENERGY\/Power/],
    ["has too long a name", `{"ENERGY":{"Total":1},"Id":"${"x".repeat(129)}"}`, /at most 128 characters/],
    ["is no text", Uint8Array.of(0xff, 0xfe, 0x00), /expected JSON/],
    ["is too long", " ".repeat(65_537), /at most 65536 bytes, received 65537/],
  ];
  for (const [what, text, says] of malformed) {
    it(`is refused when it ${what}, in one short line`, function () {
      const error = refusal(text);
      expect(error.kind).to.equal("malformed");
      expect(error.message).to.match(says).and.to.not.contain("\n");
      expect(error.message.length).to.be.below(200);
    });
  }

  it("is refused where it shows more than its register can", function () {
    const spanMicroWh = 1_000n * 10n ** 9n;
    expect(refusal('{"ENERGY":{"Total":1000}}', { spanMicroWh }).kind).to.equal("malformed");
    expect(read('{"ENERGY":{"Total":999.9}}', { spanMicroWh }).sample.spanMicroWh).to.equal(spanMicroWh);
  });

  it("can be anything without harm", function () {
    const anything = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((json) => `{"ENERGY":{"Total":${json}}}`),
    );
    fc.assert(
      fc.property(anything, (text) => {
        try {
          expect(read(text).sample.registerMicroWh >= 0n).to.equal(true);
        } catch (error) {
          expect(error).to.be.instanceOf(DeviceError);
        }
      }),
    );
  });

  it("cannot reach what JSON does not hold", function () {
    const document = parseExactJson('{"a":{}}');
    for (const pointer of ["/constructor", "/a/toString", "/__proto__/a", "/a/b/c"])
      expect(valueAt(document, pointer)).to.equal(undefined);
  });
});
