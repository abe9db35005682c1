import { expect } from "chai";

import { type Device, DeviceError, type Sample } from "../../../agents/metering/devices/device.ts";
import { sunspecDevice, type SunSpecOptions } from "../../../agents/metering/devices/sunspec.ts";
import { acMeter, common, der, inverter, mapOf, ModbusServer } from "./sunspec-server.ts";

const MICRO = 1_000_000n;

describe("A SunSpec device over Modbus TCP", function () {
  let server: ModbusServer;
  let device: Device;

  beforeEach(async function () {
    server = new ModbusServer();
    await server.start();
    device = deviceOf();
  });

  afterEach(async function () {
    await device.close();
    await server.stop();
  });

  function deviceOf(change: Partial<SunSpecOptions> = {}): Device {
    const { port } = server;
    return sunspecDevice({
      host: "127.0.0.1",
      port,
      unitId: 1,
      timeoutSeconds: 2,
      staleAfterSeconds: 60,
      ...change,
    });
  }

  async function read(from = device): Promise<Sample> {
    return (await from.sample())!;
  }

  async function refusal(kind: DeviceError["kind"], says: RegExp, from = device): Promise<void> {
    const error = await from.sample().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(DeviceError).and.to.have.property("kind", kind);
    expect((error as DeviceError).message)
      .to.match(says)
      .and.to.not.contain("\n");
  }

  it("tells who it is, its power and its register, scaled", async function () {
    server.words = mapOf([common("SN-77"), inverter(123_456_789, 1, 7_215, -1)]);
    const { saidAt, ...said } = await read();
    expect(said).to.deep.equal({
      registerMicroWh: 1_234_567_890n * MICRO,
      stepMicroWh: 10n * MICRO,
      spanMicroWh: 2n ** 32n * 10n * MICRO,
      powerW: 721n,
      identity: "Example Inverter 8 SN-77",
    });
    expect(performance.now() - saidAt).to.be.within(0, 1_000);
  });

  it("tells model 701 in 64 bits, exactly", async function () {
    server.words = mapOf([common(), der(2n ** 63n + 1n, -3, -45, 1)]);
    const { registerMicroWh, stepMicroWh, spanMicroWh, powerW } = await read();
    expect(registerMicroWh).to.equal((2n ** 63n + 1n) * 1_000n);
    expect([stepMicroWh, spanMicroWh]).to.deep.equal([1_000n, 2n ** 64n * 1_000n]);
    expect(powerW).to.equal(-450n);
  });

  for (const base of [0, 40_000, 50_000]) {
    it(`is found at address ${base}`, async function () {
      server.words = mapOf([common(), inverter(5, 0)], base);
      expect((await read()).registerMicroWh).to.equal(5n * MICRO);
    });
  }

  it("is read in the best model it has, or the one that was asked for", async function () {
    const other = { id: 64_001, length: 7, at: {} };
    server.words = mapOf([common(), other, inverter(103, 0), acMeter(203, 203, 0), der(701n, 0), other]);
    expect((await read()).registerMicroWh).to.equal(701n * MICRO);
    for (const model of [103, 203, 701])
      expect((await read(deviceOf({ model }))).registerMicroWh).to.equal(BigInt(model) * MICRO);
    await refusal(
      "missing",
      /expected a SunSpec model 102, received 1, 64001, 103, 203, 701/,
      deviceOf({ model: 102 }),
    );
  });

  for (const id of [101, 102, 103])
    it(`is read in model ${id}`, async function () {
      server.words = mapOf([inverter(9, 3, 1, 3, id)]);
      const { registerMicroWh, powerW, identity } = await read();
      expect([registerMicroWh, powerW, identity]).to.deep.equal([9_000n * MICRO, 1_000n, undefined]);
    });

  for (const id of [201, 202, 203, 204])
    it(`is read in model ${id}, without power`, async function () {
      server.words = mapOf([acMeter(id, 4_000_000_000, -10)]);
      const { registerMicroWh, powerW } = await read();
      expect([registerMicroWh, powerW]).to.deep.equal([400_000n, undefined]);
    });

  describe("has no figure where it says that it has none:", function () {
    const INT16 = -0x8000;
    it("a register of 0 or all ones in 32 bits, all ones in 64, and no scale", async function () {
      for (const model of [
        inverter(0, 0),
        inverter(0xffff_ffff, 0),
        der(2n ** 64n - 1n, 0),
        inverter(5, INT16),
        acMeter(201, 0, 0),
      ]) {
        server.words = mapOf([common(), model]);
        await refusal("missing", new RegExp(`in SunSpec model ${model.id}`));
      }
    });

    it("a power, while the register counts", async function () {
      for (const model of [inverter(5, 0, INT16, 0), inverter(5, 0, 7, INT16)]) {
        server.words = mapOf([common(), model]);
        const { powerW, registerMicroWh } = await read();
        expect([powerW, registerMicroWh]).to.deep.equal([undefined, 5n * MICRO]);
      }
    });

    it("but 0 in 64 bits is a figure", async function () {
      server.words = mapOf([common(), der(0n, 0)]);
      expect((await read()).registerMicroWh).to.equal(0n);
    });
  });

  describe("is refused when", function () {
    it("there is no map", async function () {
      await refusal("malformed", /expected "SunS" at one of the addresses 40000, 50000, 0/);
    });

    it("a scale is out of range", async function () {
      server.words = mapOf([common(), inverter(5, 11)]);
      await refusal("malformed", /scale from -10 to 10, received 11/);
    });

    it("its models are too short, stop halfway or never end", async function () {
      server.words = mapOf([common(), { id: 103, length: 20, at: {} }]);
      await refusal("malformed", /expected 27 words in SunSpec model 103, received 22/);
      server.words = mapOf([common(), inverter(5, 0)], 40_000, []);
      await refusal("malformed", /models that ends, received 2 models/);
      server.words = mapOf(Array.from({ length: 300 }, () => ({ id: 9, length: 0, at: {} })));
      await refusal("malformed", /models that ends, received 256 models/);
    });
  });

  describe("is out of reach when", function () {
    it("nobody listens", async function () {
      await server.stop();
      await refusal("unreachable", /127\.0\.0\.1:\d+ cannot be read: .*ECONNREFUSED/);
    });

    it("it does not answer in time, such as for a unit that is not there", async function () {
      server.words = mapOf([common(), inverter(5, 0)]);
      const started = performance.now();
      await refusal("unreachable", /within 0\.3 s/, deviceOf({ unitId: 9, timeoutSeconds: 0.3 }));
      expect(performance.now() - started).to.be.below(1_500);
    });

    it("it answers each request just in time, but not all of them together", async function () {
      const words = mapOf([common(), ...Array.from({ length: 50 }, () => ({ id: 9, length: 1, at: {} }))]);
      server.words = words;
      let asked = 0;
      server.beforeAnswer = () => {
        asked += 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      };
      await refusal("unreachable", /within 0\.2 s/, deviceOf({ timeoutSeconds: 0.2 }));
      expect(asked).to.be.below(50);
    });

    it("it hangs up in the middle", async function () {
      server.words = mapOf([common(), inverter(5, 0)]);
      server.beforeAnswer = (address) => {
        if (address === 40_002) void server.stop();
      };
      await refusal("unreachable", /cannot be read/);
    });

    it("it answers with anything else", async function () {
      const answers = [
        Buffer.alloc(64, 0xff),
        Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
        Buffer.from("000100000003018302", "hex"), // an exception to another request
        Buffer.from("000000000000", "hex"),
        Buffer.alloc(200_000),
      ];
      for (const garbage of answers) {
        server.garbage = garbage;
        await refusal("unreachable", /cannot be read/, deviceOf({ timeoutSeconds: 0.2 }));
      }
    });
  });

  it("counts when it was lost and when it came back", async function () {
    server.words = mapOf([common(), inverter(5, 0)]);
    await read();
    await server.stop();
    await refusal("unreachable", /ECONNREFUSED/);
    await refusal("unreachable", /ECONNREFUSED/);
    expect(device.counters).to.include({ disconnects: 1, reconnects: 0 });
    await server.start();
    server.words = mapOf([common(), inverter(6, 0)]);
    expect((await read()).registerMicroWh).to.equal(6n * MICRO);
    expect(device.counters).to.include({ disconnects: 1, reconnects: 1 });
  });
});
