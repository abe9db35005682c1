import type { Stage } from "./stage.ts";
import type { Timetable } from "./timetable.ts";

/** When blocks are mined, and so meters read, within an epoch: seconds after its start. */
const BLOCKS_AT = [5, 450, 895];
/** How long before the first epoch the preparations begin, in epochs. */
const PREPARATION_EPOCHS = 4;
/** How far blocks are apart while everybody waits for a window to close, seconds. */
const WAITING_SECONDS = 150;

/** Told of what happens, as it happens. */
export interface Audience {
  /** An epoch is over. @param unixSeconds its end */
  epoch(unixSeconds: number): void;
  /** Something worth a line. */
  says(unixSeconds: number, line: string): void;
}

/** What the day left behind that no event tells. */
export interface DayOutcome {
  readonly firstAria: string;
  readonly secondAria: string;
  /** Sum of all accounts, in units, just before and just after the Vault was handed over. */
  readonly balancesBefore: readonly bigint[];
  readonly balancesAfter: readonly bigint[];
}

/** Plays the day: only the chain's time is moved; the rest is the agents' doing, and the owner's at the hand-over. */
export async function playDay(stage: Stage, timetable: Timetable, audience: Audience): Promise<DayOutcome> {
  const { epochs, lastBefore, firstAfter } = timetable;
  const secondAria = await prepare(stage, timetable, audience);
  for (const epoch of epochs.filter((candidate) => candidate <= lastBefore)) {
    await playEpoch(stage, timetable, epoch, audience);
  }
  const balances = await handOver(stage, timetable, secondAria, audience);
  for (const epoch of epochs.filter((candidate) => candidate >= firstAfter)) {
    await playEpoch(stage, timetable, epoch, audience);
  }
  await waitUntilRetired(stage, secondAria);
  return { firstAria: stage.addresses.aria, secondAria, ...balances };
}

/** The time before: everybody joins, and the second ARIA is announced, so that the exit window is over by mid-day. */
async function prepare(stage: Stage, timetable: Timetable, audience: Audience): Promise<string> {
  const { clock, deployment, addresses, ders, operator } = stage;
  const dawn = (timetable.epochs[0] ?? 0) * timetable.epochSeconds;
  await clock.moveTo(dawn - PREPARATION_EPOCHS * timetable.epochSeconds);
  const secondAria = await deployment.announceNext(addresses.vault);
  for (const { agent } of ders) await agent.advance(); // one after the other, so that accounts are numbered alike
  await operator.advance();
  for (const { member, agent } of ders) {
    if (agent.refusal !== undefined)
      audience.says(await clock.now(), `${member.name}: ${agent.refusal.message}`);
  }
  await deployment.retire(addresses.aria, timetable.lastBefore);
  await clock.moveTo(dawn - timetable.epochSeconds + 5);
  await look(stage); // the Operator orders
  await look(stage); // the Aggregator requests
  await clock.moveTo(dawn - 5);
  return secondAria;
}

async function playEpoch(
  stage: Stage,
  { epochSeconds }: Timetable,
  epoch: number,
  audience: Audience,
): Promise<void> {
  // Everybody looks at the chain once, as the epoch begins; the other blocks are there for the meters to read at.
  const [first = 0, ...rest] = BLOCKS_AT;
  await stage.clock.moveTo(epoch * epochSeconds + first);
  await look(stage);
  for (const at of rest) await stage.clock.moveTo(epoch * epochSeconds + at);
  audience.epoch((epoch + 1) * epochSeconds);
}

/** Everybody catches up with the chain and acts: the Aggregator sweeps, DERs check and dispute, the Operator rules. */
async function look({ aggregator, ders, operator }: Stage): Promise<void> {
  await aggregator.advance();
  await Promise.all([...ders.map(({ agent }) => agent.advance()), operator.advance()]);
}

/** The first ARIA retires; the second takes the Vault over, without a balance being moved, and everybody joins it. */
async function handOver(
  stage: Stage,
  { firstAfter, epochs, epochSeconds }: Timetable,
  secondAria: string,
  audience: Audience,
): Promise<Pick<DayOutcome, "balancesBefore" | "balancesAfter">> {
  const { clock, deployment, addresses, ders, operator } = stage;
  await waitUntilRetired(stage, addresses.aria);
  audience.says(await clock.now(), "the first ARIA is retired: nothing is open any more");
  const balancesBefore = await deployment.balances(addresses.vault);
  await deployment.takeOver(addresses.registry, addresses.vault, secondAria);
  const balancesAfter = await deployment.balances(addresses.vault);
  audience.says(await clock.now(), "the second ARIA took over Vault and Registry; everybody follows");
  for (const { agent } of ders) await agent.advance();
  await operator.advance();
  await deployment.retire(secondAria, epochs.at(-1) ?? firstAfter);
  await clock.moveTo((firstAfter - 1) * epochSeconds + 5); // no-op unless the pause is longer than one epoch
  await look(stage);
  await look(stage);
  await clock.moveTo(firstAfter * epochSeconds - 5);
  return { balancesBefore, balancesAfter };
}

async function waitUntilRetired(stage: Stage, aria: string): Promise<void> {
  const { clock, deployment } = stage;
  // Windows are a few epochs long at most, so this ends; a bound turns a mistake into an error, not into a hang.
  for (let looks = 0; looks < 400; looks += 1) {
    await look(stage);
    if (await deployment.retired(aria)) return;
    await clock.moveTo((await clock.now()) + WAITING_SECONDS);
  }
  throw new Error(`${aria} has still something open long after its last epoch`);
}
