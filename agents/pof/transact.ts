import type { Command } from "commander";
import { type BaseContract, formatUnits } from "ethers";

import { connect, type Connection } from "../chain/connection.ts";
import type { ChainFollower } from "../chain/follower.ts";
import { refusalIn, RefusedError } from "../chain/refusal.ts";
import { openKey } from "../runtime/keys.ts";
import { networkOf } from "../runtime/link.ts";
import { Failure, reasonOf } from "./failure.ts";
import { lookingAs, type Party, partyOf, type PartyRole } from "./party.ts";
import type { Shell } from "./shell.ts";
import { grouped, jsonText } from "./words.ts";

export interface TransactOptions {
  readonly config: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** One transaction of a party, before it is sent. */
export interface Act {
  /** What it does, in words that follow "to". */
  readonly words: string;
  readonly contract: Pick<BaseContract, "getFunction" | "getAddress">;
  readonly method: string;
  readonly args: readonly unknown[];
  /** Coins sent along, in the smallest parts. */
  readonly value?: bigint;
}

/** What a transaction is planned with. */
export interface ActDesk<P extends Party = Party> {
  readonly party: P;
  readonly connection: Connection;
  readonly follower: ChainFollower;
  /** The party's account in the Vault, if it has one. */
  readonly account: bigint | undefined;
}

/** Adds the options that all transactions have. */
export function withTransactOptions(command: Command): Command {
  return command
    .requiredOption("--config <file>", "the party's configuration: it names the chain and the key")
    .option("--dry-run", "let the node try it, and say what it would cost; nothing is sent")
    .option("--json", "print one JSON document on standard output, and nothing else");
}

/**
 * Plans the transactions of one step, has the node try them, and sends them.
 * @param plan returns a sentence where there is nothing to do
 * @throws {Failure} if the party has another role, or the contracts or the node refuse it
 */
export async function transact(
  roles: readonly PartyRole[],
  { config, dryRun = false, json = false }: TransactOptions,
  shell: Shell,
  plan: (desk: ActDesk) => Promise<readonly Act[] | string>,
): Promise<void> {
  const party = partyOf(config, shell.env);
  if (!roles.includes(party.role)) {
    throw new Failure(
      2,
      `${config} is the configuration of the ${party.role}: this is for ${roles.join(", ")}`,
    );
  }
  const privateKey = await openKey("walletKey", party.config.walletKey, shell);
  await lookingAs(party, async ({ follower }) => {
    const connection = await connect({ ...networkOf(party.config), privateKey });
    try {
      const account = follower.ledger.accountOf(connection.wallet.address);
      const planned = await plan({ party, connection, follower, account });
      const acts = typeof planned === "string" ? [] : planned;
      const done = [];
      for (const act of acts) done.push(await (dryRun ? tried(act, connection) : sent(act, connection)));
      if (json)
        shell.stdout.write(`${jsonText({ dryRun, transactions: done.map(({ fields }) => fields) })}\n`);
      else if (typeof planned === "string") shell.stdout.write(`${planned}\n`);
      else for (const { text } of done) shell.stdout.write(`${text}\n`);
    } finally {
      connection.close();
    }
  });
}

interface Done {
  readonly fields: object;
  readonly text: string;
}

async function tried(act: Act, connection: Connection): Promise<Done> {
  const { provider, wallet } = connection;
  const gas = await refusable(act, () => call(act).estimateGas(...argsOf(act)));
  const { maxFeePerGas, gasPrice } = await provider.getFeeData();
  const cost = gas * (maxFeePerGas ?? gasPrice ?? 0n);
  const { words, method, args, value = 0n } = act;
  const fields = {
    does: words,
    from: wallet.address,
    to: await act.contract.getAddress(),
    method,
    arguments: args,
    value,
    gas,
    mostGasCost: cost,
  };
  const rows = [
    ["from", fields.from],
    ["to", fields.to],
    ["call", `${method}(${args.map(String).join(", ")})`],
    ["value", `${formatUnits(value, "ether")} coins`],
    ["gas", `${grouped(gas)}, at most ${formatUnits(cost, "ether")} coins`],
  ];
  const lines = rows.map(([name = "", text = ""]) => `  ${name.padEnd(8)}${text}`);
  return { fields, text: [`Not sent, to ${words}:`, ...lines].join("\n") };
}

async function sent(act: Act, connection: Connection): Promise<Done> {
  const receipt = await refusable(act, () =>
    connection.send(act.method, call(act).populateTransaction(...argsOf(act))),
  );
  const { hash, blockNumber, gasUsed } = receipt;
  const fields = { does: act.words, transaction: hash, block: blockNumber, gasUsed };
  return {
    fields,
    text: `Sent, to ${act.words}: transaction ${hash} in block ${blockNumber}, ${grouped(gasUsed)} gas`,
  };
}

function call({ contract, method }: Act): ReturnType<BaseContract["getFunction"]> {
  return contract.getFunction(method);
}

function argsOf({ args, value = 0n }: Act): unknown[] {
  return [...args, { value }];
}

async function refusable<T>({ words }: Act, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const refusal = error instanceof RefusedError ? error : refusalIn("it was", error);
    if (refusal === undefined && !(error instanceof Error && "code" in error)) throw error;
    throw new Failure(1, `could not be sent, to ${words}: ${reasonOf(refusal ?? error)}`, { cause: error });
  }
}
