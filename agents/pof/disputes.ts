import Table from "cli-table3";
import type { Command } from "commander";

import { type Bundle, BundleFormatError } from "../evidence/format.ts";
import { type Check, faultsIn } from "../evidence/checks.ts";
import { verifyBundle } from "../evidence/verify.ts";
import { address, disputeId } from "./chain.ts";
import { bundleIn } from "./files.ts";
import { atDesk, operatorOf, servicesOf } from "./party.ts";
import { type HeardDispute, heardDisputeOf, heardDisputes } from "./queue.ts";
import { addRule } from "./rule.ts";
import type { Shell } from "./shell.ts";
import { counted, epochTime, grouped, holderOf, jsonText, subjectLine, timeOf } from "./words.ts";

interface DisputesOptions {
  readonly config: string;
  readonly aria?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** `pof disputes`: what the rules left to a person. */
export function addDisputes(program: Command, shell: Shell): void {
  const disputes = program
    .command("disputes")
    .description("The queue of what the rules left to a person: list, show, rule.")
    .addHelpText(
      "after",
      "\nExamples:\n  npm run pof -- disputes list --config operator.json\n  npm run pof -- disputes show 17181849092 --config operator.json\n  npm run pof -- disputes rule 17181849092 --award 535 --fault aggregator --config operator.json",
    );
  const withOptions = (command: Command): Command =>
    command
      .requiredOption(
        "--config <file>",
        "the Operator's configuration; its store is read, also while the agent runs",
      )
      .option("--aria <address>", "the ARIA to look at; all of the Registry's by default", address)
      .option("--json", "print one JSON document on standard output, and nothing else");
  withOptions(disputes.command("list").description("Disputes that wait for a person."))
    .option("--all", "all that were heard, the decided ones too")
    .addHelpText("after", "\nExample:\n  npm run --silent pof -- disputes list --config operator.json --json")
    .action(async (options: DisputesOptions) => {
      shell.done(await list(options, shell));
    });
  withOptions(disputes.command("show").description("One dispute: why it was left open, and what was heard."))
    .argument("<id>", "the dispute's number", disputeId)
    .addHelpText("after", "\nExample:\n  npm run pof -- disputes show 17181849092 --config operator.json")
    .action(async (id: bigint, options: DisputesOptions) => {
      shell.done(await show(id, options, shell));
    });
  addRule(withOptions(disputes.command("rule")), shell);
}

// ---------------------------------------------------------------------------------------------------------------- List

async function list({ config, aria, all, json }: DisputesOptions, shell: Shell): Promise<number> {
  const heard = await atDesk(operatorOf(config), (desk) => heardDisputes(desk, servicesOf(desk, aria)));
  const wanted = heard.filter(({ waits }) => all === true || waits);
  shell.stdout.write(`${json ? jsonText({ disputes: wanted.map(summaryOf) }) : listed(wanted, all)}\n`);
  return 0;
}

function summaryOf({ service, dispute, hearing, verdict, der, ruleUntil, waits }: HeardDispute): object {
  return {
    id: dispute.id,
    aria: service.address,
    der,
    epoch: dispute.epoch,
    claimWh: dispute.claimWh,
    status: dispute.status,
    waits,
    ruleUntil,
    heardAt: hearing.heardAt,
    verdict,
    evidenceHash: hearing.evidenceHash,
  };
}

function listed(heard: readonly HeardDispute[], all: boolean | undefined): string {
  if (heard.length === 0) return all ? "No dispute was heard." : "Nothing waits for a person.";
  const table = new Table({
    head: ["dispute", "DER", "epoch (UTC)", "claim Wh", "rule", "status", "rule until (UTC)"],
    colAligns: ["left", "left", "left", "right", "left", "left", "left"],
    style: { head: [], border: [] },
  });
  for (const { service, dispute, verdict, der, ruleUntil, waits } of heard) {
    table.push([
      dispute.id.toString(),
      `${der.slice(0, 6)}…${der.slice(-4)}`,
      timeOf(dispute.epoch * service.terms.rules.epochSeconds),
      grouped(dispute.claimWh),
      verdict.rule,
      waits ? "waits" : dispute.status,
      dispute.status === "open" ? timeOf(ruleUntil) : "",
    ]);
  }
  return table.toString();
}

// ---------------------------------------------------------------------------------------------------------------- Show

async function show(id: bigint, { config, aria, json }: DisputesOptions, shell: Shell): Promise<number> {
  const heard = await atDesk(operatorOf(config), (desk) => heardDisputeOf(desk, servicesOf(desk, aria), id));
  shell.stdout.write(`${json ? jsonText(detailsOf(heard)) : shown(heard, config)}\n`);
  return 0;
}

interface Part {
  readonly role: Bundle["role"];
  readonly bundle: Bundle | BundleFormatError | undefined;
  readonly checks: readonly Check[];
}

function partsOf({ hearing }: HeardDispute): Part[] {
  return (["der", "aggregator", "feeder"] as const).map((role) => {
    const text = hearing[role];
    const bundle = text === undefined ? undefined : bundleIn(text);
    const checks = bundle === undefined || bundle instanceof BundleFormatError ? [] : verifyBundle(bundle);
    return { role, bundle, checks };
  });
}

function detailsOf(heard: HeardDispute): object {
  const evidence = partsOf(heard).map(({ role, bundle, checks }) => {
    if (bundle === undefined) return [role, null];
    if (bundle instanceof BundleFormatError) return [role, { format: bundle.message }];
    return [role, { energyWh: bundle.statement.energyWh, faults: faultsIn(checks) }];
  });
  return { ...summaryOf(heard), evidence: Object.fromEntries(evidence) as object };
}

function shown(heard: HeardDispute, config: string): string {
  const { service, dispute, hearing, verdict, der, ruleUntil } = heard;
  const rows: [string, string][] = [
    ["dispute", dispute.id.toString()],
    ["DER", der],
    ["epoch", `${dispute.epoch} (${epochTime(dispute.epoch, service.terms.rules.epochSeconds)})`],
    ["claim", `${grouped(dispute.claimWh)} Wh`],
    ["status", statusWords(heard)],
    ["rule until", `${timeOf(ruleUntil)} UTC; then the whole claim is paid by default`],
    ["heard", `${timeOf(hearing.heardAt)} UTC`],
    ["rule", verdict.rule],
    ...verdict.reasons.map((reason, i): [string, string] => [i === 0 ? "because" : "", reason]),
    ["evidence", hearing.evidenceHash],
    ...partsOf(heard).map((part): [string, string] => [`  ${part.role}`, partWords(part)]),
  ];
  const lines = rows.map(([name, text]) => `${name.padEnd(14)}${text}`);
  const id = dispute.id;
  const next = heard.waits
    ? [
        "",
        `The files, to look into: npm run pof -- evidence --config ${config} --dispute ${id} --out cases`,
        `The ruling, once decided: npm run pof -- disputes rule ${id} --award WH --fault none|aggregator|der --config ${config}`,
      ]
    : [];
  return [...lines, ...next].join("\n");
}

function statusWords({ dispute, waits }: HeardDispute): string {
  if (waits) return "waits for a person";
  const { status, fault = "none", awardedWh = 0n } = dispute;
  if (status === "open") return "open";
  return `${status}: fault ${fault}, ${grouped(awardedWh)} Wh awarded`;
}

function partWords({ role, bundle, checks }: Part): string {
  if (bundle === undefined) return `no evidence of ${holderOf(role)}`;
  if (bundle instanceof BundleFormatError) return `no bundle: ${bundle.message}`;
  return `${subjectLine(bundle)}; ${counted(checks)}`;
}
