import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "chai";
import { connectAsync, type MqttClient } from "mqtt";

import type { Device } from "../../../agents/metering/devices/device.ts";
import { mqttDevice, type MqttOptions } from "../../../agents/metering/devices/mqtt.ts";
import { type Broker, BROKERS, type Certificates, makeCertificates, PASSWORD, USER } from "./brokers.ts";

const TOPIC = "plant/7/energy";

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await isSo()); waited += 10) {
    if (waited > 10_000) throw new Error(`waited in vain until ${what}`);
    await sleep(10);
  }
}

for (const { name, isHere, make } of BROKERS) {
  const title = `A meter that publishes by MQTT, with the broker ${name}`;
  if (!isHere) {
    describe.skip(`${title} (skipped: ${name} is not installed)`, function () {
      it("is tried where the broker is installed", () => undefined);
    });
    continue;
  }

  describe(title, function () {
    this.timeout(30_000);

    let certificates: Certificates;
    let broker: Broker;
    let publisher: MqttClient;
    let device: Device;
    let log: string[];

    before(async function () {
      certificates = await makeCertificates();
    });

    beforeEach(async function () {
      log = [];
      broker = await make(certificates);
      await broker.start();
      publisher = await connectAsync(`mqtt://127.0.0.1:${broker.openPort}`, { reconnectPeriod: 50 });
      publisher.on("error", () => undefined);
    });

    afterEach(async function () {
      await device.close();
      await publisher.endAsync(true);
      await broker.stop();
    });

    /** A device that was asked for the first time, and so connects. */
    function open(change: Partial<MqttOptions> = {}): Device {
      const opened = mqttDevice({
        url: `mqtt://127.0.0.1:${broker.openPort}`,
        topic: TOPIC,
        register: "/total",
        unit: "kWh",
        powerUnit: "W",
        clock: "/time",
        staleAfterSeconds: 60,
        reconnectAfterMs: 50,
        log: (event, fields) => log.push(`${event} ${JSON.stringify(fields)}`),
        ...change,
      });
      void opened.sample();
      return opened;
    }

    function openTls(change: Partial<MqttOptions> = {}): Device {
      const { ca, client } = certificates;
      return open({
        url: `mqtts://127.0.0.1:${broker.tlsPort}`,
        ca: Buffer.from(ca),
        cert: Buffer.from(client.cert),
        key: Buffer.from(client.key),
        username: USER,
        password: PASSWORD,
        ...change,
      });
    }

    async function connected(times = 1): Promise<void> {
      const isConnected = (line: string): boolean => line.startsWith("meter connected");
      await until(`connected ${times} times`, () => log.filter(isConnected).length >= times);
    }

    function publish(payload: string, retain = false): Promise<unknown> {
      return publisher.publishAsync(TOPIC, payload, { qos: 1, retain });
    }

    /** Publishes, and waits until the device says it. */
    async function says(time: number, total: string, registerMicroWh: bigint): Promise<void> {
      await publish(`{"time":${time},"total":${total}}`);
      await until(
        `it says ${total}`,
        async () => (await device.sample())?.registerMicroWh === registerMicroWh,
      );
    }

    it("says nothing before its first message, and then what the last one said", async function () {
      device = open();
      await connected();
      expect(await device.sample()).to.equal(undefined);
      await says(1, "8123.456789", 8_123_456_789_000n);
      await says(2, "8123.5", 8_123_500_000_000n);
      const { saidAt } = (await device.sample())!;
      expect(performance.now() - saidAt).to.be.within(0, 5_000);
    });

    it("hears no other topic", async function () {
      device = open();
      await connected();
      await publisher.publishAsync(`${TOPIC}/other`, '{"total":1}', { qos: 1 });
      await says(1, "2", 2_000_000_000n);
      expect(device.counters).to.include({ malformed: 0, missing: 0, repeated: 0 });
    });

    it("does not take for new what the broker had kept", async function () {
      await publish('{"time":1,"total":5}', true);
      device = open();
      await until("it is counted", () => device.counters.repeated === 1);
      expect(await device.sample()).to.equal(undefined);
      await says(2, "6", 6_000_000_000n);
    });

    it("does not take a message for new in which the device's time stands still", async function () {
      device = open();
      await connected();
      await says(1, "5", 5_000_000_000n);
      const first = await device.sample();
      await publish('{"time":1,"total":5}');
      await until("it is counted", () => device.counters.repeated === 1);
      expect(await device.sample()).to.equal(first);
    });

    it("counts what it cannot use, tells it once, and stays with what was said before", async function () {
      device = open();
      await connected();
      await says(1, "5", 5_000_000_000n);
      for (const bad of ['{"total":null}', "{}", "", "oops", '{"total":"much"}', "oops"]) await publish(bad);
      await until("all are counted", () => device.counters.malformed === 4 && device.counters.missing === 2);
      expect((await device.sample())?.registerMicroWh).to.equal(5_000_000_000n);
      const told = log.filter((line) => line.startsWith("meter message not used"));
      expect(told.length).to.be.within(2, 5);
      await says(2, "6", 6_000_000_000n);
    });

    it("is heard again when the broker was away, which is counted", async function () {
      device = open();
      await connected();
      await says(1, "5", 5_000_000_000n);
      await broker.stop();
      await until("it is counted", () => device.counters.disconnects === 1);
      await until("it tries again", () => device.counters.unreachable > 1);
      await broker.start();
      await connected(2);
      await until("the publisher is back", () => publisher.connected);
      await says(2, "6", 6_000_000_000n);
      expect(device.counters).to.include({ disconnects: 1, reconnects: 1 });
    });

    it("need not be there when the agent starts", async function () {
      await broker.stop();
      device = open();
      await until("it is counted", () => device.counters.unreachable > 1);
      expect(log.filter((line) => line.includes("ECONNREFUSED"))).to.have.length(1);
      await broker.start();
      await connected();
      await until("the publisher is back", () => publisher.connected);
      await says(1, "5", 5_000_000_000n);
      expect(device.counters).to.include({ disconnects: 0, reconnects: 0 });
    });

    it("is heard by TLS, with the client's certificate and password", async function () {
      device = openTls();
      await connected();
      await says(1, "5", 5_000_000_000n);
      expect(device.counters.unreachable).to.equal(0);
    });

    const refused: [what: string, change: Partial<MqttOptions>][] = [
      ["a broker whose certificate nobody vouches for", { ca: undefined }],
      ["a wrong password", { password: "wrong battery" }],
      ["no password", { username: undefined, password: undefined }],
      ["no certificate of the client", { cert: undefined, key: undefined }],
    ];
    for (const [what, change] of refused) {
      it(`is not heard by TLS with ${what}`, async function () {
        device = openTls(change);
        await until("it is refused", () => device.counters.unreachable + device.counters.disconnects > 1);
        expect(log.join("\n")).to.not.contain("meter connected");
        expect(log.join("\n")).to.not.contain(PASSWORD).and.to.not.contain("wrong battery");
        expect(await device.sample()).to.equal(undefined);
      });
    }
  });
}
