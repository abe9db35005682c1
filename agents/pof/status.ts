import Table from "cli-table3";
import type { Command } from "commander";

import type { Onlooker } from "../chain/onlooker.ts";
import type { Service } from "../chain/books.ts";
import { addressOfKey } from "../runtime/keys.ts";
import { isOnServer, openReader } from "../store/open.ts";
import { roomOf } from "../store/room.ts";
import { StoreError } from "../store/store.ts";
import { whole } from "./chain.ts";
import { lookingAs, type Party, partyOf } from "./party.ts";
import { agentWords, type RunningAgent, runningAgent } from "./running-agent.ts";
import type { Shell } from "./shell.ts";
import { grouped, jsonText, timeOf } from "./words.ts";

interface StatusOptions {
  readonly config: string;
  readonly epochs: number;
  readonly json?: boolean;
}

/** `pof status`: how a party stands. */
export function addStatus(program: Command, shell: Shell): void {
  program
    .command("status")
    .description("How a party stands: balances, agreement, last epochs, disputes, and its store.")
    .requiredOption("--config <file>", "the party's configuration; its agent may be running")
    .option("--epochs <n>", "how many of the last epochs", whole, 8)
    .option("--json", "print one JSON document on standard output, and nothing else")
    .addHelpText(
      "after",
      "\nOf a DER, its own energy and disputes; of the others, those of all DERs.\n\nExamples:\n  npm run pof -- status --config der.yaml\n  npm run --silent pof -- status --config operator.yaml --json",
    )
    .action(async ({ config, epochs, json }: StatusOptions) => {
      const party = partyOf(config, shell.env);
      const address = await addressOfKey("walletKey", party.config.walletKey, shell);
      const status = await lookingAs(party, (onlooker) => statusOf(party, address, onlooker, epochs));
      shell.stdout.write(`${json ? jsonText(status) : report(status)}\n`);
    });
}

/** Energy in Wh, money in units. */
interface Status {
  readonly role: Party["role"];
  readonly address: string;
  readonly chain: { chainId: bigint; block: number; blockTime: number; aria: string; version: number };
  readonly money: { account: bigint | null; balance: bigint; locked: bigint; free: bigint; wallet: bigint };
  /** A DER's own; of the others, how many there are of each status. */
  readonly agreements: Readonly<Record<string, string | number | bigint>>;
  readonly epochs: readonly Epoch[];
  readonly disputes: readonly {
    id: bigint;
    epoch: number;
    claimWh: bigint;
    status: string;
    awardedWh: bigint;
  }[];
  readonly store: StoreHealth;
  /** Null where the configuration has no port to ask it on. */
  readonly agent: RunningAgent | null;
}

interface Epoch {
  readonly epoch: number;
  readonly from: number;
  readonly requestedWh: bigint;
  /** Null until it is swept. */
  readonly creditedWh: bigint | null;
}

interface StoreHealth {
  readonly file: string;
  readonly readable: boolean;
  /** Why not. */
  readonly problem: string | null;
  /** Its log included. */
  readonly bytes: number;
  /** What is free on its disk; null if that is a server's. */
  readonly freeBytes: number | null;
  /** The last block with a reading. */
  readonly latestBlock: number | null;
}

async function statusOf(party: Party, address: string, onlooker: Onlooker, count: number): Promise<Status> {
  const { follower, connection } = onlooker;
  const { ledger, service, head } = follower;
  const account = ledger.accountOf(address);
  const [balance, locked] =
    account === undefined ? [0n, 0n] : [ledger.balanceOf(account), ledger.lockOf(account)];
  const own = party.role === "der" ? (account ?? -1n) : undefined;
  return {
    role: party.role,
    address,
    chain: {
      chainId: connection.chainId,
      block: head.number,
      blockTime: head.timestamp,
      aria: service.address,
      version: service.version,
    },
    money: {
      account: account ?? null,
      balance,
      locked: locked < balance ? locked : balance,
      free: locked < balance ? balance - locked : 0n,
      wallet: (await connection.provider.getBalance(address)) / connection.unit,
    },
    agreements: agreementsOf(service, own),
    epochs: epochsOf(service, own, follower.epoch, count),
    disputes: [...service.view.disputes.values()]
      .filter((dispute) => own === undefined || dispute.account === own)
      .map(({ id, epoch, claimWh, status, awardedWh = 0n }) => ({ id, epoch, claimWh, status, awardedWh })),
    store: await storeHealth(party.config.store),
    agent: (await runningAgent(party.config)) ?? null,
  };
}

function agreementsOf({ view }: Service, own: bigint | undefined): Status["agreements"] {
  if (own !== undefined) {
    const agreement = view.agreements.get(own);
    if (agreement === undefined) return { status: "none" };
    const { status, powerW, price, deposit, since, until } = agreement;
    return {
      status,
      powerW,
      price,
      deposit,
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
    };
  }
  const counts: Record<string, number> = {};
  for (const { status } of view.agreements.values()) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** The last epochs that were requested, the newest first. */
function epochsOf(
  { view, terms }: Service,
  own: bigint | undefined,
  current: number,
  count: number,
): Epoch[] {
  const accounts = own === undefined ? [...view.agreements.keys()] : [own];
  const newest = Math.max(current, view.requestedUntil - 1);
  const epochs: Epoch[] = [];
  for (let epoch = newest; epoch > newest - count; epoch -= 1) {
    const entries = accounts.flatMap((account) => view.entryOf(account, epoch) ?? []);
    if (entries.length === 0) continue;
    const swept = entries.every(({ creditedWh }) => creditedWh !== undefined);
    epochs.push({
      epoch,
      from: epoch * terms.rules.epochSeconds,
      requestedWh: entries.reduce((sum, { requestedWh }) => sum + requestedWh, 0n),
      creditedWh: swept ? entries.reduce((sum, { creditedWh = 0n }) => sum + creditedWh, 0n) : null,
    });
  }
  return epochs;
}

async function storeHealth(file: string): Promise<StoreHealth> {
  try {
    const store = await openReader(file);
    try {
      const latestBlock = (await store.latestBlock()) ?? null;
      const freeBytes = isOnServer(file) ? null : roomOf(file).freeBytes;
      const bytes = await store.bytes();
      return { file, readable: true, problem: null, bytes, freeBytes, latestBlock };
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { file, readable: false, problem: error.message, bytes: 0, freeBytes: null, latestBlock: null };
  }
}

// -------------------------------------------------------------------------------------------------------------- Output

function report(status: Status): string {
  const { role, address, chain, money, agreements, epochs, disputes, store, agent } = status;
  const rows: [string, string][] = [
    ["party", `${role} ${address}`],
    ["chain", `${chain.chainId}, block ${chain.block} of ${timeOf(chain.blockTime)} UTC`],
    ["ARIA", `${chain.aria}, version ${chain.version}`],
    ["account", money.account === null ? "none in the Vault" : `${money.account}`],
    [
      "balance",
      `${grouped(money.balance)} units: ${grouped(money.free)} free, ${grouped(money.locked)} locked; ${grouped(money.wallet)} in the wallet`,
    ],
    [role === "der" ? "agreement" : "agreements", pairs(agreements)],
    ["store", storeWords(store, chain.block)],
    ...(agent === null ? [] : [["agent", agentWords(agent)] as [string, string]]),
  ];
  const table = new Table({ style: { head: [], border: [] } });
  table.push(...rows);
  return [table.toString(), ...epochLines(epochs), ...disputeLines(disputes)].join("\n");
}

function epochLines(epochs: readonly Epoch[]): string[] {
  if (epochs.length === 0) return ["No epoch was requested lately."];
  const table = new Table({
    head: ["epoch", "from (UTC)", "requested Wh", "credited Wh"],
    colAligns: ["left", "left", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const { epoch, from, requestedWh, creditedWh } of epochs) {
    const credited = creditedWh === null ? "not swept" : grouped(creditedWh);
    table.push([`${epoch}`, timeOf(from), grouped(requestedWh), credited]);
  }
  return [table.toString()];
}

function disputeLines(disputes: Status["disputes"]): string[] {
  if (disputes.length === 0) return ["No dispute."];
  const table = new Table({
    head: ["dispute", "epoch", "claim Wh", "status", "awarded Wh"],
    colAligns: ["left", "left", "right", "left", "right"],
    style: { head: [], border: [] },
  });
  for (const { id, epoch, claimWh, status, awardedWh } of disputes) {
    table.push([`${id}`, `${epoch}`, grouped(claimWh), status, status === "open" ? "" : grouped(awardedWh)]);
  }
  return [table.toString()];
}

function storeWords({ file, problem, bytes, freeBytes, latestBlock }: StoreHealth, head: number): string {
  if (problem !== null) return problem;
  const last =
    latestBlock === null
      ? "no reading yet"
      : `last reading at block ${latestBlock}, ${head - latestBlock} behind`;
  const free = freeBytes === null ? "" : `, ${freeBytes.toLocaleString("en")} free`;
  const room = `${bytes.toLocaleString("en")} bytes${free}`;
  return `${file}: ${room}, ${last}`;
}

function pairs(values: Readonly<Record<string, string | number | bigint>>): string {
  const words = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  return words.length === 0 ? "none" : words.join(", ");
}
