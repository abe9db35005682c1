import { createHash } from "node:crypto";

import { encodeRlp, keccak256, toBeArray, Wallet } from "ethers";

import { makeBundle } from "../../../agents/evidence/bundle.ts";
import { bundleJson } from "../../../agents/evidence/format.ts";
import type { ChainFacts } from "../../../agents/evidence/on-chain.ts";
import { readingsRoot } from "../../../agents/evidence/readings-tree.ts";
import { sealed } from "../../../agents/evidence/seal.ts";
import { type FlowStatement, signStatement } from "../../../agents/evidence/statement.ts";
import {
  type Block,
  genesisDigest,
  readingDigest,
  type StampedReading,
} from "../../../agents/metering/reading.ts";

/** A day of one reading a second, on a chain of a block every twelve: the longest evidence there is. */

export const DAY_SECONDS = 86_400;
const BLOCK_SECONDS = 12;
const EPOCH = 20_624;
const START = EPOCH * DAY_SECONDS;
const FIRST_BLOCK = 25_000_000;
const POWER_W = 7_200n;

const METER = new Wallet(`0x${"11".repeat(32)}`);
const VENUE = { chainId: 1n, aria: "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359" };
const REGISTRY = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const DER = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";

export interface Day {
  readonly text: string;
  readonly facts: ChainFacts;
  /** RLP of the blocks' headers. */
  readonly headers: readonly string[];
}

export async function dayOfSeconds(): Promise<Day> {
  const headers = new Map<number, string>();
  const blocks: Block[] = [];
  for (let i = -1; i < DAY_SECONDS / BLOCK_SECONDS; i += 1) {
    const { block, rlp } = blockAt(FIRST_BLOCK + i, START + i * BLOCK_SECONDS);
    blocks.push(block);
    headers.set(block.number, rlp);
  }
  const [before, ...readings] = readingsOf(blocks);
  const [first, last] = [readings[0], readings.at(-1)];
  if (before === undefined || first === undefined || last === undefined)
    throw new Error("a day has readings");
  const energyWh = last.registerWh - before.registerWh;
  const statement: FlowStatement = {
    der: DER,
    epoch: EPOCH,
    energyWh,
    readingsRoot: readingsRoot(readings),
    firstBlock: first.blockNumber,
    firstBlockHash: first.blockHash,
    lastBlock: last.blockNumber,
    lastBlockHash: last.blockHash,
  };
  const signature = await signStatement(METER, VENUE, statement);
  const bundle = makeBundle(
    { before, readings, energyWh, statement, signature },
    {
      venue: VENUE,
      registry: REGISTRY,
      epochSeconds: DAY_SECONDS,
      meter: METER.address,
      signer: METER.address,
      headers,
      commitment: null,
    },
    { role: "der", claim: null },
  );
  return {
    text: bundleJson(await sealed(METER, bundle)),
    facts: factsOf(blocks),
    headers: [...headers.values()],
  };
}

function factsOf(blocks: readonly Block[]): ChainFacts {
  const byNumber = new Map(blocks.map((block) => [block.number, block]));
  return {
    chainId: VENUE.chainId,
    service: { epochSeconds: DAY_SECONDS },
    headerOf: (number) => byNumber.get(number),
    signer: METER.address,
    sweep: undefined,
    dispute: undefined,
    claim: undefined,
    ders: [],
  };
}

/** The last reading before the day, then one a second, each stamped with the newest block. */
function readingsOf(blocks: readonly Block[]): StampedReading[] {
  const readings: StampedReading[] = [];
  let previousDigest = genesisDigest(METER.address);
  for (let second = -1; second < DAY_SECONDS; second += 1) {
    const block = blocks[Math.floor(second / BLOCK_SECONDS) + 1];
    if (block === undefined) throw new Error(`second ${second} has no block`);
    const reading = {
      meter: METER.address,
      sequence: second + 1,
      registerWh: 2n * BigInt(second + 1),
      powerW: POWER_W,
      blockNumber: block.number,
      blockHash: block.hash,
      previousDigest,
    };
    const digest = readingDigest(reading);
    readings.push({ ...reading, digest, blockTimestamp: block.timestamp });
    previousDigest = digest;
  }
  return readings;
}

/** A block with a header of the fields, and about the size, of one on mainnet. */
function blockAt(number: number, timestamp: number): { block: Block; rlp: string } {
  const word = (name: string) => createHash("sha256").update(`${name} ${number}`).digest();
  const bloom = Buffer.concat(Array.from({ length: 8 }, (_, i) => word(`bloom ${i}`)));
  const rlp = encodeRlp([
    word("parent"),
    word("uncles"),
    word("miner").subarray(12),
    word("state"),
    word("transactions"),
    word("receipts"),
    bloom,
    toBeArray(0),
    toBeArray(number),
    toBeArray(45_000_000),
    toBeArray(22_345_678),
    toBeArray(timestamp),
    Buffer.from("a builder's signature"),
    word("mix"),
    Buffer.alloc(8),
    toBeArray(1_234_567_890),
    word("withdrawals"),
    toBeArray(786_432),
    toBeArray(98_304),
    word("beacon"),
    word("requests"),
  ]);
  return { block: { number, timestamp, hash: keccak256(rlp) }, rlp };
}
