import { connect } from "../../agents/chain/connection.ts";
import type { Service } from "../../agents/chain/books.ts";
import { ChainFollower } from "../../agents/chain/follower.ts";
import type { Ledger } from "../../agents/chain/ledger.ts";
import type { Dispute, ServiceView } from "../../agents/chain/service-view.ts";
import { energyWs } from "../../agents/metering/source.ts";
import type { SettledRequest } from "../../agents/settlement/tree.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { Member, Part } from "./cast.ts";
import { developmentKey } from "./cast.ts";
import type { Stage } from "./stage.ts";
import type { Timetable } from "./timetable.ts";

/** What the books say after the day, rebuilt from the chain's events by somebody who took no part in it. */
export interface Audit {
  readonly energy: EnergyTotals;
  readonly parties: readonly PartyAccount[];
  readonly disputes: readonly DisputeRecord[];
  readonly conservation: Conservation;
}

/** Wh over all DERs and epochs. */
export interface EnergyTotals {
  readonly fed: bigint;
  readonly requested: bigint;
  readonly credited: bigint;
  readonly awarded: bigint;
}

/** One party. Energy in Wh, money in units. */
export interface PartyAccount {
  readonly name: string;
  readonly role: "der" | "aggregator" | "operator";
  readonly part: Part | undefined;
  readonly kind: string;
  readonly powerW: bigint;
  readonly price: bigint;
  readonly account: bigint | undefined;
  readonly status: string;
  readonly energy: EnergyTotals;
  readonly penalties: bigint;
  readonly deposited: bigint;
  readonly withdrawn: bigint;
  readonly balance: bigint;
}

export interface DisputeRecord {
  readonly der: string;
  readonly part: Part;
  readonly epoch: number;
  readonly dispute: Dispute;
  readonly reasons: readonly string[];
  /** Whom the plot has at fault. */
  readonly expected: "aggregator" | "der" | "none";
}

/** Assets against accounts, in units. */
export interface Conservation {
  readonly assetsHeld: bigint;
  /** Of the chain's own balances, and of those rebuilt from events. */
  readonly sumOfAccounts: bigint;
  readonly sumOfEvents: bigint;
  readonly accounts: number;
  /** Accounts whose balance on the chain differs from the one rebuilt from events. */
  readonly differing: number;
}

const AUDITOR_KEY = developmentKey(9);

/** Audits the day: reads every event from the first block on, and every balance from the chain. */
export async function audit(stage: Stage, members: readonly Member[], timetable: Timetable): Promise<Audit> {
  const connection = await connect({
    rpcUrl: stage.url,
    privateKey: AUDITOR_KEY,
    registry: stage.addresses.registry,
  });
  const store = openSqliteStore(":memory:");
  try {
    const follower = new ChainFollower(connection, store, 0);
    await follower.follow();
    const { ledger, services } = follower;
    const settlements = services.map(settlementsOf);
    const ders = members.map((member) => derAccount(member, ledger, settlements, timetable));
    return {
      energy: ders.reduce((sum, { energy }) => added(sum, energy), NONE),
      parties: [...ders, ...companies(ledger, services)],
      disputes: disputesOf(services, members, ledger, stage),
      conservation: await conservation(stage, ledger, connection.unit),
    };
  } finally {
    await store.close();
    connection.close();
  }
}

const NONE: EnergyTotals = { fed: 0n, requested: 0n, credited: 0n, awarded: 0n };

function added(a: EnergyTotals, b: EnergyTotals): EnergyTotals {
  return {
    fed: a.fed + b.fed,
    requested: a.requested + b.requested,
    credited: a.credited + b.credited,
    awarded: a.awarded + b.awarded,
  };
}

function derAccount(
  member: Member,
  ledger: Ledger,
  settlements: readonly Settlements[],
  { epochs, epochSeconds }: Timetable,
): PartyAccount {
  const account = ledger.accountOf(member.address);
  const settled = account === undefined ? [] : settlements.map((service) => settledFor(service, account));
  const fed =
    member.part === "misfit"
      ? 0n
      : epochs.reduce(
          (sum, epoch) => sum + energyWs(member.fed, epoch * epochSeconds, (epoch + 1) * epochSeconds),
          0n,
        ) / 3_600n;
  const latest = account === undefined ? undefined : settlements.at(-1)?.agreements.get(account);
  return {
    ...money(ledger, account),
    name: member.name,
    role: "der",
    part: member.part,
    kind: member.kind,
    powerW: member.powerW,
    price: member.price,
    status: latest?.status ?? (account === undefined ? "refused" : "left"),
    energy: settled.reduce((sum, { energy }) => added(sum, energy), { ...NONE, fed }),
    penalties: settled.reduce((sum, { penalties }) => sum + penalties, 0n),
  };
}

/** What one ARIA settled, its requests read once for all accounts. */
interface Settlements {
  readonly agreements: ServiceView["agreements"];
  readonly requests: readonly SettledRequest[];
  readonly disputes: readonly Dispute[];
}

function settlementsOf({ view }: Service): Settlements {
  return {
    agreements: view.agreements,
    requests: [...view.requests.values()].map((request) => view.settledRequest(request)),
    disputes: [...view.disputes.values()],
  };
}

/** What one ARIA settled for an account. */
function settledFor(
  { requests, disputes }: Settlements,
  account: bigint,
): { energy: EnergyTotals; penalties: bigint } {
  let [energy, penalties] = [NONE, 0n];
  for (const { rows, sweep } of requests) {
    const index = rows.findIndex((row) => row.account === account);
    const row = rows[index];
    if (row === undefined) continue;
    const requested = total(row.energyWh);
    const credited = sweep === undefined ? 0n : requested - total(sweep.shortfallsWh[index] ?? []);
    energy = added(energy, { ...NONE, requested, credited });
    penalties += sweep?.penalties[index] ?? 0n;
  }
  const awarded = total(
    disputes.filter((dispute) => dispute.account === account).map(({ awardedWh }) => awardedWh ?? 0n),
  );
  return { energy: added(energy, { ...NONE, awarded }), penalties };
}

function companies(ledger: Ledger, services: readonly Service[]): PartyAccount[] {
  const terms = services.at(-1)?.terms;
  if (terms === undefined) return [];
  const company = (role: "aggregator" | "operator", account: bigint): PartyAccount => ({
    ...money(ledger, account),
    name: role,
    role,
    part: undefined,
    kind: "",
    powerW: 0n,
    price: 0n,
    status: "",
    energy: NONE,
    penalties: 0n,
  });
  return [company("aggregator", terms.aggregatorAccount), company("operator", terms.operatorAccount)];
}

function money(
  ledger: Ledger,
  account: bigint | undefined,
): Pick<PartyAccount, "account" | "deposited" | "withdrawn" | "balance"> {
  if (account === undefined) return { account, deposited: 0n, withdrawn: 0n, balance: 0n };
  return {
    account,
    deposited: ledger.deposited.get(account) ?? 0n,
    withdrawn: ledger.withdrawn.get(account) ?? 0n,
    balance: ledger.balanceOf(account),
  };
}

function disputesOf(
  services: readonly Service[],
  members: readonly Member[],
  ledger: Ledger,
  { operator }: Stage,
): DisputeRecord[] {
  const reasons = new Map(operator.rulings.map(({ dispute, verdict }) => [dispute.id, verdict.reasons]));
  return services
    .flatMap(({ view }) => [...view.disputes.values()])
    .map((dispute) => {
      const member = members.find(({ address }) => address === ledger.ownerOf(dispute.account));
      if (member === undefined) throw new Error(`dispute ${dispute.id} was raised by nobody of the cast`);
      return {
        der: member.name,
        part: member.part,
        epoch: dispute.epoch,
        dispute,
        reasons: reasons.get(dispute.id) ?? [],
        expected: expectedFault(member.part),
      };
    });
}

function expectedFault(part: Part): DisputeRecord["expected"] {
  if (part === "short-changed") return "aggregator";
  return part === "boaster" ? "der" : "none";
}

async function conservation(stage: Stage, ledger: Ledger, unit: bigint): Promise<Conservation> {
  const balances = await stage.deployment.balances(stage.addresses.vault);
  return {
    assetsHeld: (await stage.clock.balanceOf(stage.addresses.vault)) / unit,
    sumOfAccounts: total(balances),
    sumOfEvents: ledger.total(),
    accounts: balances.length,
    differing: balances.filter((balance, i) => balance !== ledger.balanceOf(BigInt(i + 1))).length,
  };
}

function total(figures: readonly bigint[]): bigint {
  return figures.reduce((sum, figure) => sum + figure, 0n);
}
