import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";

import { epochEnergyWh, spansGap } from "../../../agents/metering/epoch-energy.ts";
import type { Device } from "../../../agents/metering/devices/device.ts";
import { DeviceMeter } from "../../../agents/metering/devices/device-meter.ts";
import { sunspecDevice } from "../../../agents/metering/devices/sunspec.ts";
import {
  type Block,
  genesisDigest,
  type StampedReading,
  verifyChain,
} from "../../../agents/metering/reading.ts";
import { Recorder } from "../../../agents/metering/recorder.ts";
import { SimulatedMeter } from "../../../agents/metering/simulated-meter.ts";
import { openSqliteStore } from "../../../agents/store/sqlite.ts";
import type { ReadingStore } from "../../../agents/store/store.ts";
import { common, inverter, mapOf, ModbusServer } from "./sunspec-server.ts";

const METER = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
const EPOCH_SECONDS = 900;
const START = 1_781_913_600;
/** 1 Wh a second, so that figures in Wh are times in seconds. */
const RATED_W = 3_600n;

describe("A meter that reads a device", function () {
  let server: ModbusServer;
  let device: Device;
  let folder: string;
  let store: ReadingStore;
  let recorder: Recorder;
  let number: number;

  beforeEach(async function () {
    folder = mkdtempSync(join(tmpdir(), "device-meter-"));
    number = 0;
    server = new ModbusServer();
    await server.start();
    open();
  });

  afterEach(async function () {
    await store.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  /** Starts what an agent starts, on the store it had if it had one. */
  function open(staleAfterSeconds = 10): void {
    store = openSqliteStore(join(folder, "der.sqlite"));
    recorder = new Recorder(store);
    const { port } = server;
    device = sunspecDevice({ host: "127.0.0.1", port, unitId: 1, timeoutSeconds: 1, staleAfterSeconds });
    recorder.add(new DeviceMeter({ address: METER, device, ratedW: RATED_W }));
  }

  /** The device shows this register. */
  function shows(wh: number, serial?: string, scale = 0): void {
    server.words = mapOf([common(serial), inverter(wh, scale)]);
  }

  function block(secondsAfterStart: number): Block {
    number += 1;
    const hash = `0x${number.toString(16).padStart(64, "0")}`;
    return { number, hash, timestamp: START + secondsAfterStart };
  }

  /** A block is shown while the device shows this register. @returns what is stored last */
  async function at(seconds: number, wh: number, serial?: string): Promise<StampedReading> {
    shows(wh, serial);
    await recorder.record([block(seconds)]);
    return (await store.lastReading(METER))!;
  }

  async function restart(): Promise<void> {
    await store.close();
    open();
  }

  async function readings(): Promise<StampedReading[]> {
    const all = await store.readingsBetween(METER, 0, Infinity);
    expect(verifyChain(all, genesisDigest(METER))).to.deep.equal({ ok: true });
    return all;
  }

  it("counts from 0 at its first block, and then what the device counted", async function () {
    expect(await at(0, 812_345)).to.include({ sequence: 0, registerWh: 0n, powerW: 0n });
    expect(await at(12, 812_355)).to.include({
      sequence: 1,
      registerWh: 10n,
      powerW: 3_000n,
      blockNumber: 2,
    });
    expect(await at(24, 812_355)).to.include({ sequence: 2, registerWh: 10n, powerW: 0n });
    expect(await readings()).to.have.length(3);
    expect(device.counters.readings).to.equal(3);
  });

  it("reads for the newest of the blocks it is shown at once, as no device tells its past", async function () {
    await at(0, 100);
    shows(130);
    await recorder.record([block(12), block(24), block(36)]);
    const [, second, ...others] = await readings();
    expect(second).to.include({ registerWh: 30n, blockNumber: 4 });
    expect(others).to.be.empty;
  });

  it("reads once for blocks of the same second", async function () {
    await at(0, 100);
    await at(0, 101);
    expect(await readings()).to.have.length(1);
  });

  it("goes on where it was when the agent is started again, also with fractions of a Wh", async function () {
    const fractions = async (seconds: number, tenths: number): Promise<void> => {
      server.words = mapOf([common(), inverter(tenths, -1)]);
      await recorder.record([block(seconds)]);
    };
    await fractions(0, 1_000);
    await fractions(1, 1_009);
    await restart();
    await fractions(2, 1_010);
    expect((await store.lastReading(METER))?.registerWh).to.equal(1n);
    await restart();
    await fractions(600, 6_010);
    expect((await store.lastReading(METER))?.registerWh).to.equal(501n);
    expect(await readings()).to.have.length(4);
    expect(device.counters).to.include({ restarts: 0, implausible: 0 });
  });

  it("counts nothing across a restart of the device, also one while the agent was down", async function () {
    await at(0, 100_000);
    await at(100, 100_100);
    await at(112, 5);
    expect(device.counters).to.include({ implausible: 1, restarts: 0 });
    expect((await at(124, 17)).registerWh).to.equal(100n);
    expect(device.counters.restarts).to.equal(1);
    expect((await at(136, 29)).registerWh).to.equal(112n);
    await restart();
    await at(148, 3);
    expect((await at(160, 15)).registerWh, "no reading while it is in doubt").to.equal(112n);
    expect((await at(172, 27)).registerWh).to.equal(124n);
    expect(await readings()).to.have.length(6);
  });

  it("does not take two glitches with a good sample between them for a restart", async function () {
    for (const [seconds, wh] of [
      [0, 100],
      [12, 5_000],
      [24, 124],
      [36, 5_010],
      [48, 148],
    ] as const)
      await at(seconds, wh);
    expect((await readings()).map(({ registerWh }) => registerWh)).to.deep.equal([0n, 24n, 48n]);
    expect(device.counters).to.include({ implausible: 2, restarts: 0 });
  });

  it("counts across the end of 32 bits", async function () {
    await at(0, 0xffff_fff0);
    expect((await at(60, 14)).registerWh).to.equal(30n);
    expect(device.counters).to.include({ rollovers: 1, implausible: 0 });
  });

  it("counts nothing across a change of the device", async function () {
    await at(0, 100, "OLD");
    await at(12, 110, "OLD");
    expect((await at(24, 112, "NEW")).registerWh).to.equal(10n);
    expect((await at(36, 122, "NEW")).registerWh).to.equal(20n);
    expect(device.counters.replacements).to.equal(1);
  });

  it("takes no reading while the device is away, and leaves a gap that nobody takes for an epoch's energy", async function () {
    const first = START / EPOCH_SECONDS;
    await at(890, 890);
    await server.stop();
    for (let seconds = 902; seconds < 3 * EPOCH_SECONDS; seconds += 300) {
      await recorder.record([block(seconds)]);
    }
    expect(device.counters).to.include({ unreachable: 6, disconnects: 1, readings: 1 });
    await server.start();
    const back = await at(3 * EPOCH_SECONDS + 10, 2_710);
    expect(back.registerWh, "the register goes on").to.equal(1_820n);
    expect(device.counters).to.include({ reconnects: 1, implausible: 0 });
    const before = await store.lastReadingBefore(METER, (first + 3) * EPOCH_SECONDS);
    expect(spansGap(before, first + 3, EPOCH_SECONDS), "not the energy of this epoch").to.equal(true);
    const next = await at(4 * EPOCH_SECONDS + 10, 3_610);
    expect(spansGap(back, first + 4, EPOCH_SECONDS)).to.equal(false);
    expect(epochEnergyWh([next], back)).to.equal(900n);
  });

  it("takes no reading of what the device does not say, and counts why", async function () {
    await at(0, 100);
    await at(12, 0); // the standard's "not counted"
    server.words = new Map();
    await recorder.record([block(24)]);
    expect(device.counters).to.include({ missing: 1, malformed: 1, readings: 1 });
    expect((await at(36, 136)).registerWh).to.equal(36n);
  });

  it("takes no reading from a sample that is too old", async function () {
    shows(100);
    const late: Device = {
      counters: device.counters,
      staleAfterSeconds: 10,
      sample: async () => {
        const sample = await device.sample();
        return sample && { ...sample, saidAt: performance.now() - 10_001 };
      },
      close: () => Promise.resolve(),
    };
    const silent: Device = { ...late, sample: () => Promise.resolve(undefined) };
    for (const each of [late, silent]) {
      const meter = new DeviceMeter({ address: METER, device: each, ratedW: RATED_W });
      meter.start({ last: undefined, memory: undefined });
      expect(await meter.read([block(0)])).to.deep.equal({ readings: [] });
    }
    expect(device.counters).to.include({ stale: 2, readings: 0 });
  });

  it("begins anew after the meter had another source, which has counted that time", async function () {
    await at(0, 100);
    await at(12, 110);
    await store.close();
    store = openSqliteStore(join(folder, "der.sqlite"));
    const simulated = new Recorder(store);
    simulated.add(new SimulatedMeter({ address: METER, source: { stepSeconds: 900, powerW: () => 3_600n } }));
    await simulated.record([block(24)]);
    await store.close();
    open();
    expect((await at(36, 134)).registerWh).to.equal(22n);
    expect((await at(48, 146)).registerWh).to.equal(34n);
    await readings();
  });

  it("lets a fault of the program through, rather than take it for the device's", async function () {
    const broken = { ...device, sample: () => Promise.reject(new TypeError("a bug")) };
    const meter = new DeviceMeter({ address: METER, device: broken, ratedW: RATED_W });
    meter.start({ last: undefined, memory: undefined });
    const outcome = await meter.read([block(0)]).catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(TypeError);
  });
});
