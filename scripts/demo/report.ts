import Table from "cli-table3";

import type { ReplayReport } from "../../agents/metering/sources/replay.ts";
import type { Audit, Conservation, DisputeRecord, EnergyTotals, PartyAccount } from "./audit.ts";
import type { Expectation } from "./expectations.ts";
import type { GasOfKind } from "./gas-log.ts";
import type { DemoOptions } from "./options.ts";
import { EPOCH_SECONDS, timeOfDay } from "./timetable.ts";

/** Everything the demo has to show. */
export interface DemoResult {
  readonly options: DemoOptions;
  readonly audit: Audit;
  readonly expectations: readonly Expectation[];
  readonly gas: ReadonlyMap<string, GasOfKind>;
  readonly replay: ReplayReport | undefined;
  readonly seconds: number;
}

/** The result as one JSON document. Energy in Wh, money in units of the Vault (gwei). */
export function jsonOf({ options, audit, expectations, gas, replay, seconds }: DemoResult): string {
  const document = {
    ok: expectations.every(({ met }) => met),
    ders: options.ders,
    epochs: options.epochs,
    seed: options.seed,
    sweepEvery: options.sweepEvery,
    energyWh: audit.energy,
    parties: audit.parties.map((party) => ({
      ...party,
      account: party.account ?? null,
      part: party.part ?? null,
    })),
    disputes: audit.disputes.map(disputeOf),
    conservation: { ...audit.conservation, balanced: balanced(audit.conservation) },
    gas: Object.fromEntries(
      [...gas].map(([kind, { count, least, most, total }]) => [
        kind,
        { count, least, most, mean: total / BigInt(count) },
      ]),
    ),
    expectations,
    seconds,
    replay: replay ?? null,
  };
  return JSON.stringify(
    document,
    (_, value: unknown) => (typeof value === "bigint" ? plain(value) : value),
    2,
  );
}

/** The result as tables. */
export function tablesOf({ options, audit, expectations, gas, replay, seconds }: DemoResult): string {
  return [
    heading("Energy (kWh)"),
    energyTable(audit.energy),
    heading("Parties (energy in kWh; money in gwei, prices in gwei per kWh)"),
    partyTable(audit.parties),
    heading("Disputes"),
    disputeTable(audit.disputes),
    heading("Gas"),
    gasTable(gas),
    ...(replay === undefined ? [] : [heading("Replay"), replayTable(replay)]),
    heading("Conservation (gwei)"),
    conservationTable(audit.conservation),
    heading("Expected of the day"),
    expectationTable(expectations),
    `\n${options.ders} DERs, ${options.epochs} epochs, seed ${options.seed}: ${seconds.toFixed(1)} s\n`,
  ].join("\n");
}

/** A JSON number where it is exact, otherwise a decimal string. */
function plain(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER)
    ? Number(value)
    : value.toString();
}

function disputeOf({ der, part, epoch, dispute, reasons, expected }: DisputeRecord): object {
  return {
    id: dispute.id.toString(),
    der,
    part,
    epoch,
    claimWh: dispute.claimWh,
    awardedWh: dispute.awardedWh ?? null,
    expected,
    actual: dispute.status === "open" ? "open" : (dispute.fault ?? "none"),
    paid: dispute.paid ?? null,
    refunded: dispute.refunded ?? null,
    fine: dispute.fine ?? null,
    blockstampsChecked: dispute.blockstampsChecked,
    evidenceHash: dispute.evidenceHash ?? null,
    reasons,
  };
}

function balanced({ assetsHeld, sumOfAccounts, sumOfEvents, differing }: Conservation): boolean {
  return assetsHeld === sumOfAccounts && sumOfAccounts === sumOfEvents && differing === 0;
}

function energyTable({ fed, requested, credited, awarded }: EnergyTotals): string {
  return table(
    ["fed", "requested", "delivered", "missing", "awarded in disputes"],
    [[kwh(fed), kwh(requested), kwh(credited), kwh(requested - credited), kwh(awarded)]],
  );
}

function partyTable(parties: readonly PartyAccount[]): string {
  const rows = parties.map((party) => {
    const { name, part, powerW, price, status, energy, penalties, deposited, withdrawn, balance } = party;
    const der = party.role === "der";
    const gain = balance + withdrawn - deposited;
    return [
      name,
      part === undefined || part === "honest" ? "" : part,
      status,
      der ? `${powerW / 1_000n}` : "",
      der ? grouped(price) : "",
      ...(der
        ? [kwh(energy.fed), kwh(energy.requested), kwh(energy.credited + energy.awarded)]
        : ["", "", ""]),
      der ? grouped(penalties) : "",
      grouped(deposited),
      grouped(withdrawn),
      grouped(balance),
      `${gain > 0n ? "+" : ""}${grouped(gain)}`,
    ];
  });
  return table(
    [
      "party",
      "part",
      "agreement",
      "kW",
      "price",
      "fed",
      "asked",
      "paid for",
      "penalties",
      "paid in",
      "taken out",
      "balance",
      "gain",
    ],
    rows,
  );
}

function disputeTable(disputes: readonly DisputeRecord[]): string {
  const rows = disputes.map(({ der, epoch, dispute, reasons, expected }) => [
    der,
    timeOfDay(epoch * EPOCH_SECONDS),
    grouped(dispute.claimWh),
    grouped(dispute.awardedWh ?? 0n),
    dispute.fault ?? dispute.status,
    expected,
    grouped(dispute.fine ?? 0n),
    reasons.join("; "),
  ]);
  return table(["DER", "epoch", "claim Wh", "award Wh", "at fault", "expected", "fine", "reasons"], rows, {
    7: 60,
  });
}

function gasTable(gas: DemoResult["gas"]): string {
  const rows = [...gas].map(([kind, { count, least, most, total }]) => [
    kind,
    String(count),
    grouped(least),
    grouped(total / BigInt(count)),
    grouped(most),
  ]);
  return table(["transaction", "sent", "least", "mean", "most"], rows);
}

function replayTable(replay: ReplayReport): string {
  const { rows, used, negative, empty, outOfOrder, duplicates, unparseable, gaps, stuck, stepSeconds } =
    replay;
  return table(
    [
      "rows",
      "used",
      "negative",
      "empty",
      "out of order",
      "duplicates",
      "unreadable times",
      "gaps",
      "stuck",
      "step s",
      "from",
      "to",
    ],
    [
      [
        ...[
          rows,
          used,
          negative,
          empty,
          outOfOrder,
          duplicates,
          unparseable,
          gaps.length,
          stuck.length,
          stepSeconds,
        ].map(String),
        replay.first,
        replay.last,
      ],
    ],
  );
}

function conservationTable(conservation: Conservation): string {
  const { assetsHeld, sumOfAccounts, sumOfEvents, accounts } = conservation;
  return table(
    ["assets held", "sum of accounts", "rebuilt from events", "accounts", "balanced"],
    [
      [
        grouped(assetsHeld),
        grouped(sumOfAccounts),
        grouped(sumOfEvents),
        String(accounts),
        balanced(conservation) ? "yes" : "NO",
      ],
    ],
  );
}

function expectationTable(list: readonly Expectation[]): string {
  return table(
    ["", "expected", "seen"],
    list.map(({ what, met, seen }) => [met ? "ok" : "NOT MET", what, seen]),
  );
}

function heading(text: string): string {
  return `\n${text}`;
}

function table(head: string[], rows: string[][], widths: Readonly<Record<number, number>> = {}): string {
  const drawn = new Table({
    head,
    style: { head: [], border: [] },
    wordWrap: true,
    colWidths: head.map((_, i) => widths[i] ?? null),
  });
  drawn.push(...rows);
  return drawn.toString();
}

/** Wh as kWh with two decimals, cut off. */
function kwh(wh: bigint): string {
  const hundredths = wh / 10n;
  return `${grouped(hundredths / 100n)}.${String(hundredths % 100n).padStart(2, "0")}`;
}

function grouped(value: bigint): string {
  return value.toLocaleString("en");
}
