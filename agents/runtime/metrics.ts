import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";

import type { MeterCounters } from "../metering/devices/device.ts";
import { roomOf } from "../store/room.ts";
import type { Figures } from "./figures.ts";
import { listen } from "./listen.ts";
import type { Log } from "./log.ts";

/** An agent that has not looked at its chain for so many polls, and at least so long, is not well. */
const [LATE_POLLS, LATE_SECONDS] = [10, 60];

type Value = number | undefined;

const GAUGES: readonly (readonly [
  name: string,
  help: string,
  valueOf: (figures: Figures) => Value | Promise<Value>,
])[] = [
  ["pof_pending_transactions", "Transactions on their way", ({ pending }) => pending],
  ["pof_gas_spent_coins", "What transactions cost in the last hour, in coins", (figures) => figures.spent()],
  ["pof_wallet_coins", "What the wallet has, in coins", (figures) => figures.coins()],
  ["pof_head_block", "Number of the last block followed", ({ headNumber }) => headNumber],
  [
    "pof_head_age_seconds",
    "Age of the last block followed, by this machine's clock",
    ({ headTimestamp }) => headTimestamp && Date.now() / 1000 - headTimestamp,
  ],
  [
    "pof_reorganisation_depth_blocks",
    "How many blocks the last reorganisation dropped",
    ({ reorganisationDepth }) => reorganisationDepth,
  ],
  [
    "pof_deadline_seconds",
    "Seconds from the last block until it is too late to rule (Operator), sweep (Aggregator) or dispute (DER)",
    ({ deadlineSeconds }) => deadlineSeconds,
  ],
];

/** What an agent tells a monitoring system about itself. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #events = new Counter({
    name: "pof_events_total",
    help: "Events of the log, by name",
    labelNames: ["event"],
    registers: [this.#registry],
  });
  readonly #looked = new Gauge({
    name: "pof_last_look_timestamp_seconds",
    help: "When the agent last caught up with the chain and did what was due, unix seconds",
    registers: [this.#registry],
  });
  readonly #failures = new Gauge({
    name: "pof_failed_looks_in_a_row",
    help: "How often in a row the node failed, or could not take a transaction",
    registers: [this.#registry],
  });
  readonly #lateSeconds: number;
  #figures: (() => Figures) | undefined;
  #lookedAt = Date.now() / 1000;

  constructor(agent: string, pollSeconds: number) {
    this.#registry.setDefaultLabels({ agent });
    collectDefaultMetrics({ register: this.#registry });
    this.#lateSeconds = Math.max(LATE_SECONDS, LATE_POLLS * pollSeconds);
    for (const [name, help, valueOf] of GAUGES) this.#gauge(name, help, valueOf);
    this.#nodeInUse();
    this.#meterEvents();
  }

  /** Lets an agent's figures be asked for. */
  watch(figures: () => Figures): void {
    this.#figures = figures;
  }

  /** Its value is looked up when it is asked for; it is left out while there is none. */
  #gauge(name: string, help: string, valueOf: (figures: Figures) => Value | Promise<Value>): void {
    const figures = (): Figures | undefined => this.#figures?.();
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      async collect() {
        const known = figures();
        const value = known && (await valueOf(known));
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  }

  #nodeInUse(): void {
    const node = (): string | undefined => this.#figures?.().node;
    new Gauge({
      name: "pof_node_in_use",
      help: "1 for the node that answered last, by its host",
      labelNames: ["node"],
      registers: [this.#registry],
      collect() {
        this.reset();
        const host = node();
        if (host !== undefined) this.set({ node: host }, 1);
      },
    });
  }

  /** Counted by the meter, since the agent started. */
  #meterEvents(): void {
    const counted = (): Readonly<MeterCounters> | undefined => this.#figures?.().meter;
    new Counter({
      name: "pof_meter_events_total",
      help: "What happened to the meter's device, by kind; none without a device",
      labelNames: ["event"],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [event, count] of Object.entries(counted() ?? {})) this.inc({ event }, count);
      },
    });
  }

  /** Tells how large a store is, and what room its disk has left. */
  watchStore(path: string): void {
    const registers = [this.#registry];
    new Gauge({
      name: "pof_store_bytes",
      help: "Size of the store, its log included",
      registers,
      collect() {
        this.set(roomOf(path).storeBytes);
      },
    });
    new Gauge({
      name: "pof_disk_free_bytes",
      help: "What is free on the disk of the store",
      registers,
      collect() {
        this.set(roomOf(path).freeBytes);
      },
    });
  }

  /** The log, with its events counted. */
  counting(log: Log): Log {
    return (event, fields) => {
      this.#events.inc({ event });
      log(event, fields);
    };
  }

  looked(): void {
    this.#lookedAt = Date.now() / 1000;
    this.#looked.set(this.#lookedAt);
    this.#failures.set(0);
  }

  failed(): void {
    this.#failures.inc();
  }

  /** Serves `/metrics` for Prometheus, and `/health`: 200, or 503 once the agent is late. @returns how to end it @throws {ConfigError} */
  async serve({ host, port }: { readonly host: string; readonly port: number }): Promise<{
    readonly url: string;
    close(): void;
  }> {
    const server = createServer((request, response) => {
      if (request.url === "/metrics") {
        void this.#registry.metrics().then(
          (text) => response.setHeader("content-type", this.#registry.contentType).end(text),
          (error: unknown) => response.writeHead(500).end(`${String(error)}\n`), // the agent goes on
        );
        return;
      }
      const late = Date.now() / 1000 - this.#lookedAt;
      const [status, text] =
        request.url === "/health"
          ? late > this.#lateSeconds
            ? [503, `no look at the chain for ${Math.floor(late)} s`]
            : [200, "ok"]
          : [404, "ask for /metrics or /health"];
      response.writeHead(status, { "content-type": "text/plain" }).end(`${text}\n`);
    });
    await listen(server, { host, port }, "metrics.port");
    const { port: bound } = server.address() as AddressInfo;
    const close = (): void => {
      server.close();
      server.closeAllConnections();
    };
    return { url: `http://${host}:${bound}`, close };
  }
}
