import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "chai";
import { computeAddress } from "ethers";

import { openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { type Chain, startChain } from "./community-stage.ts";

const WALLET_KEY = developmentKey(300);
const METER_KEY = developmentKey(301);
const KEYS = { DER_KEY: WALLET_KEY, METER_KEY };

/** The DER's program, as it runs. */
class Program {
  readonly #process;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[], keys: Readonly<Record<string, string>>) {
    this.#process = spawn(process.execPath, ["--import", "tsx", "agents/der/main.ts", ...args], {
      env: { ...process.env, NODE_NO_WARNINGS: "1", ...keys },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process.stdout.on("data", (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.#process.stderr.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
  }

  /** The lines on standard error that are events of the log. */
  get events(): string[] {
    return this.stderr
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => (JSON.parse(line) as { event: string }).event);
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
      expect(program.events).to.deep.equal(["serving evidence", "started", "join", "stopped"]);
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
  });

  describe("with a bad configuration says why in one line, with exit status 2:", function () {
    const nowhere = { url: "http://127.0.0.1:1", registry: computeAddress(WALLET_KEY) };
    const text = (change: object): string => JSON.stringify(config(nowhere, change));
    const { DER_KEY } = KEYS;

    const cases: [what: string, content: string | undefined, keys: Record<string, string>, says: RegExp][] = [
      ["no file", undefined, KEYS, /cannot be read as JSON: ENOENT/],
      ["an unknown field", text({ pwoerW: 1 }), KEYS, /pwoerW/],
      ["a registry that is no address", text({ registry: "0x12" }), KEYS, /registry: must be an address/],
      ["an unknown source", text({ source: { kind: "tide" } }), KEYS, /source\.kind: /],
      [
        "a meter's credential that is not set",
        text({
          source: { kind: "mqtt", url: "mqtt://host", topic: "t", unit: "Wh", password: "NO_SUCH_PASSWORD" },
        }),
        KEYS,
        /set the environment variable NO_SUCH_PASSWORD/,
      ],
      [
        "a key in the file",
        text({ walletKey: WALLET_KEY }),
        KEYS,
        /walletKey: must name an environment variable/,
      ],
      ["a key that is not set", text({}), { DER_KEY }, /set the environment variable METER_KEY/],
      ["a key that is none", text({}), { ...KEYS, METER_KEY: "0x12" }, /METER_KEY must hold a private key/],
    ];

    /** All are started at once: each takes a second, nearly all of it to load. */
    const outcomes = new Map<string, { program: Program; status: Promise<number | null> }>();

    before(function () {
      for (const [what, content, keys] of cases) {
        const path = join(folder, `${outcomes.size}.json`);
        if (content !== undefined) writeFileSync(path, content);
        const program = new Program(["--config", path], keys);
        outcomes.set(what, { program, status: program.ended() });
      }
    });

    for (const [what, , , says] of cases) {
      it(what, async function () {
        const { program, status } = outcomes.get(what)!;
        expect(await status, program.stderr).to.equal(2);
        expect(program.stderr)
          .to.match(/^[^\n]+\n$/)
          .and.to.match(says);
        expect(program.stderr, "a key is never shown").to.not.contain(METER_KEY.slice(2));
        expect(program.stdout).to.equal("");
      });
    }

    it("no --config, or an option it does not know", async function () {
      const programs = [[], ["--confg", file]].map((args) => new Program(args, KEYS));
      for (const program of programs) {
        expect(await program.ended()).to.equal(2);
        expect(program.stderr).to.match(/^error: [^\n]+\n$/);
      }
    });
  });

  it("explains itself with --help", async function () {
    const program = new Program(["--help"], {});
    expect(await program.ended()).to.equal(0);
    expect(program.stdout).to.contain("--config <file>").and.to.contain("Example:");
    expect(program.stderr).to.equal("");
  });
});
