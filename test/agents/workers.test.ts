import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "chai";
import { getAddress, toBeHex } from "ethers";

import { AggregatorAgent } from "../../agents/aggregator/agent.ts";
import { LOTS, lotOf, type Share, WorkerShare } from "../../agents/aggregator/share.ts";
import type { Connection } from "../../agents/chain/connection.ts";
import { ChainFollower } from "../../agents/chain/follower.ts";
import type { FlowRequest } from "../../agents/chain/service-view.ts";
import { Commitment } from "../../agents/evidence/commitment.ts";
import { keptMeterId } from "../../agents/evidence/kept-meter.ts";
import { genesisDigest, type StampedReading, verifyChain } from "../../agents/metering/reading.ts";
import { openSource, sourceSpec } from "../../agents/metering/sources/spec.ts";
import { payment } from "../../agents/settlement/rules.ts";
import { openPostgresReader, openPostgresStore } from "../../agents/store/postgres.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { StoreReader } from "../../agents/store/store.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import {
  POSTGRES_PROGRAMS,
  type PostgresServer,
  startPostgres,
  WITHOUT_POSTGRES,
} from "../store/postgres-server.ts";
import {
  AGGREGATOR_KEY,
  type Chain,
  Community,
  EPOCH_SECONDS,
  FIRST_BLOCK_AT,
  LAST_BLOCK_AT,
  type Plant,
  PROMISED_PERCENT,
  startChain,
} from "./community-stage.ts";

const DERS = 8;
/** Always feeds 7.2 kW, 2 Wh a second: a source that the program and the tests can open alike. */
const STEADY = {
  kind: "battery" as const,
  capacityWh: 172_800,
  dischargeW: 7_200,
  windowStartSeconds: 0,
  windowEndSeconds: 86_400,
};
const ASKED_WH = 1_440n;
const WH_A_SECOND = 2;
const DEPOSITED = 1_050_000n; // for 10 kW, and a bond to dispute with

describe("The share of a worker", function () {
  /** What the database would say: who has what. */
  class PaperLocks {
    readonly #taken: Map<string | number, PaperLocks>;
    readonly #workers: Set<PaperLocks>;

    constructor(taken = new Map<string | number, PaperLocks>(), workers = new Set<PaperLocks>()) {
      this.#taken = taken;
      this.#workers = workers.add(this);
    }

    colleague(): PaperLocks {
      return new PaperLocks(this.#taken, this.#workers);
    }

    lose(): void {
      this.#workers.delete(this);
      for (const [lock, holder] of this.#taken) if (holder === this) this.#taken.delete(lock);
    }

    try(lock: string | number): Promise<boolean> {
      if (this.#taken.has(lock)) return Promise.resolve(false);
      this.#taken.set(lock, this);
      return Promise.resolve(true);
    }

    release(lock: string | number): Promise<void> {
      this.#taken.delete(lock);
      return Promise.resolve();
    }

    holders(): Promise<number> {
      return Promise.resolve(this.#workers.size);
    }
  }

  const ders = Array.from({ length: LOTS }, (_, lot) => getAddress(toBeHex(lot, 20)));
  const lotsOf = (share: Share): number => ders.filter((der) => share.meters(der)).length;

  it("is all there is for the only one, and an equal part for each of several", async function () {
    const locks = new PaperLocks();
    const first = new WorkerShare(locks);
    await first.renew();
    expect([lotsOf(first), first.leads()]).to.deep.equal([LOTS, true]);
    const others = [locks.colleague(), locks.colleague()].map((each) => new WorkerShare(each));
    for (const share of [first, ...others]) await share.renew();
    expect([first, ...others].map(lotsOf)).to.deep.equal([22, 22, 20]);
    for (const der of ders) expect([first, ...others].filter((share) => share.meters(der))).to.have.length(1);
    expect(others.map((share) => share.leads())).to.deep.equal([false, false]);
  });

  it("grows by what a lost one had, the lead among it", async function () {
    const locks = new PaperLocks();
    const [first, second] = [new WorkerShare(locks), new WorkerShare(locks.colleague())];
    for (const share of [first, second]) await share.renew();
    await first.renew();
    await second.renew();
    locks.lose();
    await second.renew();
    expect([lotsOf(second), second.leads()]).to.deep.equal([LOTS, true]);
  });

  it("has a DER in one lot, always the same", function () {
    expect(ders.map(lotOf)).to.deep.equal(ders.map((_, lot) => lot));
  });
});

(POSTGRES_PROGRAMS === undefined ? describe.skip : describe)(
  `An Aggregator of two workers${WITHOUT_POSTGRES}`,
  function () {
    this.timeout(180_000);

    const folder = mkdtempSync(join(tmpdir(), "workers-"));
    let server: PostgresServer;
    let chain: Chain;
    let community: Community;
    let reader: StoreReader;
    let program: ReturnType<typeof startProgram>;
    let said = "";
    let first: number;
    let url: string;
    let share: WorkerShare;
    let auditor: Connection;
    let books: ChainFollower;

    const source = openSource(sourceSpec.parse(STEADY));
    const plants: Plant[] = Array.from({ length: DERS }, (_, i) => ({
      name: `plant-${i}`,
      powerW: 10_000n,
      price: 20_000n + BigInt(i),
      forecast: source,
      fed: source,
      aggregatorSees: source,
    }));

    before(async function () {
      [server, chain] = await Promise.all([startPostgres(), startChain()]);
      first = Math.floor((await chain.clock.now()) / EPOCH_SECONDS) + 4;
      community = new Community(chain, plants);
      await community.start(BigInt(DERS) * ASKED_WH, first, 8);
      await community.aggregator.close();
      url = await server.newStore();
      const connection = await chain.link(AGGREGATOR_KEY); // has coins from now on
      program = startProgram();
      await until(() => said.includes('"looked"'));
      // The other worker is in this process, and looks when the community does.
      const store = await openPostgresStore(url, { shared: true });
      share = new WorkerShare(store.locks);
      reader = await openPostgresReader(url);
      community.aggregator = new AggregatorAgent({
        connection,
        store,
        startBlock: 0,
        policy: { epochsPerSweep: 1, figuresPerRequest: 1_000, promisedPercent: PROMISED_PERCENT },
        connected: () => ({ source, forecast: source }),
        listen: { host: "127.0.0.1", port: 0 },
        share,
      });
      auditor = await chain.link(developmentKey(9));
      books = new ChainFollower(auditor, openSqliteStore(":memory:"), 0);
    });

    after(async function () {
      program.kill("SIGKILL");
      auditor.close();
      await reader.close();
      await community.close();
      await Promise.all([chain.close(), server.stop()]);
      rmSync(folder, { recursive: true });
    });

    function startProgram() {
      const file = join(folder, "aggregator.json");
      const config = {
        rpcUrl: chain.node.url,
        registry: chain.addresses.registry,
        store: url,
        walletKey: "AGGREGATOR_KEY",
        pollSeconds: 0.1,
        log: { level: "debug" },
        meters: plants.map((plant) => ({ der: community.addressOf(plant), source: STEADY })),
        listen: {},
      };
      writeFileSync(file, JSON.stringify(config));
      const started = spawn(
        process.execPath,
        ["--import", "tsx", "agents/pof/main.ts", "aggregator", "--config", file],
        {
          env: { ...process.env, NODE_NO_WARNINGS: "1", AGGREGATOR_KEY },
          stdio: ["ignore", "ignore", "pipe"],
        },
      );
      started.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      return started;
    }

    async function until(what: () => boolean | Promise<boolean>): Promise<void> {
      const deadline = Date.now() + 20_000;
      while (!(await what())) {
        if (Date.now() > deadline) throw new Error(`it did not come about: ${said.slice(-2_000)}`);
        await sleep(50);
      }
    }

    const meterOf = (plant: Plant): string =>
      keptMeterId(community.aggregator.address, community.addressOf(plant));
    const own = (): Plant[] => plants.filter((plant) => share.meters(community.addressOf(plant)));

    /** Mines a block, lets everybody look, and waits until every DER has a reading of it, by whichever worker. */
    async function metered(timestamp: number): Promise<void> {
      await chain.clock.moveTo(timestamp);
      await community.look();
      await until(async () => {
        await community.aggregator.advance();
        const last = await Promise.all(plants.map((plant) => reader.lastReading(meterOf(plant))));
        return last.every((reading) => (reading?.blockTimestamp ?? 0) >= timestamp);
      });
    }

    async function swept(epoch: number): Promise<FlowRequest> {
      const request = (): FlowRequest | undefined =>
        [...books.service.view.requests.values()].find(({ firstEpoch }) => firstEpoch === epoch);
      await until(async () => {
        await community.aggregator.advance();
        await books.follow();
        return request()?.sweep !== undefined;
      });
      return request()!;
    }

    it("shares the DERs between them, and one of them sends the transactions", async function () {
      await chain.clock.moveTo((first - 2) * EPOCH_SECONDS + FIRST_BLOCK_AT);
      await community.look();
      await until(async () => {
        await community.aggregator.advance();
        return own().length > 0 && own().length < DERS;
      });
      expect(share.leads()).to.equal(false);
      await chain.clock.moveTo((first - 1) * EPOCH_SECONDS + FIRST_BLOCK_AT); // what starts the meters
      await community.look();
      await metered((first - 1) * EPOCH_SECONDS + LAST_BLOCK_AT);
    });

    it("settles an epoch by what both of them metered", async function () {
      await metered(first * EPOCH_SECONDS + FIRST_BLOCK_AT);
      await metered(first * EPOCH_SECONDS + LAST_BLOCK_AT);
      await metered((first + 1) * EPOCH_SECONDS + FIRST_BLOCK_AT);
      await expectSettled(first);
    });

    it("loses the one that leads, and the other does all of its work from where it was", async function () {
      const ended = once(program, "exit");
      program.kill("SIGKILL");
      await ended;
      // The one that is left may see this block before the database has noticed.
      await chain.clock.moveTo((first + 1) * EPOCH_SECONDS + 400);
      await metered((first + 1) * EPOCH_SECONDS + LAST_BLOCK_AT);
      expect([own().length, share.leads()]).to.deep.equal([DERS, true]);
      await metered((first + 2) * EPOCH_SECONDS + FIRST_BLOCK_AT);
      await expectSettled(first + 1);
      const last = (first + 2) * EPOCH_SECONDS;
      await metered(last + LAST_BLOCK_AT);
      await metered(last + EPOCH_SECONDS + FIRST_BLOCK_AT);
      await expectSettled(first + 2);
    });

    it("leaves chains without a gap or a fork, each with a reading of every block", async function () {
      const chains = await Promise.all(
        plants.map((plant) => reader.readingsBetween(meterOf(plant), 0, Infinity)),
      );
      const since = first * EPOCH_SECONDS;
      const blocksOf = (readings: readonly StampedReading[]): number[] =>
        readings
          .filter(({ blockTimestamp }) => blockTimestamp >= since)
          .map(({ blockNumber }) => blockNumber);
      for (const [i, readings] of chains.entries()) {
        expect(verifyChain(readings, genesisDigest(meterOf(plants[i]!)))).to.deep.equal({ ok: true });
        expect(blocksOf(readings)).to.deep.equal(blocksOf(chains[0]!));
      }
    });

    it("pays each kWh once", async function () {
      for (const plant of plants) {
        const balance = await auditor.vault.balanceOf(books.ledger.accountOf(community.addressOf(plant))!);
        expect(balance).to.equal(DEPOSITED + 3n * payment(ASKED_WH, plant.price));
      }
    });

    async function lastBlockIn(plant: Plant, epoch: number): Promise<number> {
      return (
        (await reader.lastReadingBefore(meterOf(plant), (epoch + 1) * EPOCH_SECONDS))?.blockTimestamp ?? 0
      );
    }

    /** All that an epoch's sweep commits to is what flowed, and all that was asked for is credited. */
    async function expectSettled(epoch: number): Promise<void> {
      const request = await swept(epoch);
      const stored = await reader.commitmentOf(books.service.address, request.id);
      const commitment = Commitment.parse(stored!.json);
      expect(commitment.root).to.equal(request.sweep?.flowRoot);
      for (const plant of plants) {
        const account = books.ledger.accountOf(community.addressOf(plant))!;
        const seconds = (await lastBlockIn(plant, epoch)) - (await lastBlockIn(plant, epoch - 1));
        expect(seconds).to.be.within(EPOCH_SECONDS - 10, EPOCH_SECONDS + 10);
        expect(commitment.leafOf(account, epoch)?.energyWh).to.equal(BigInt(WH_A_SECOND * seconds));
        expect(books.service.view.entryOf(account, epoch)).to.include({
          requestedWh: ASKED_WH,
          creditedWh: ASKED_WH,
        });
      }
    }
  },
);
