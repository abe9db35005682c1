import { join } from "node:path";

import type { Command } from "commander";

import { aggregatorEvidence } from "../aggregator/evidence.ts";
import type { Service } from "../chain/books.ts";
import { derEvidence } from "../der/evidence.ts";
import { type SignedEpoch, storedEpoch } from "../evidence/bundle.ts";
import { keptMeterId } from "../evidence/kept-meter.ts";
import { storedSeals, UnsealedError } from "../evidence/seal.ts";
import { parseVerdict } from "../evidence/verdict-text.ts";
import { writeCase } from "./case-files.ts";
import { address, disputeId } from "./chain.ts";
import { Failure } from "./failure.ts";
import { emptyFolder, writeText } from "./files.ts";
import { atDesk, type Desk, type Party, partyOf, servicesOf } from "./party.ts";
import type { Shell } from "./shell.ts";
import { jsonText } from "./words.ts";

interface EvidenceOptions {
  readonly config: string;
  readonly aria?: string;
  readonly dispute: bigint;
  readonly out: string;
  readonly json?: boolean;
}

/** `pof evidence`: what a party has of a dispute, as files. */
export function addEvidence(program: Command, shell: Shell): void {
  program
    .command("evidence")
    .description(
      "Writes what a party's agent has of a dispute: all that the Operator heard, or a party's own bundle.",
    )
    .requiredOption(
      "--config <file>",
      "the agent's configuration; its store is read, also while the agent runs",
    )
    .requiredOption("--dispute <id>", "the dispute's number", disputeId)
    .requiredOption("--out <dir>", "where the folder of the dispute is made")
    .option("--aria <address>", "the ARIA it was raised with, if several have one of this number", address)
    .option("--json", "print one JSON document on standard output, and nothing else")
    .addHelpText(
      "after",
      "\nNo key is needed: what was signed and sealed is in the store.\n\nExamples:\n  npm run pof -- evidence --config operator.json --dispute 17181849092 --out cases\n  npm run pof -- evidence --config der.json --dispute 17181849092 --out cases",
    )
    .action(async (options: EvidenceOptions) => {
      shell.done(await evidence(options, shell));
    });
}

async function evidence(
  { config, aria, dispute, out, json }: EvidenceOptions,
  shell: Shell,
): Promise<number> {
  const party = partyOf(config, shell.env);
  const folder = join(out, dispute.toString());
  const files = await atDesk(party, async (desk) => {
    const services = servicesOf(desk, aria);
    return party.role === "operator"
      ? heard(desk, services, dispute, folder)
      : [await own(party, desk, services, dispute, folder)];
  });
  const text = json ? jsonText({ disputeId: dispute, folder, files }) : `${folder}: ${files.join(", ")}`;
  shell.stdout.write(`${text}\n`);
  return 0;
}

/** All that the Operator heard, and what it made of it. */
async function heard(
  { store, connection }: Desk,
  services: readonly Service[],
  dispute: bigint,
  folder: string,
): Promise<string[]> {
  for (const { address: aria } of services) {
    const hearing = await store.hearingOf(aria, dispute);
    if (hearing === undefined) continue;
    const { der, aggregator, feeder, evidenceHash, heardAt } = hearing;
    const { chainId } = connection;
    emptyFolder(folder);
    return writeCase(folder, {
      disputeId: dispute,
      chainId,
      aria,
      evidence: { der, aggregator, feeder },
      verdict: parseVerdict(hearing.verdict),
      evidenceHash,
      heardAt,
    });
  }
  throw new Failure(1, `the store has no hearing of dispute ${dispute}: the agent has not heard it yet`);
}

// --------------------------------------------------------------------------------------------------- A party's own meter

async function own(
  { role }: Party,
  desk: Desk,
  services: readonly Service[],
  id: bigint,
  folder: string,
): Promise<string> {
  const service = services.find(({ view }) => view.disputes.has(id));
  if (service === undefined) throw new Failure(1, `the chain has no dispute ${id}`);
  const text = await sealed(role === "der" ? ofDer(desk, service, id) : ofAggregator(desk, service, id));
  const name = `${role}.json`;
  emptyFolder(folder);
  writeText(join(folder, name), text);
  return name;
}

/** @throws {Failure} for a bundle that the agent never sealed */
async function sealed(text: Promise<string>): Promise<string> {
  try {
    return await text;
  } catch (error) {
    if (error instanceof UnsealedError) throw new Failure(1, error.message, { cause: error });
    throw error;
  }
}

async function ofDer(desk: Desk, service: Service, id: bigint): Promise<string> {
  const [account, epoch] = placeOf(id);
  const meter = service.view.meterOf(account, epoch) ?? "";
  const signed = await signedEpoch(desk, service, meter, epoch);
  const dispute = service.view.disputes.get(id);
  return derEvidence(desk.connection, service, meter, signed, dispute, storedSeals(desk.store));
}

async function ofAggregator(desk: Desk, service: Service, id: bigint): Promise<string> {
  const { store, connection, follower } = desk;
  const [account, epoch] = placeOf(id);
  const signer = follower.ledger.ownerOf(service.terms.aggregatorAccount);
  const meter = keptMeterId(signer, follower.ledger.ownerOf(account));
  const signed = await signedEpoch(desk, service, meter, epoch);
  const asked = { account, epoch, withLeaves: true };
  const seal = storedSeals(store);
  return aggregatorEvidence(connection, store, service, { meter, signer }, signed, asked, seal);
}

/** A dispute's number is made of account and epoch. */
function placeOf(id: bigint): [account: bigint, epoch: number] {
  return [id >> 32n, Number(id & 0xffff_ffffn)];
}

/** An epoch as it was signed: only the agent, which has the key, can sign one. */
async function signedEpoch(
  { store }: Desk,
  service: Service,
  meter: string,
  epoch: number,
): Promise<SignedEpoch> {
  const { epochSeconds } = service.terms.rules;
  const signed = await storedEpoch(store, { meter, epoch, epochSeconds, aria: service.address });
  if (signed === undefined) {
    throw new Failure(
      1,
      `the store has no statement of meter ${meter} for epoch ${epoch}: is this the DER's or the Aggregator's own configuration?`,
    );
  }
  return signed;
}
