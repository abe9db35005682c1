import { type Command, InvalidArgumentError } from "commander";
import { Contract } from "ethers";

import type { Connection } from "../chain/connection.ts";
import type { Agreement } from "../chain/service-view.ts";
import type { DerConfig } from "../der/config.ts";
import type { OperatorConfig } from "../operator/config.ts";
import { baselineOf } from "../operator/start.ts";
import { addressOfKey } from "../runtime/keys.ts";
import { depositFor } from "../settlement/rules.ts";
import { packEnergy } from "../settlement/rows.ts";
import { address } from "./chain.ts";
import { Failure } from "./failure.ts";
import type { PartyRole } from "./party.ts";
import type { Shell } from "./shell.ts";
import { type Act, type ActDesk, transact, type TransactOptions, withTransactOptions } from "./transact.ts";
import { grouped } from "./words.ts";

const ALL: readonly PartyRole[] = ["der", "aggregator", "operator"];

/**
 * `pof join`, `leave`, `withdraw`, `top-up`, `fund`, `order`, `commission` and `reject`: what an agent does by itself, or leaves to
 * a person.
 */
export function addActs(program: Command, shell: Shell): void {
  /** @param example what follows the command's name in the examples of its help */
  const add = (
    name: string,
    description: string,
    roles: readonly PartyRole[],
    help: string,
    example = "",
  ): Command => {
    const line = `  npm run pof -- ${name}${example} --config ${roles[0] ?? "der"}.yaml`;
    return withTransactOptions(program.command(name).description(description)).addHelpText(
      "after",
      `\nFor: ${roles.join(", ")}. ${help}\n\nExamples:\n${line} --dry-run\n${line}`,
    );
  };
  const der: readonly PartyRole[] = ["der"];
  add(
    "join",
    "Applies with the power and price of the configuration; deposits what the account lacks.",
    der,
    "The agent does the same by itself.",
  ).action((options: TransactOptions) => transact(der, options, shell, (desk) => join(desk, shell)));
  add("leave", "Ends the agreement.", der, "Close and withdraw follow when the notice is over.").action(
    (options: TransactOptions) => transact(der, options, shell, leave),
  );
  add(
    "withdraw",
    "Takes money out of the account in the Vault, to the own wallet.",
    ALL,
    "What is locked stays.",
  )
    .argument("[units]", "how much; all that is free by default", units)
    .action((amount: bigint | undefined, options: TransactOptions) =>
      transact(ALL, options, shell, (desk) => withdraw(desk, amount)),
    );
  add(
    "top-up",
    "Deposits what is missing of the agreement's deposit and one dispute bond.",
    der,
    "A suspended agreement is in force again with it.",
  )
    .argument("[units]", "how much; what is missing by default", units)
    .action((amount: bigint | undefined, options: TransactOptions) =>
      transact(der, options, shell, (desk) => topUp(desk, amount)),
    );
  add(
    "fund",
    "Deposits into the account in the Vault.",
    ["operator", "aggregator", "der"],
    "The Operator's agent does so by itself when it is under funds.minimum.",
  )
    .argument("[units]", "how much; for the Operator what is missing of funds.target by default", units)
    .action((amount: bigint | undefined, options: TransactOptions) =>
      transact(ALL, options, shell, (desk) => fund(desk, amount)),
    );
  const operator: readonly PartyRole[] = ["operator"];
  add(
    "order",
    "Orders a baseline for a run of epochs.",
    operator,
    "The agent orders by itself when the last order runs out.",
  )
    .option("--first-epoch <n>", "the first epoch; the next one by default", whole)
    .option("--epochs <n>", "how many; epochsPerOrder of the configuration by default", whole)
    .option("--wh <wh>", "Wh in each epoch; a share of the forecast, as configured, by default", units)
    .action((options: OrderOptions) => transact(operator, options, shell, (desk) => order(desk, options)));
  const exampleDer = " 0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
  add(
    "commission",
    "Puts a DER's meter in charge from the next epoch on: its first, or one that replaces it.",
    operator,
    "The agent does so by itself for DERs that applied with a meter of its `inspected`.",
    exampleDer,
  )
    .argument("<der>", "the DER's address", address)
    .option(
      "--meter <address>",
      "its meter's key, as an address; the one it applied with by default",
      address,
    )
    .action((der: string, options: CommissionOptions) =>
      transact(operator, options, shell, (desk) => commission(desk, der, options.meter)),
    );
  add(
    "reject",
    "Turns away a DER that applied: its deposit is free again.",
    operator,
    "The agent turns nobody away.",
    exampleDer,
  )
    .argument("<der>", "the DER's address", address)
    .action((der: string, options: TransactOptions) =>
      transact(operator, options, shell, (desk) => reject(desk, der)),
    );
}

// ------------------------------------------------------------------------------------------------------------ For a DER

async function join(
  { party, connection, follower, account }: ActDesk,
  shell: Shell,
): Promise<readonly Act[]> {
  const { powerW, price, meterKey } = party.config as DerConfig;
  const { terms, address } = follower.service;
  const meter = await addressOfKey("meterKey", meterKey, shell);
  const wanted = depositFor(powerW, terms.criteria.depositPerKw) + terms.rules.disputeBond;
  const short = notBelow0(wanted - (account === undefined ? 0n : follower.ledger.balanceOf(account)));
  const value = connection.nativeCoin ? short * connection.unit : 0n;
  return [
    ...(connection.nativeCoin ? [] : deposits(connection, short)),
    {
      words: `join with ${grouped(powerW)} W at ${grouped(price)} units per kWh`,
      contract: connection.ariaAt(address),
      method: "join",
      args: [powerW, price, meter],
      value,
    },
  ];
}

function leave({ connection, follower }: ActDesk): Promise<readonly Act[]> {
  const contract = connection.ariaAt(follower.service.address);
  return Promise.resolve([{ words: "leave", contract, method: "leave", args: [] }]);
}

function topUp(
  { connection, follower, account }: ActDesk,
  amount?: bigint,
): Promise<readonly Act[] | string> {
  const { view, terms } = follower.service;
  const agreement = account === undefined ? undefined : view.agreements.get(account);
  if (account === undefined || agreement === undefined) {
    throw new Failure(1, "there is no agreement to top up: join first");
  }
  const wanted = agreement.deposit + terms.rules.disputeBond;
  const missing = amount ?? notBelow0(wanted - follower.ledger.balanceOf(account));
  if (missing === 0n) return Promise.resolve("Nothing is missing.");
  return Promise.resolve(deposits(connection, missing));
}

// ---------------------------------------------------------------------------------------------------------- For anybody

async function withdraw(
  { connection }: ActDesk,
  amount: bigint | undefined,
): Promise<readonly Act[] | string> {
  const { vault, wallet } = connection;
  const free = await vault.freeOf(wallet.address);
  if (amount === undefined && free === 0n) return "Nothing is free to be withdrawn.";
  if (amount !== undefined && amount > free) {
    throw new Failure(1, `expected at most the ${free} units that are free, received ${amount}`);
  }
  const taken = amount ?? free;
  return [
    {
      words: `withdraw ${grouped(taken)} units to ${wallet.address}`,
      contract: vault,
      method: "withdraw",
      args: [taken, wallet.address],
    },
  ];
}

function fund(
  { party, connection, follower, account }: ActDesk,
  amount?: bigint,
): Promise<readonly Act[] | string> {
  const balance = account === undefined ? 0n : follower.ledger.balanceOf(account);
  const target = party.role === "operator" ? (party.config as OperatorConfig).funds.target : undefined;
  if (amount === undefined && target === undefined) {
    throw new Failure(2, "name the units to deposit: only the Operator's configuration has a target");
  }
  const missing = amount ?? notBelow0((target ?? 0n) - balance);
  if (missing === 0n) return Promise.resolve("Nothing is missing.");
  return Promise.resolve(deposits(connection, missing));
}

/** A token is approved first; so there is a second transaction. */
function deposits(
  { vault, vaultAddress, wallet, unit, nativeCoin, asset }: Connection,
  amount: bigint,
): Act[] {
  if (amount === 0n) return [];
  const words = `deposit ${grouped(amount)} units`;
  const act = { words, contract: vault, method: "deposit", args: [wallet.address, amount] };
  if (nativeCoin) return [{ ...act, value: amount * unit }];
  const token = new Contract(asset, ["function approve(address, uint256) returns (bool)"], wallet);
  return [
    {
      words: `approve ${grouped(amount)} units`,
      contract: token,
      method: "approve",
      args: [vaultAddress, amount * unit],
    },
    act,
  ];
}

// ----------------------------------------------------------------------------------------------------- For the Operator

interface OrderOptions extends TransactOptions {
  readonly firstEpoch?: number;
  readonly epochs?: number;
  readonly wh?: bigint;
}

function order({ party, connection, follower }: ActDesk, options: OrderOptions): Promise<readonly Act[]> {
  const config = party.config as OperatorConfig;
  const { epochSeconds } = follower.service.terms.rules;
  const { firstEpoch = follower.epoch + 1, epochs = config.epochsPerOrder, wh } = options;
  const baselineAt = baselineOf(config);
  const wanted = Array.from({ length: epochs }, (_, i) => wh ?? baselineAt(firstEpoch + i, epochSeconds));
  const total = wanted.reduce((sum, each) => sum + each, 0n);
  return Promise.resolve([
    {
      words: `order ${grouped(total)} Wh for ${epochs} epochs from ${firstEpoch} on`,
      contract: connection.ariaAt(follower.service.address),
      method: "orderBaseline",
      args: [firstEpoch, packEnergy(wanted)],
    },
  ]);
}

interface CommissionOptions extends TransactOptions {
  readonly meter?: string;
}

function commission(desk: ActDesk, der: string, replacement: string | undefined): Promise<readonly Act[]> {
  const { connection, follower } = desk;
  const { status, offeredMeter } = agreementOf(desk, der);
  if (replacement === undefined && status !== "prospective") {
    throw new Failure(
      1,
      `the agreement of ${der} is ${status}: name the meter that is to replace its own by --meter`,
    );
  }
  const meter = replacement ?? offeredMeter;
  return Promise.resolve([
    {
      words: `put the meter ${meter} of the DER ${der} in charge from epoch ${follower.epoch + 1} on`,
      contract: connection.ariaAt(follower.service.address),
      method: "commission",
      args: [[[der, meter]]],
    },
  ]);
}

function reject(desk: ActDesk, der: string): Promise<readonly Act[]> {
  const { connection, follower } = desk;
  const { status } = agreementOf(desk, der);
  if (status !== "prospective") {
    throw new Failure(1, `the agreement of ${der} is ${status}: expected one that is prospective`);
  }
  return Promise.resolve([
    {
      words: `turn away the DER ${der}`,
      contract: connection.ariaAt(follower.service.address),
      method: "reject",
      args: [der],
    },
  ]);
}

function agreementOf({ follower: { ledger, service } }: ActDesk, der: string): Agreement {
  const account = ledger.accountOf(der);
  const agreement = account === undefined ? undefined : service.view.agreements.get(account);
  if (agreement === undefined)
    throw new Failure(1, `${der} has no agreement with the ARIA at ${service.address}`);
  return agreement;
}

function notBelow0(value: bigint): bigint {
  return value > 0n ? value : 0n;
}

function units(text: string): bigint {
  if (!/^[1-9]\d{0,18}$/.test(text)) throw new InvalidArgumentError("It must be a whole number above 0.");
  return BigInt(text);
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError("It must be a whole number above 0.");
  return Number(text);
}
