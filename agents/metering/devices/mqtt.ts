/** A meter that publishes its register by MQTT. Its messages come by themselves; the last one is what it says now. */

import { connect, type IClientOptions, type MqttClient } from "mqtt";

import { type Device, DeviceError, type Sample, zeroCounters } from "./device.ts";
import { type MessageForm, readMessage } from "./mqtt-message.ts";

export interface MqttOptions extends MessageForm {
  /** mqtt:// or mqtts://, without credentials. */
  readonly url: string;
  readonly topic: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Certificates in PEM: of the broker's authority, and the client's own with its key. */
  readonly ca?: Buffer | undefined;
  readonly cert?: Buffer | undefined;
  readonly key?: Buffer | undefined;
  readonly staleAfterSeconds: number;
  /** How long to wait before connecting again, ms. */
  readonly reconnectAfterMs?: number;
  /** Told of the connection and of the first message of a kind that cannot be used. */
  readonly log?: (event: string, fields?: Readonly<Record<string, unknown>>) => void;
}

/** At least once: a register loses nothing by being told twice. */
const QOS = 1;
const CONNECT_TIMEOUT_MS = 10_000;
const RECONNECT_AFTER_MS = 2_000;

/**
 * Connects when it is first asked, and goes on trying until it is closed. (Not before: a program that fails to start for
 * another reason would be kept from its end.)
 */
export function mqttDevice(options: MqttOptions): Device {
  const { url, topic, log = () => undefined } = options;
  const counters = zeroCounters();
  let last: Sample | undefined;
  let lastClock: string | undefined;
  let wasConnected = false;
  let isConnected = false;
  let trouble: string | undefined;

  /** Trouble comes again with each try: it is told when it is new. */
  const report = (event: string, reason: string): void => {
    if (trouble === reason) return;
    trouble = reason;
    log(event, { url, topic, reason });
  };

  let client: MqttClient | undefined;
  const start = (): MqttClient => {
    const client = connect(url, clientOptions(options));
    client.on("connect", () => {
      isConnected = true;
      if (wasConnected) counters.reconnects += 1;
      wasConnected = true;
      client.subscribe(topic, { qos: QOS }, (error) => {
        if (error === null) {
          trouble = undefined;
          log("meter connected", { url, topic });
          return;
        }
        counters.unreachable += 1;
        report("meter refused", error.message);
      });
    });
    client.on("close", () => {
      if (!isConnected) return;
      isConnected = false;
      counters.disconnects += 1;
      report("meter disconnected", "the connection was closed");
    });
    client.on("error", (error) => {
      counters.unreachable += 1;
      report("meter unreachable", error.message);
    });
    client.on("message", (_topic, payload, { retain }) => {
      const saidAt = performance.now();
      // The broker kept it from before: nobody can tell how old it is.
      if (retain) {
        counters.repeated += 1;
        return;
      }
      try {
        const { sample, clock } = readMessage(payload, options, saidAt);
        if (clock !== undefined && clock === lastClock) {
          counters.repeated += 1;
          return;
        }
        [last, lastClock] = [sample, clock];
        trouble = undefined;
      } catch (error) {
        if (!(error instanceof DeviceError)) throw error;
        counters[error.kind] += 1;
        report("meter message not used", error.message);
      }
    });
    return client;
  };

  return {
    counters,
    staleAfterSeconds: options.staleAfterSeconds,
    sample() {
      client ??= start();
      return Promise.resolve(last);
    },
    close: async () => client?.endAsync(true),
  };
}

function clientOptions({ username, password, ca, cert, key, reconnectAfterMs }: MqttOptions): IClientOptions {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    clean: true,
    resubscribe: false, // done above, so that a refusal is seen
    rejectUnauthorized: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: reconnectAfterMs ?? RECONNECT_AFTER_MS,
    reconnectOnConnackError: true, // credentials may be put right at the broker
  };
}
