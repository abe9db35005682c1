import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "chai";
import { computeAddress } from "ethers";
import { connectAsync, type MqttClient } from "mqtt";

import type { Connection } from "../../agents/chain/connection.ts";
import { ChainFollower } from "../../agents/chain/follower.ts";
import { meterSpec, openMeter } from "../../agents/der/meter.ts";
import { type Device, isDevice } from "../../agents/metering/devices/device.ts";
import { genesisDigest, verifyChain } from "../../agents/metering/reading.ts";
import { silent } from "../../agents/runtime/log.ts";
import { payment } from "../../agents/settlement/rules.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { type Broker, BROKERS, makeCertificates } from "../metering/devices/brokers.ts";
import { common, inverter, mapOf, ModbusServer } from "../metering/devices/sunspec-server.ts";
import {
  type Chain,
  Community,
  constant,
  EPOCH_SECONDS,
  except,
  FIRST_BLOCK_AT,
  LAST_BLOCK_AT,
  type Plant,
  startChain,
} from "./community-stage.ts";

const FULL_W = 7_200n; // 2 Wh a second: 1800 Wh an epoch
const ASKED_WH = 1_440n; // 80 % of that
const TOPIC = "plant/energy";
/** What the devices counted before any of this. */
const BEFORE_WH = 812_345;

/** Opens a meter as the configuration file would have it. */
function opened(source: object): Device {
  const device = openMeter(meterSpec.parse(source), silent);
  if (!isDevice(device)) throw new Error(`${JSON.stringify(source)} is no device`);
  return device;
}

describe("Agents whose meters are devices, on a local node", function () {
  this.timeout(180_000);

  let chain: Chain;
  let community: Community;
  let auditor: Connection;
  let books: ChainFollower;
  let broker: Broker;
  let publisher: MqttClient;
  let inverterServer: ModbusServer;
  let mqtt: Device;
  let first: number;
  let started: number;
  let plants: [byMqtt: Plant, bySunSpec: Plant];

  before(async function () {
    broker = await BROKERS.findLast(({ isHere }) => isHere)!.make(await makeCertificates());
    await broker.start();
    publisher = await connectAsync(`mqtt://127.0.0.1:${broker.openPort}`);
    inverterServer = new ModbusServer();
    await inverterServer.start();

    chain = await startChain();
    started = await chain.clock.now();
    first = Math.floor(started / EPOCH_SECONDS) + 4;
    const steady = constant(FULL_W);
    const plant = { powerW: 10_000n, forecast: steady, fed: steady };
    const shorted = except(steady, first + 1, 3_600n);
    plants = [
      {
        ...plant,
        name: "mqtt",
        price: 20_000n,
        aggregatorSees: shorted,
        device: () => {
          const url = `mqtt://127.0.0.1:${broker.openPort}`;
          mqtt = opened({ kind: "mqtt", url, topic: TOPIC, register: "/total", unit: "kWh", clock: "/time" });
          return mqtt;
        },
      },
      {
        ...plant,
        name: "sunspec",
        price: 30_000n,
        aggregatorSees: shorted,
        device: () => opened({ kind: "sunspec", host: "127.0.0.1", port: inverterServer.port }),
      },
    ];
    community = new Community(chain, plants);
    await community.start(2n * ASKED_WH, first, 3);
    auditor = await chain.link(developmentKey(9));
    books = new ChainFollower(auditor, openSqliteStore(":memory:"), 0);
  });

  after(async function () {
    await community.close();
    auditor.close();
    await chain.close();
    await publisher.endAsync(true);
    await broker.stop();
    await inverterServer.stop();
  });

  /** The devices show what was fed until now. The inverter counts in steps of 10 Wh. */
  async function devicesCount(): Promise<void> {
    const now = await chain.clock.now();
    const wh = BEFORE_WH + 2 * (now - started);
    inverterServer.words = mapOf([common(), inverter(Math.floor(wh / 10), 1, Number(FULL_W))]);
    const message = `{"time":${now},"total":${Math.floor(wh / 1_000)}.${String(wh % 1_000).padStart(3, "0")}}`;
    const says = async (): Promise<boolean> =>
      (await mqtt.sample())?.registerMicroWh === BigInt(wh) * 1_000_000n;
    for (let waited = 0; !(await says()); waited += 20) {
      if (waited > 10_000) throw new Error(`the broker does not pass on ${message}`);
      await publisher.publishAsync(TOPIC, message, { qos: 1 });
      await sleep(20);
    }
  }

  /** Lets an epoch pass; the meters are read at its first and its last block. */
  async function play(epoch: number): Promise<void> {
    for (const seconds of [FIRST_BLOCK_AT, LAST_BLOCK_AT]) {
      await chain.clock.moveTo(epoch * EPOCH_SECONDS + seconds);
      await devicesCount();
      await community.look();
    }
  }

  function accountOf(plant: Plant): bigint {
    return books.ledger.accountOf(community.addressOf(plant))!;
  }

  function balances(): Promise<bigint[]> {
    return Promise.all(plants.map((plant) => auditor.vault.balanceOf(accountOf(plant))));
  }

  it("join, feed and are paid", async function () {
    for (const epoch of [first - 2, first - 1, first]) await play(epoch);
    await books.follow();
    const before = await balances();
    await play(first + 1);
    const after = await balances();
    expect(after.map((balance, i) => balance - before[i]!)).to.deep.equal(
      plants.map(({ price }) => payment(ASKED_WH, price)),
    );
  });

  it("take a short-changed epoch to the Operator, who rules for them by what their devices counted", async function () {
    await play(first + 2);
    await play(first + 3);
    await books.follow();
    const disputes = [...books.service.view.disputes.values()];
    expect(
      disputes.map(({ account, epoch, status, fault }) => [account, epoch, status, fault]),
    ).to.have.deep.members(plants.map((plant) => [accountOf(plant), first + 1, "ruled", "aggregator"]));
    for (const { account, epoch, awardedWh } of disputes) {
      const entry = books.service.view.entryOf(account, epoch)!;
      expect(awardedWh).to.equal(entry.requestedWh - entry.creditedWh!);
      expect(awardedWh! > 500n, "of some 900 Wh that the Aggregator did not see").to.equal(true);
    }
  });

  it("have chains of readings that count what was fed, no more and no less than a step of the device", async function () {
    const key = (plant: Plant): string => computeAddress(community.meterKeyOf(plant));
    for (const [plant, stepWh] of [
      [plants[0], 1n],
      [plants[1], 10n],
    ] as const) {
      const agent = community.derOf(plant);
      expect(agent.figures.meter).to.include({ implausible: 0, restarts: 0, unreachable: 0, malformed: 0 });
      await agent.close();
      const store = community.openStore(plant.name);
      const readings = await store.readingsBetween(key(plant), 0, Infinity);
      await store.close();
      expect(verifyChain(readings, genesisDigest(key(plant)))).to.deep.equal({ ok: true });
      const [begin, end] = [readings[0]!, readings.at(-1)!];
      const fedWh = 2n * BigInt(end.blockTimestamp - begin.blockTimestamp);
      // Each register is read at the block's time, but for the few seconds of the blocks that transactions mine.
      const away = end.registerWh - fedWh;
      expect(away > -stepWh - 60n && away < stepWh + 60n, `${end.registerWh} Wh of ${fedWh} Wh`).to.equal(
        true,
      );
      expect(readings.length).to.be.above(8);
      await community.startDer(plant);
    }
  });
});
