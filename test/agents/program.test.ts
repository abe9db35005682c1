import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "chai";
import { computeAddress, encryptKeystoreJson } from "ethers";

import { openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { expectLines, pof, pofProcess } from "../pof/stage.ts";
import { type Chain, startChain } from "./community-stage.ts";

const WALLET_KEY = developmentKey(300);
const METER_KEY = developmentKey(301);
const PASSWORD = "correct horse battery staple";
const KEYS = { DER_KEY: WALLET_KEY, METER_KEY };

/** The DER's program, as it runs. */
class Program {
  readonly #process;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[], keys: Readonly<Record<string, string>>) {
    this.#process = spawn(process.execPath, ["--import", "tsx", "agents/pof/main.ts", "der", ...args], {
      env: { ...process.env, NODE_NO_WARNINGS: "1", ...keys },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process.stdout.on("data", (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.#process.stderr.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
  }

  /** The lines of the log. */
  get lines(): { event: string; url?: string }[] {
    return this.stderr
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line) as { event: string; url?: string });
  }

  get events(): string[] {
    return this.lines.map(({ event }) => event);
  }

  /** Waits until the log has this event. */
  async until(event: string): Promise<void> {
    for (let waited = 0; !this.events.includes(event); waited += 50) {
      if (waited > 30_000 || this.#process.exitCode !== null) {
        throw new Error(`no "${event}" in the log: ${this.stderr}`);
      }
      await sleep(50);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Signals the program, if it is to, and waits for its end. @returns its exit status */
  async ended(signal?: NodeJS.Signals): Promise<number | null> {
    const { exitCode } = this.#process;
    if (exitCode !== null) return exitCode;
    const closed = once(this.#process, "close");
    if (signal !== undefined) this.#process.kill(signal);
    const [status] = (await closed) as [number | null];
    return status;
  }
}

/** Gives a request to a node, and its answer back. */
async function passOn(url: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = await fetch(url, { method: "POST", body: await text(request) });
  response.end(await answer.text());
}

describe("The DER's program", function () {
  this.timeout(120_000);

  const folder = mkdtempSync(join(tmpdir(), "der-program-"));
  const file = join(folder, "der.json");

  after(function () {
    rmSync(folder, { recursive: true });
  });

  function config(chain: { url: string; registry: string }, change: object = {}): object {
    return {
      rpcUrl: chain.url,
      registry: chain.registry,
      store: join(folder, "der.sqlite"),
      walletKey: "DER_KEY",
      meterKey: "METER_KEY",
      pollSeconds: 0.1,
      powerW: 10_000,
      price: "30000",
      source: { kind: "wind", ratedW: 10_000, meanSpeed: 7, seed: 1 },
      listen: {},
      ...change,
    };
  }

  describe("on a local node", function () {
    let chain: Chain;

    before(async function () {
      chain = await startChain();
    });

    after(async function () {
      await chain.close();
    });

    it("joins, and stops with exit status 0 when it is told to", async function () {
      await chain.clock.endow(computeAddress(WALLET_KEY), 10n ** 18n);
      writeFileSync(file, JSON.stringify(config({ url: chain.node.url, ...chain.addresses })));
      const program = new Program(["--config", file], KEYS);
      await program.until("join");
      await chain.clock.moveTo((await chain.clock.now()) + 60);
      expect(await program.ended("SIGTERM")).to.equal(0);
      expect(program.events).to.deep.equal(["serving evidence", "started", "join", "stopping", "stopped"]);
      expect(program.stdout).to.equal("");

      const connection = await chain.link(WALLET_KEY);
      const account = await connection.vault.accountOf(connection.wallet.address);
      const agreement = await connection.ariaAt(chain.addresses.aria).agreementOf(account);
      connection.close();
      expect([agreement.powerW, agreement.price, agreement.deposit]).to.deep.equal([
        10_000n,
        30_000n,
        1_000_000n,
      ]);
      const store = openSqliteStore(join(folder, "der.sqlite"));
      expect(await store.lastReading(computeAddress(METER_KEY))).to.not.be.undefined;
      await store.close();
    });

    for (const setting of ["listen", "metrics"] as const) {
      it(`ends with a line when ${setting}.port is in use`, async function () {
        const taken = createServer().listen(0, "127.0.0.1");
        await once(taken, "listening");
        const { port } = taken.address() as AddressInfo;
        const change = { [setting]: { port }, store: join(folder, `${setting}.sqlite`) };
        writeFileSync(file, JSON.stringify(config({ url: chain.node.url, ...chain.addresses }, change)));
        const { status, stderr } = await pofProcess(["der", "--config", file], KEYS);
        taken.close();
        expect(status).to.equal(2);
        expect(stderr.trim().split("\n").at(-1)).to.equal(
          `127.0.0.1:${port} cannot be listened on (EADDRINUSE): set ${setting}.port to a port that is free`,
        );
      });
    }

    it("takes its keys from keystores, and shows none of its secrets", async function () {
      const keystore = async (name: string, privateKey: string): Promise<{ keystore: string }> => {
        const path = join(folder, name);
        const account = { address: computeAddress(privateKey), privateKey };
        writeFileSync(path, await encryptKeystoreJson(account, PASSWORD, { scrypt: { N: 1024 } }));
        return { keystore: path };
      };
      const keys = {
        walletKey: await keystore("wallet.json", WALLET_KEY),
        meterKey: await keystore("meter.json", METER_KEY),
      };
      const secrets = [WALLET_KEY.slice(2), METER_KEY.slice(2), PASSWORD];
      const passwords = { POF_WALLET_KEY_PASSWORD: PASSWORD, POF_METER_KEY_PASSWORD: PASSWORD };
      writeFileSync(file, JSON.stringify(config({ url: chain.node.url, ...chain.addresses }, keys)));
      const env = { ...passwords, DEBUG: "*", POF_LOG_LEVEL: "debug", POF_METRICS_PORT: "0" };
      const program = new Program(["--config", file], env);
      await program.until("looked"); // told at debug level only
      const { url = "" } = program.lines.find(({ event }) => event === "serving metrics") ?? {};
      const told = await (await fetch(`${url}/metrics`)).text();
      expect(told)
        .to.contain('pof_events_total{event="started",agent="der"} 1')
        .and.to.contain("pof_failed_looks_in_a_row{")
        .and.to.contain('pof_pending_transactions{agent="der"} 0')
        .and.to.match(/^pof_wallet_coins\S* 1000$/m)
        .and.to.match(/^pof_gas_spent_coins\S* 0\.\d+$/m)
        .and.to.match(/^pof_head_block\S* [1-9]\d*$/m)
        .and.to.match(/^pof_head_age_seconds\S* -?\d/m)
        .and.to.contain('pof_reorganisation_depth_blocks{agent="der"} 0')
        .and.to.contain(`pof_node_in_use{node="${new URL(chain.node.url).host}",agent="der"} 1`);
      const lookedAt = Number(/^pof_last_look_timestamp_seconds\S* (\S+)$/m.exec(told)?.[1]);
      expect(Math.abs(Date.now() / 1000 - lookedAt) < 30).to.be.true;
      for (const gauge of ["pof_store_bytes", "pof_disk_free_bytes"])
        expect(Number(new RegExp(`^${gauge}\\S* (\\S+)$`, "m").exec(told)?.[1]), gauge).to.be.above(0);
      expect((await fetch(`${url}/health`)).status).to.equal(200);
      expect((await fetch(`${url}/else`)).status).to.equal(404);
      expect(await program.ended("SIGINT"), program.stderr).to.equal(0);
      const wrong = { ...passwords, POF_METER_KEY_PASSWORD: "wrong" };
      const refused = await pof(["der", "--config", file], wrong);
      expect(refused.stderr).to.match(/meter\.json cannot be opened .*: see POF_METER_KEY_PASSWORD\n$/);
      for (const secret of secrets) {
        expect(program.stdout + program.stderr + refused.stderr).to.not.contain(secret);
      }
    });

    it("is told by the environment rather than by the file, and refuses a node of another chain", async function () {
      const path = join(folder, "der.yaml");
      const yaml = [
        "# A comment.",
        "rpcUrl: http://127.0.0.1:1 # nobody is there",
        `registry: ${chain.addresses.registry}`,
        `store: ${join(folder, "elsewhere.sqlite")}`,
        "walletKey: DER_KEY",
        "meterKey: METER_KEY",
        "powerW: 10000",
        "price: 30000",
        "source: { kind: wind, ratedW: 10000, meanSpeed: 7, seed: 1 }",
      ];
      writeFileSync(path, yaml.join("\n"));
      const env = { ...KEYS, POF_RPC_URL: chain.node.url, POF_CHAIN_ID: "1" };
      const { status, stderr } = await pof(["der", "--config", path], env);
      expect([status, stderr]).to.deep.equal([
        1,
        "the node is of another chain: expected 1, received 31337\n",
      ]);
    });
  });

  describe("when it is told to stop in the midst of work", function () {
    /** A node that takes every request, and answers none after the first few. */
    const silent = createServer();
    let chain: Chain;

    before(async function () {
      chain = await startChain();
      await chain.clock.endow(computeAddress(WALLET_KEY), 10n ** 18n);
      silent.listen(0, "127.0.0.1");
      await once(silent, "listening");
    });

    after(async function () {
      silent.closeAllConnections();
      silent.close();
      await chain.close();
    });

    /** The program, in a request that is never answered. */
    async function hanging(): Promise<Program> {
      let answers = true;
      silent.removeAllListeners("request");
      silent.on("request", (request, response) => {
        if (!answers) return;
        void passOn(chain.node.url, request, response);
      });
      const { port } = silent.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}`;
      const store = join(folder, `hanging-${port}-${Date.now()}.sqlite`);
      writeFileSync(file, JSON.stringify(config({ url, ...chain.addresses }, { store })));
      const program = new Program(["--config", file], KEYS);
      await program.until("started");
      answers = false;
      await once(silent, "request");
      return program;
    }

    it("gives up on what hangs, closes its store, and ends within ten seconds", async function () {
      const program = await hanging();
      const told = Date.now();
      expect(await program.ended("SIGTERM"), program.stderr).to.equal(0);
      expect(Date.now() - told)
        .to.be.above(2_000)
        .and.below(10_000);
      expect(program.events.slice(-2)).to.deep.equal(["stopping", "stopped in the midst of work"]);
      const { store } = JSON.parse(readFileSync(file, "utf8")) as { store: string };
      await openSqliteStore(store).close();
    });

    it("ends at once when it is told again", async function () {
      const program = await hanging();
      const told = Date.now();
      program.signal("SIGTERM");
      await program.until("stopping");
      expect(await program.ended("SIGINT")).to.equal(130);
      expect(Date.now() - told).to.be.below(3_000);
    });
  });

  describe("with a bad configuration says why in one line, with exit status 2:", function () {
    const nowhere = { url: "http://127.0.0.1:1", registry: computeAddress(WALLET_KEY) };
    const written = (change: object): string => JSON.stringify(config(nowhere, change));
    const { DER_KEY } = KEYS;

    const cases: [what: string, content: string | undefined, env: Record<string, string>, says: RegExp][] = [
      ["no file", undefined, KEYS, /cannot be read: ENOENT/],
      ["what is no YAML", "rpcUrl: [", KEYS, /cannot be read as YAML or JSON: .* at line 1/],
      ["a list", "[]", KEYS, /is no configuration: expected fields with values/],
      ["an unknown field", written({ pwoerW: 1 }), KEYS, /pwoerW/],
      ["a registry that is no address", written({ registry: "0x12" }), KEYS, /registry: must be an address/],
      ["an unknown source", written({ source: { kind: "tide" } }), KEYS, /source\.kind: /],
      [
        "a meter's credential that is not set",
        written({
          source: { kind: "mqtt", url: "mqtt://host", topic: "t", unit: "Wh", password: "NO_SUCH_PASSWORD" },
        }),
        KEYS,
        /set the environment variable NO_SUCH_PASSWORD/,
      ],
      [
        "a key in the file",
        written({ walletKey: WALLET_KEY }),
        KEYS,
        /walletKey: must be the name of an environ/,
      ],
      ["a key that is not set", written({}), { DER_KEY }, /set the environment variable METER_KEY/],
      [
        "a key that is none",
        written({}),
        { ...KEYS, METER_KEY: "0x12" },
        /METER_KEY must hold a private key/,
      ],
      [
        "no keystore",
        written({ walletKey: { keystore: "/no/such" } }),
        KEYS,
        /keystore \/no\/such cannot be read/,
      ],
      [
        "a file that is none",
        written({ meterKey: { keystore: "package.json" } }),
        KEYS,
        /is no keystore: make one/,
      ],
      [
        "a prompt without a terminal",
        written({ walletKey: "prompt" }),
        KEYS,
        /there is no terminal to ask on for wal/,
      ],
      [
        "a value of the environment",
        written({}),
        { ...KEYS, POF_LISTEN_PORT: "x" },
        /listen\.port \(from POF_LISTEN_PORT\): /,
      ],
    ];

    for (const [what, content, env, says] of cases) {
      it(what, async function () {
        const path = join(folder, "bad.json");
        rmSync(path, { force: true });
        if (content !== undefined) writeFileSync(path, content);
        const { status, stdout, stderr } = await pof(["der", "--config", path], env);
        expect([status, stdout], stderr).to.deep.equal([2, ""]);
        expect(stderr)
          .to.match(/^[^\n]+\n$/)
          .and.to.match(says);
        for (const key of Object.values(KEYS)) {
          expect(stderr, "a key is never shown").to.not.contain(key.slice(2));
        }
      });
    }

    it("no --config, or an option it does not know", async function () {
      await expectLines(2, [
        [["der"], /required option '--config <file>' not specified \(see: npm run pof -- der --help\)/],
        [["der", "--config", file, "--confg", file], /unknown option '--confg'/],
      ]);
    });
  });

  it("explains itself with --help", async function () {
    for (const role of ["der", "aggregator", "operator"]) {
      const { status, stdout, stderr } = await pof([role, "--help"]);
      expect([status, stderr]).to.deep.equal([0, ""]);
      expect(stdout).to.contain("--config <file>").and.to.contain("Examples:");
    }
  });
});
