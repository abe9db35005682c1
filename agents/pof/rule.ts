import { createInterface } from "node:readline/promises";

import { type Command, InvalidArgumentError, Option } from "commander";

import { connect } from "../chain/connection.ts";
import { RefusedError } from "../chain/refusal.ts";
import { type Fault, FAULTS } from "../chain/service-view.ts";
import { openKey } from "../runtime/keys.ts";
import { networkOf } from "../runtime/link.ts";
import { disputeId } from "./chain.ts";
import { Failure, reasonOf } from "./failure.ts";
import { atDesk, type Desk, operatorOf, type Party, servicesOf } from "./party.ts";
import { type HeardDispute, heardDisputeOf } from "./queue.ts";
import type { Shell } from "./shell.ts";
import { grouped, jsonText, timeOf } from "./words.ts";

interface RuleOptions {
  readonly config: string;
  readonly aria?: string;
  readonly award: bigint;
  readonly fault: Fault;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** `pof disputes rule`: a person's ruling. */
export function addRule(command: Command, shell: Shell): void {
  command
    .description("Rules on a dispute that was left to a person, with the hash of the evidence heard.")
    .argument("<id>", "the dispute's number", disputeId)
    .requiredOption("--award <wh>", "what the DER is awarded, Wh; at most its claim", wattHours)
    .addOption(new Option("--fault <party>", "who is at fault").choices(FAULTS).makeOptionMandatory())
    .option("--yes", "send it without asking")
    .addHelpText(
      "after",
      "\nIt is sent with the Operator's key, from the environment variable that the configuration names, and cannot be\ntaken back.\n\nExample:\n  OPERATOR_KEY=0x... npm run pof -- disputes rule 17181849092 --award 535 --fault aggregator --config operator.json",
    )
    .action(async (id: bigint, options: RuleOptions) => {
      shell.done(await rule(id, options, shell));
    });
}

async function rule(id: bigint, options: RuleOptions, shell: Shell): Promise<number> {
  const party = operatorOf(options.config, shell.env);
  const key = await openKey("walletKey", party.config.walletKey, shell);
  if (!options.yes && !shell.stdin.isTTY) {
    throw new Failure(2, "there is no terminal to ask on: give --yes to send the ruling without being asked");
  }
  return atDesk(party, async (desk) => {
    const heard = await heardDisputeOf(desk, servicesOf(desk, options.aria), id);
    checkOpen(heard, desk);
    checkBounds(heard, options);
    if (!options.yes && !(await confirmed(heard, options, shell))) throw new Failure(1, "nothing was sent");
    const transaction = await send(party, key, heard, options);
    const { evidenceHash } = heard.hearing;
    const { award: awardedWh, fault } = options;
    shell.stdout.write(
      options.json
        ? `${jsonText({ disputeId: id, fault, awardedWh, evidenceHash, transaction })}\n`
        : `Ruled on dispute ${id}: fault ${fault}, ${grouped(awardedWh)} Wh awarded, in transaction ${transaction}\n`,
    );
    return 0;
  });
}

function checkOpen({ dispute, verdict, ruleUntil }: HeardDispute, { follower }: Desk): void {
  if (dispute.status !== "open")
    throw new Failure(1, `dispute ${dispute.id} is not open: it was ${dispute.status}`);
  if (verdict.by === "rules") {
    throw new Failure(
      1,
      `the rules decided dispute ${dispute.id} (${verdict.rule}): the agent sends that ruling`,
    );
  }
  if (follower.head.timestamp > ruleUntil) {
    throw new Failure(
      1,
      `dispute ${dispute.id} could be ruled on until ${timeOf(ruleUntil)} UTC: now it is settled by default`,
    );
  }
}

/** The contract checks the same; but it is better said before anybody is asked to confirm it. */
function checkBounds({ dispute }: HeardDispute, { award, fault }: RuleOptions): void {
  if (award > dispute.claimWh) {
    throw new Failure(2, `--award must be at most the claim of ${dispute.claimWh} Wh, not ${award}`);
  }
  if (fault === "der" && award > 0n) throw new Failure(2, "--award must be 0 where the DER is at fault");
}

async function confirmed(
  { dispute, der, hearing }: HeardDispute,
  { award, fault }: RuleOptions,
  { stdin: input, stderr: output }: Shell,
): Promise<boolean> {
  const asking = createInterface({ input, output });
  try {
    const question = [
      `Dispute ${dispute.id} of the DER ${der}: fault ${fault}, ${grouped(award)} of ${grouped(dispute.claimWh)} Wh awarded,`,
      `on evidence ${hearing.evidenceHash}. A ruling cannot be taken back. Send it? [y/N] `,
    ].join("\n");
    return /^y(es)?$/i.test((await asking.question(question)).trim());
  } finally {
    asking.close();
  }
}

/** @returns the transaction's hash */
async function send(
  { config }: Party,
  privateKey: string,
  { service, dispute, hearing }: HeardDispute,
  { award, fault }: RuleOptions,
): Promise<string> {
  const connection = await connect({ ...networkOf(config), privateKey });
  try {
    const aria = connection.ariaAt(service.address);
    const receipt = await connection.send(
      "resolveDispute",
      aria.resolveDispute.populateTransaction(dispute.id, award, FAULTS.indexOf(fault), hearing.evidenceHash),
    );
    return receipt.hash;
  } catch (error) {
    if (error instanceof RefusedError || (error instanceof Error && "code" in error)) {
      throw new Failure(1, `the ruling could not be sent: ${reasonOf(error)}`, { cause: error });
    }
    throw error;
  } finally {
    connection.close();
  }
}

function wattHours(text: string): bigint {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError("It must be a whole number of Wh.");
  return BigInt(text);
}
