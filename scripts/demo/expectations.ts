import type { Audit, PartyAccount } from "./audit.ts";
import type { Part } from "./cast.ts";
import type { DayOutcome } from "./day.ts";

/** Something the day must have shown, and whether it did. */
export interface Expectation {
  readonly what: string;
  readonly met: boolean;
  readonly seen: string;
}

/** Holds the day against its plot. */
export function expectations(
  { parties, disputes, conservation, energy }: Audit,
  outcome: DayOutcome,
): Expectation[] {
  const party = (part: Part): PartyAccount | undefined =>
    parties.find((candidate) => candidate.part === part);
  const [outage, misfit, leaver] = [party("outage"), party("misfit"), party("leaver")];
  const wronged = disputes.filter(({ part }) => part === "short-changed");
  const boasts = disputes.filter(({ part }) => part === "boaster");
  const { balancesBefore, balancesAfter } = outcome;
  return [
    {
      what: "a DER that could not deliver what it promised is penalised",
      met: (outage?.penalties ?? 0n) > 0n,
      seen: `penalties of ${outage?.penalties ?? 0n}`,
    },
    {
      what: "a DER that was under-reported disputes and is paid, and the Aggregator's bond is cut",
      met:
        wronged.length > 0 &&
        wronged.every(
          ({ dispute }) =>
            dispute.fault === "aggregator" &&
            (dispute.awardedWh ?? 0n) > 0n &&
            (dispute.paid ?? 0n) > 0n &&
            (dispute.fine ?? 0n) > 0n,
        ),
      seen: `${wronged.length} disputes; fines of ${wronged.reduce((sum, { dispute }) => sum + (dispute.fine ?? 0n), 0n)}`,
    },
    {
      what: "a DER that claims energy it did not feed is awarded nothing and loses its bond",
      met:
        boasts.length > 0 &&
        boasts.every(({ dispute }) => dispute.fault === "der" && (dispute.awardedWh ?? 0n) === 0n),
      seen: `${boasts.length} disputes`,
    },
    {
      what: "no dispute ends otherwise than it should",
      met: disputes.every(
        ({ dispute, expected }) => dispute.status === "ruled" && dispute.fault === expected,
      ),
      seen: `${disputes.length} disputes`,
    },
    {
      what: "a DER that fails the criteria is refused",
      met: misfit?.status === "refused",
      seen: misfit?.status ?? "no such DER",
    },
    {
      what: "a DER leaves and withdraws all it has",
      met: leaver?.balance === 0n && leaver.withdrawn > 0n,
      seen: `${leaver?.withdrawn ?? 0n} withdrawn, ${leaver?.balance ?? 0n} left`,
    },
    {
      what: "a new ARIA takes over and no balance moves",
      met:
        outcome.firstAria !== outcome.secondAria &&
        balancesBefore.join() === balancesAfter.slice(0, balancesBefore.length).join(),
      seen: `${balancesBefore.length} accounts unchanged`,
    },
    {
      what: "energy was delivered and paid",
      met: energy.credited > 0n && energy.credited + energy.awarded <= energy.requested,
      seen: `${energy.credited} of ${energy.requested} Wh`,
    },
    {
      what: "the assets held are the sum of all accounts, to the last unit",
      met:
        conservation.assetsHeld === conservation.sumOfAccounts &&
        conservation.sumOfAccounts === conservation.sumOfEvents &&
        conservation.differing === 0,
      seen: `${conservation.assetsHeld} held, ${conservation.sumOfAccounts} in accounts`,
    },
  ];
}
