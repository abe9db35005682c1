import type { Command } from "commander";

import type { Onlooker } from "../chain/onlooker.ts";
import type { Dispute } from "../chain/service-view.ts";
import { factsOf } from "../chain/witness.ts";
import { type Evidence, type Examined, judge, type Judgement, type Subject } from "../evidence/case.ts";
import { type Bundle, BundleFormatError, type Role } from "../evidence/format.ts";
import { askChain, type ChainOptions, disputeId, withChainOptions } from "./chain.ts";
import { Failure } from "./failure.ts";
import { bundleIn, readText } from "./files.ts";
import type { Shell } from "./shell.ts";
import { counted, grouped, holderOf, jsonText } from "./words.ts";

interface AdjudicateOptions extends ChainOptions {
  readonly json?: boolean;
  readonly dispute?: bigint;
}

/** Stands for evidence that was not given. */
const NONE = "none";
const ROLES: readonly Role[] = ["der", "aggregator", "feeder"];

/** `pof adjudicate`: comes to the verdict again that the published rules give. */
export function addAdjudicate(program: Command, shell: Shell): void {
  withChainOptions(
    program
      .command("adjudicate")
      .description("Applies the published rules to the evidence of a dispute, as the Operator's agent does.")
      .argument("<der-file>", `the DER's bundle, or "${NONE}" if it gave none`)
      .argument("<aggregator-file>", `the Aggregator's bundle, or "${NONE}"`)
      .argument("[feeder-file]", `the feeder meter's bundle, or "${NONE}"`, NONE),
  )
    .option(
      "--dispute <id>",
      "the dispute it must be about; by default the one that the DER's evidence is about",
      disputeId,
    )
    .option("--json", "print one JSON document on standard output, and nothing else")
    .addHelpText(
      "after",
      "\nWith --rpc the verdict is compared with the ruling on the chain. Exit status: 0, or 1 if the chain has another ruling;\n2 for a file that cannot be read.\n\nExamples:\n  npm run pof -- adjudicate der.json aggregator.json feeder.json\n  npm run pof -- adjudicate der.json none --rpc http://127.0.0.1:8545",
    )
    .action(async (der: string, aggregator: string, feeder: string, options: AdjudicateOptions) => {
      shell.done(await adjudicate({ der, aggregator, feeder }, options, shell));
    });
}

type Files = Readonly<Record<Role, string>>;

async function adjudicate(
  files: Files,
  { rpc, ...options }: AdjudicateOptions,
  shell: Shell,
): Promise<number> {
  const evidence = {
    der: textOf(files.der),
    aggregator: textOf(files.aggregator),
    feeder: textOf(files.feeder),
  };
  if (rpc === undefined && options.dispute !== undefined)
    throw new Failure(2, "--dispute ID goes with --rpc URL");
  const outcome =
    rpc === undefined
      ? { judgement: await judge(evidence, () => Promise.resolve(undefined)), ruling: undefined }
      : await askChain({ ...options, rpc }, bundlesIn(evidence), (chain) =>
          compared(evidence, chain, options.dispute),
        );
  shell.stdout.write(
    `${options.json ? documentOf(files, outcome) : report(files, outcome, rpc !== undefined)}\n`,
  );
  return outcome.ruling?.agrees === false ? 1 : 0;
}

function textOf(file: string): string | undefined {
  return file === NONE ? undefined : readText(file);
}

function bundlesIn(evidence: Evidence): Bundle[] {
  return ROLES.flatMap((role) => {
    const text = evidence[role];
    const bundle = text === undefined ? undefined : bundleIn(text);
    return bundle === undefined || bundle instanceof BundleFormatError ? [] : [bundle];
  });
}

// ----------------------------------------------------------------------------------------------------- The chain's word

interface Outcome {
  readonly judgement: Judgement;
  readonly ruling: Ruling | undefined;
}

/** A dispute as the chain has it. */
interface Ruling {
  readonly dispute: Dispute;
  /** Whether it carries this evidence, and this verdict where the rules made it; undefined where nobody ruled. */
  readonly agrees: boolean | undefined;
}

async function compared(evidence: Evidence, chain: Onlooker, wanted: bigint | undefined): Promise<Outcome> {
  const { connection, follower } = chain;
  const found = disputeOf(bundlesIn(evidence), chain, wanted);
  const subject = wanted === undefined ? undefined : found?.subject;
  const judgement = await judge(evidence, (bundle) => factsOf(bundle, connection, follower), subject);
  const ruling = found && { dispute: found.dispute, agrees: agreement(judgement, found.dispute) };
  return { judgement, ruling };
}

/** The dispute of this number, or else the one that the first bundle of a party is about. */
function disputeOf(
  bundles: readonly Bundle[],
  { connection, follower }: Onlooker,
  wanted: bigint | undefined,
): { dispute: Dispute; subject: Subject } | undefined {
  const { services, ledger } = follower;
  const [bundle] = bundles;
  const about = bundles.find(({ role }) => role !== "feeder");
  const account = about && ledger.accountOf(about.statement.der);
  const id =
    wanted ?? (about && account !== undefined ? (account << 32n) | BigInt(about.statement.epoch) : undefined);
  const service = services.find(({ address }) => address === bundle?.aria);
  const dispute = id === undefined ? undefined : service?.view.disputes.get(id);
  if (service === undefined || dispute === undefined) {
    if (wanted === undefined) return undefined;
    throw new Failure(1, `the chain has no dispute ${wanted} of the ARIA ${bundle?.aria ?? ""}`);
  }
  const statement = { der: ledger.ownerOf(dispute.account), epoch: dispute.epoch };
  return { dispute, subject: { chainId: connection.chainId, aria: service.address, statement } };
}

function agreement({ verdict, evidenceHash }: Judgement, dispute: Dispute): boolean | undefined {
  if (dispute.status !== "ruled") return undefined;
  if (dispute.evidenceHash !== evidenceHash) return false;
  return (
    verdict.by === "person" || (dispute.fault === verdict.fault && dispute.awardedWh === verdict.awardedWh)
  );
}

// ------------------------------------------------------------------------------------------------------------- Output

function documentOf(files: Files, { judgement, ruling }: Outcome): string {
  const { verdict, evidenceHash, examined } = judgement;
  return jsonText({
    verdict,
    evidenceHash,
    evidence: Object.fromEntries(
      ROLES.map((role) => [
        role,
        examined[role] ? { file: files[role], checks: examined[role].checks } : null,
      ]),
    ),
    chain: ruling
      ? {
          disputeId: ruling.dispute.id,
          status: ruling.dispute.status,
          fault: ruling.dispute.fault ?? null,
          awardedWh: ruling.dispute.awardedWh ?? null,
          evidenceHash: ruling.dispute.evidenceHash ?? null,
          agrees: ruling.agrees ?? null,
        }
      : null,
  });
}

function report(files: Files, { judgement, ruling }: Outcome, withChain: boolean): string {
  const { verdict, evidenceHash, examined } = judgement;
  const decision =
    verdict.by === "person"
      ? "left open: a person decides"
      : `${faultWords(verdict.fault)}; ${grouped(verdict.awardedWh)} Wh awarded`;
  const rows: [string, string][] = [
    ...ROLES.map((role): [string, string] => [role, examinedWords(files[role], examined[role], role)]),
    ["rule", verdict.rule],
    ["verdict", decision],
    ...verdict.reasons.map((reason, i): [string, string] => [i === 0 ? "because" : "", reason]),
    ["evidence", evidenceHash],
    [
      "chain",
      withChain ? chainWords(ruling) : "not asked: compare the verdict with the ruling there with --rpc",
    ],
  ];
  return rows.map(([name, text]) => `${name.padEnd(12)}${text}`).join("\n");
}

function examinedWords(file: string, examined: Examined | undefined, role: Role): string {
  if (examined === undefined) return `no evidence of ${holderOf(role)}`;
  const failed = examined.checks.filter(({ outcome }) => outcome === "fails");
  const names = failed.length === 0 ? "" : ` (${failed.map(({ check }) => check).join(", ")})`;
  return `${file}: ${counted(examined.checks)}${names}`;
}

function faultWords(fault: Judgement["verdict"]["fault"]): string {
  return fault === "none" ? "nobody at fault" : `${holderOf(fault)} at fault`;
}

function chainWords(ruling: Ruling | undefined): string {
  if (ruling === undefined) return "no dispute about this evidence";
  const { id, status, fault = "none", awardedWh = 0n, evidenceHash } = ruling.dispute;
  if (status === "open") return `dispute ${id} is open`;
  if (status === "defaulted")
    return `dispute ${id}: nobody ruled in time, ${grouped(awardedWh)} Wh awarded by default`;
  const carried = `dispute ${id}: ${faultWords(fault)}; ${grouped(awardedWh)} Wh awarded`;
  return ruling.agrees
    ? `${carried}: this verdict, on this evidence`
    : `${carried}, on evidence ${evidenceHash}: NOT THE SAME`;
}
