import type { Command } from "commander";

import { factsOf } from "../chain/witness.ts";
import { type Check, type CheckName, CHECKS } from "../evidence/checks.ts";
import { type Bundle, BundleFormatError } from "../evidence/format.ts";
import { verifyBundle } from "../evidence/verify.ts";
import { askChain, type ChainOptions, withChainOptions } from "./chain.ts";
import { bundleIn, readText } from "./files.ts";
import type { Shell } from "./shell.ts";
import { checkLines, counted, jsonText, subjectLine } from "./words.ts";

interface VerifyOptions extends ChainOptions {
  readonly json?: boolean;
}

/** `pof verify`: whether a bundle is what it says it is. */
export function addVerify(program: Command, shell: Shell): void {
  withChainOptions(
    program
      .command("verify")
      .description("Makes every check on a bundle; those that need a chain with --rpc only.")
      .argument("<file>", "a bundle, byte for byte as it was given"),
  )
    .option("--json", "print one JSON document on standard output, and nothing else")
    .addHelpText(
      "after",
      "\nExit status: 0 if every check holds that could be made, and with --rpc every one; 1 if not; 2 for a file that\ncannot be read.\n\nExamples:\n  npm run pof -- verify der.json\n  npm run pof -- verify der.json --rpc http://127.0.0.1:8545\n  npm run --silent pof -- verify der.json --json",
    )
    .action(async (file: string, options: VerifyOptions) => {
      shell.done(await verify(file, options, shell));
    });
}

async function verify(file: string, options: VerifyOptions, shell: Shell): Promise<number> {
  const bundle = bundleIn(readText(file));
  const readable = bundle instanceof BundleFormatError ? undefined : bundle;
  const checks =
    readable === undefined ? unreadable(bundle as BundleFormatError) : await checked(readable, options);
  const withChain = options.rpc !== undefined;
  const ok = checks.every(({ outcome }) => outcome === "holds" || (outcome === "unchecked" && !withChain));
  shell.stdout.write(
    `${options.json ? documentOf(file, readable, checks, ok) : report(file, readable, checks, options)}\n`,
  );
  return ok ? 0 : 1;
}

async function checked(bundle: Bundle, { rpc, ...options }: VerifyOptions): Promise<Check[]> {
  if (rpc === undefined) return verifyBundle(bundle);
  return askChain({ ...options, rpc }, [bundle], async ({ connection, follower }) =>
    vouchedFor(verifyBundle(bundle, await factsOf(bundle, connection, follower))),
  );
}

/** Where headers could not be given in bytes, the chain's word on the blocks is all there can be. */
function vouchedFor(checks: readonly Check[]): Check[] {
  const blocksHold = checks.some(({ check, outcome }) => check === "blocks" && outcome === "holds");
  return checks.map((check) =>
    check.check === "headers" && check.outcome === "unchecked" && blocksHold
      ? { ...check, outcome: "holds", detail: `${check.detail}; the node has them so` }
      : check,
  );
}

function unreadable({ message }: BundleFormatError): Check[] {
  return (Object.keys(CHECKS) as CheckName[]).map((check) =>
    check === "format"
      ? { check, outcome: "fails", detail: message }
      : { check, outcome: "unchecked", detail: "needs a bundle" },
  );
}

function documentOf(file: string, bundle: Bundle | undefined, checks: readonly Check[], ok: boolean): string {
  return jsonText({
    file,
    ok,
    subject:
      bundle === undefined
        ? null
        : {
            role: bundle.role,
            der: bundle.statement.der,
            epoch: bundle.statement.epoch,
            energyWh: bundle.statement.energyWh,
            chainId: bundle.chainId,
            registry: bundle.registry,
            aria: bundle.aria,
            meter: bundle.meter,
            signer: bundle.signer,
          },
    checks: checks.map((check) => ({ ...check, says: CHECKS[check.check] })),
  });
}

function report(
  file: string,
  bundle: Bundle | undefined,
  checks: readonly Check[],
  { rpc, registry }: VerifyOptions,
): string {
  const trust =
    bundle !== undefined && rpc !== undefined && registry === undefined
      ? [
          `All rests on the Registry that the file names, ${bundle.registry}: see that it is the one you know.`,
        ]
      : [];
  const why = [
    ...new Set(checks.filter(({ outcome }) => outcome === "unchecked").map(({ detail }) => detail)),
  ];
  const mend =
    why.length === 0 ? "" : ` (${why.join("; ")}${bundle && !rpc ? ": name a node with --rpc" : ""})`;
  return [
    bundle === undefined ? `${file} is no bundle` : `${file}: ${subjectLine(bundle)}`,
    ...checkLines(checks),
    `${counted(checks)}${mend}`,
    ...trust,
  ].join("\n");
}
