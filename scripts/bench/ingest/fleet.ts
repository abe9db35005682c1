import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";

import { computeAddress, toQuantity, Wallet } from "ethers";

import { AggregatorAgent } from "../../../agents/aggregator/agent.ts";
import { connect, type Connection } from "../../../agents/chain/connection.ts";
import type { MeterSource } from "../../../agents/metering/source.ts";
import { OperatorAgent } from "../../../agents/operator/agent.ts";
import { openSqliteStore } from "../../../agents/store/sqlite.ts";
import { developmentKey } from "../../demo/cast.ts";
import { ChainClock } from "../../demo/chain-clock.ts";
import { Deployment } from "../../demo/deployment.ts";
import { startNode } from "../../demo/node.ts";
import { CRITERIA, GWEI, RULES } from "../../demo/terms.ts";
import { rounded, startClock, type Took } from "../clock.ts";
import { report } from "../program.ts";

/**
 * How many DERs one Aggregator meters each second, with its store in SQLite: the agent as it runs, on a node with a block
 * a second and a thousand DERs that joined it. Timed are its looks at one new block each, every one of which puts a
 * reading of each DER on disk, and the look at the end of an epoch, which reads all readings of it again, commits to them,
 * sweeps, and requests the next. The share of a second that a thousand take tells how many a whole one has room for.
 */

const DERS = 1_000;
/** So many join, and are commissioned in one transaction. */
const DERS_AT_ONCE = 100;
const TIMED_SECONDS = 60;
const EPOCH_SECONDS = Number(RULES.epochSeconds);
/** Above what one DER feeds in an epoch at this power, by far. */
const POWER_W = 7_200n;
const FUNDS = 10_000_000_000n;
const PURSE = 1_000n * GWEI * GWEI;
const [GUARDIAN, OPERATOR, AGGREGATOR] = [0, 1, 2].map(developmentKey) as [string, string, string];
const SOURCE: MeterSource = { stepSeconds: EPOCH_SECONDS, powerW: () => POWER_W };
const LISTEN = { host: "127.0.0.1", port: 0 };

const folder = mkdtempSync(joinPath(tmpdir(), "proof-of-flow-bench-"));
const undo: (() => Promise<void> | void)[] = [
  () => {
    rmSync(folder, { recursive: true });
  },
];
try {
  const node = await startNode();
  undo.push(() => node.stop());
  const clock = new ChainClock(node.url);
  undo.push(() => {
    clock.close();
  });
  const parties = {
    operator: computeAddress(OPERATOR),
    aggregator: computeAddress(AGGREGATOR),
    guardian: computeAddress(GUARDIAN),
  };
  const deployment = new Deployment(node.url, parties);
  undo.push(() => {
    deployment.close();
  });
  const { registry } = await deployment.community();
  const link = async (key: string): Promise<Connection> => {
    await clock.endow(computeAddress(key), PURSE);
    return connect({ rpcUrl: node.url, privateKey: key, registry });
  };
  const operator = operatorAgent(await link(OPERATOR), await clock.now());
  undo.push(() => operator.close());
  const aggregator = aggregatorAgent(await link(AGGREGATOR));
  undo.push(() => aggregator.close());

  const anyone = await link(GUARDIAN);
  for (let joined = 0; joined < DERS; joined += DERS_AT_ONCE) {
    await joinFrom(joined, anyone, clock);
    await operator.advance(); // commissions them, and orders
  }
  const begun = Math.ceil((await clock.now()) / EPOCH_SECONDS) * EPOCH_SECONDS;
  for (const epoch of [0, 1]) {
    // In the first epoch the bond is posted and the second requested, in the second the third.
    await clock.moveTo(begun + epoch * EPOCH_SECONDS);
    await aggregator.advance();
  }
  const ends = begun + 2 * EPOCH_SECONDS;
  await tickTo(clock, ends - TIMED_SECONDS - 1);
  await aggregator.advance(); // catches up with what was not timed
  const looks: Took[] = [];
  while ((await clock.now()) < ends - 1) looks.push(await lookAfterSecond());
  const atEnd = await lookAfterSecond();

  const perSecond = looks.reduce((sum, { wall }) => sum + wall, 0) / looks.length;
  const perCoreSecond = looks.reduce((sum, { core }) => sum + core, 0) / looks.length;
  report({
    aggregatorDers1Hz: Math.floor(DERS / (perSecond + atEnd.wall / EPOCH_SECONDS)),
    aggregatorDers1HzPerCore: Math.floor(DERS / (perCoreSecond + atEnd.core / EPOCH_SECONDS)),
    fleetLookSeconds: rounded(perSecond),
    fleetLongestLookSeconds: rounded(Math.max(...looks.map(({ wall }) => wall))),
    fleetEpochEndSeconds: rounded(atEnd.wall),
    fleetEpochEndCoreSeconds: rounded(atEnd.core),
  });

  async function lookAfterSecond(): Promise<Took> {
    await clock.moveTo((await clock.now()) + 1);
    const stop = startClock();
    await aggregator.advance();
    return stop();
  }
} finally {
  for (const step of undo.reverse()) await step();
}

/** A block a second, up to this time. */
async function tickTo(clock: ChainClock, unixSeconds: number): Promise<void> {
  while ((await clock.now()) < unixSeconds) await clock.moveTo((await clock.now()) + 1);
}

function aggregatorAgent(connection: Connection): AggregatorAgent {
  return new AggregatorAgent({
    connection,
    store: openSqliteStore(joinPath(folder, "aggregator.sqlite")),
    startBlock: 0,
    policy: { epochsPerSweep: 1, figuresPerRequest: 500, promisedPercent: 80n },
    connected: () => ({ source: SOURCE, forecast: SOURCE }),
    listen: LISTEN,
  });
}

function operatorAgent(connection: Connection, now: number): OperatorAgent {
  return new OperatorAgent({
    connection,
    store: openSqliteStore(joinPath(folder, "operator.sqlite")),
    startBlock: 0,
    policy: {
      funds: { minimum: FUNDS / 2n, target: FUNDS },
      epochsPerOrder: 96,
      firstEpoch: Math.floor(now / EPOCH_SECONDS),
      untilEpoch: undefined,
    },
    feeders: [],
    baselineWh: () => (POWER_W * BigInt(DERS)) / 4n,
    inspected: () => true,
    evidenceUrl: () => undefined,
  });
}

/** Each DER's own transaction, as its agent would send it. */
async function joinFrom(first: number, connection: Connection, clock: ChainClock): Promise<void> {
  const { provider, registry, unit } = connection;
  const aria = connection.ariaAt(await registry.current());
  const deposit = ((POWER_W * CRITERIA.depositPerKw) / 1_000n) * unit;
  for (let der = first; der < first + DERS_AT_ONCE; der += 1) {
    const wallet = new Wallet(toQuantity(2n ** 128n + BigInt(der)).padEnd(66, "0"), provider);
    await clock.endow(wallet.address, PURSE);
    const join = aria.connect(wallet).join(POWER_W, 30_000n, wallet.address, {
      value: deposit,
      nonce: 0,
      gasLimit: 1_000_000n,
    });
    await (await join).wait();
  }
}
