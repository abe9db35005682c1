/** A community with two disputes, one decided by the rules and one left to a person, for the tests of `pof`. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";

import { expect } from "chai";

import { sum } from "../../agents/metering/source.ts";
import { OperatorAgent, type Ruling } from "../../agents/operator/agent.ts";
import { writeCase } from "../../agents/pof/case-files.ts";
import { emptyFolder } from "../../agents/pof/files.ts";
import { pof as run } from "../../agents/pof/program.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
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
} from "../agents/community-stage.ts";

export const OPERATOR_KEY = developmentKey(1);
const FULL_W = 7_200n;
const SHORT_W = 3_600n;
const BASELINE_WH = 4_000n;
const EPOCHS = 3;
const SOURCE = { kind: "wind", ratedW: 5_000, meanSpeed: 6, seed: 1 };

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line with these arguments, in this process. */
export async function pof(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const [stdout, stderr] = [new Written(), new Written()];
  const status = await run(args, { stdin: Readable.from([]), stdout, stderr, env });
  return { status, stdout: stdout.text, stderr: stderr.text };
}

/** Keeps what is written to it. */
class Written extends Writable {
  text = "";

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** Runs the program with these arguments, as a process: as a person does. */
export async function pofProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, ["--import", "tsx", "agents/pof/main.ts", ...args], {
    env: { ...process.env, NODE_NO_WARNINGS: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout, stderr };
}

/** Runs the command line once for each list of arguments. */
export async function pofs(runs: readonly (readonly string[])[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const args of runs) outcomes.push(await pof(args));
  return outcomes;
}

/** Expects each run to end with this status and nothing but a line on standard error. */
export async function expectLines(
  status: number,
  cases: readonly (readonly [args: readonly string[], says: RegExp])[],
): Promise<void> {
  const outcomes = await pofs(cases.map(([args]) => args));
  for (const [i, [, says]] of cases.entries()) {
    const outcome = outcomes[i]!;
    expect(outcome.stderr)
      .to.match(/^[^\n]+\n$/)
      .and.to.match(says);
    expect([outcome.status, outcome.stdout], outcome.stderr).to.deep.equal([status, ""]);
  }
}

export interface DisputedEpoch {
  readonly chain: Chain;
  readonly community: Community;
  readonly plants: readonly [shorted: Plant, unmetered: Plant, steady: Plant];
  readonly epoch: number;
  /** Decided by the rules, against the Aggregator. */
  readonly ruled: Ruling;
  /** Left to a person: no feeder meter saw it. */
  readonly open: Ruling;
  /** Has the evidence of both, in folders of their own. */
  readonly folder: string;
  close(): Promise<void>;
}

/** Plays until both disputes were heard; their ruling window is still open then. */
export async function disputedEpoch(): Promise<DisputedEpoch> {
  const chain = await startChain();
  const first = Math.floor((await chain.clock.now()) / EPOCH_SECONDS) + 4;
  const steady = constant(FULL_W);
  const plant = { powerW: 10_000n, forecast: steady, fed: steady };
  const plants: DisputedEpoch["plants"] = [
    { ...plant, name: "shorted", price: 20_000n, aggregatorSees: except(steady, first, SHORT_W) },
    { ...plant, name: "unmetered", price: 30_000n, aggregatorSees: except(steady, first, SHORT_W) },
    { ...plant, name: "steady", price: 40_000n, aggregatorSees: steady },
  ];
  const community = new Community(chain, plants);
  await community.start(BASELINE_WH, first, EPOCHS);
  const urls = new Map([[community.aggregator.address, await community.aggregator.serve()]]);
  for (const plant of plants) urls.set(community.addressOf(plant), await community.derOf(plant).serve());
  await replaceOperator({ community, chain, plants, epoch: first }, (party) => urls.get(party));
  await play(community, chain, first);
  const [ruled, open] = [rulingOf(community, "rules"), rulingOf(community, "person")];
  const folder = mkdtempSync(join(tmpdir(), "pof-cases-"));
  for (const ruling of [ruled, open]) {
    const own = emptyFolder(join(folder, ruling.dispute.id.toString()));
    writeCase(own, { ...ruling, disputeId: ruling.dispute.id, chainId: community.operator.chainId });
  }
  const close = async (): Promise<void> => {
    rmSync(folder, { recursive: true });
    await community.close();
    await chain.close();
  };
  return { chain, community, plants, epoch: first, ruled, open, folder, close };
}

/** Starts an Operator whose feeder meter does not see all DERs, on the store of the one before. */
export async function replaceOperator(
  { community, chain, plants, epoch }: Pick<DisputedEpoch, "community" | "chain" | "plants" | "epoch">,
  evidenceUrl: (party: string) => string | undefined,
): Promise<void> {
  const [shorted, unmetered, steady] = plants;
  await community.operator.close();
  community.operator = new OperatorAgent({
    connection: await chain.link(OPERATOR_KEY),
    store: community.openStore("operator"),
    startBlock: 0,
    policy: {
      funds: { minimum: 1_000_000n, target: 2_000_000n },
      epochsPerOrder: EPOCHS,
      firstEpoch: epoch,
      untilEpoch: undefined,
    },
    feeders: [
      {
        source: sum([shorted.fed, steady.fed]),
        feeds: (der) => der !== community.addressOf(unmetered),
      },
    ],
    baselineWh: () => BASELINE_WH,
    inspected: () => true,
    evidenceUrl,
  });
}

async function play(community: Community, { clock }: Chain, first: number): Promise<void> {
  await clock.moveTo((first - 2) * EPOCH_SECONDS + FIRST_BLOCK_AT);
  for (const plant of community.plants) await community.derOf(plant).advance();
  await community.operator.advance();
  await clock.moveTo((first - 1) * EPOCH_SECONDS + FIRST_BLOCK_AT);
  await community.operator.advance();
  await community.aggregator.advance();
  await clock.moveTo((first - 1) * EPOCH_SECONDS + LAST_BLOCK_AT);
  await community.play(first);
  await clock.moveTo((first + 1) * EPOCH_SECONDS + FIRST_BLOCK_AT);
  await community.look();
}

function rulingOf({ operator }: Community, by: Ruling["verdict"]["by"]): Ruling {
  const ruling = operator.rulings.find(({ verdict }) => verdict.by === by);
  if (ruling === undefined) throw new Error(`no dispute was decided by ${by}`);
  return ruling;
}

/** Configuration files of parties. */
export type Configurations = Record<"operator" | "aggregator" | "der" | "otherDer", string>;

/** Writes them into a folder; the DER is the one that is ruled for, the other one the steady one. */
export function configurationsOf(
  { chain, community, plants }: DisputedEpoch,
  folder: string,
): Configurations {
  // The first of their nodes is down, as happens: all that follows is asked of the other one.
  const nodes = { rpcUrl: "http://127.0.0.1:1", otherRpcUrls: [chain.node.url] };
  const common = { ...nodes, registry: chain.addresses.registry };
  const written = (name: string, store: string, fields: object): string => {
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify({ ...common, store: community.storeFile(store), ...fields }));
    return file;
  };
  const der = {
    walletKey: "DER_KEY",
    meterKey: "METER_KEY",
    powerW: 1,
    price: 1,
    source: SOURCE,
    listen: {},
  };
  return {
    operator: written("operator", "operator", {
      walletKey: "OPERATOR_KEY",
      funds: { minimum: 0, target: 0 },
      feeders: [{ ders: "all", sources: [SOURCE] }],
      inspected: "all",
      evidence: [],
    }),
    aggregator: written("aggregator", "aggregator", {
      walletKey: "AGGREGATOR_KEY",
      meters: [],
      listen: {},
    }),
    der: written("der", plants[0].name, der),
    otherDer: written("other-der", plants[2].name, der),
  };
}
