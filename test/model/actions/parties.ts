import type { Dice } from "../../contracts/dice.ts";
import { UNIT } from "../../contracts/fixture.ts";
import * as agreements from "../agreements.ts";
import * as flow from "../flow.ts";
import type { Stage } from "../stage.ts";
import { accountOf, balanceOf, deposit, epochOf, freeOf, startOf, withdraw } from "../world.ts";

/** Time passes, money comes and goes, DERs come and go. */

// --------------------------------------------------------------------------------------------------------------- Time

/** Time passes: into the next epoch, or to about the edge of some window. */
export function wait({ world }: Stage, dice: Dice): void {
  const edges = [...world.requests.values()].flatMap((each) => [
    flow.endOf(world, each),
    flow.sweepDeadline(world, each) + 1n,
    flow.disputeWindow(world, each).closes + 1n,
  ]);
  for (const { raisedAt } of world.disputes.values())
    edges.push(raisedAt + world.rules.rulingWindowSeconds + 1n);
  for (const { untilEpoch } of world.agreements.values()) {
    edges.push(startOf(world, untilEpoch) + world.rules.sweepWindowSeconds + 1n);
  }
  const edge = dice.pick(edges.filter((each) => each > world.now + 2n && each < world.now + 9_000n));
  const next = startOf(world, epochOf(world) + 1n);
  // What comes next is done a second later.
  world.now =
    edge !== undefined && dice.oneIn(3) ? edge - dice.between(1n, 2n) : next + BigInt(dice.draw(600));
}

// -------------------------------------------------------------------------------------------------------------- Money

export async function pay(stage: Stage, dice: Dice): Promise<void> {
  const { vault, stranger, operator } = stage.system;
  const party = anybody(stage, dice).address;
  const units = dice.oneIn(12) ? 0n : dice.between(1n, party === operator.address ? 900_000_000n : 400_000n);
  const send = () => vault.connect(stranger).deposit(party, units, { value: units * UNIT });
  await stage.both(
    "deposit",
    (next) => {
      deposit(next, party, units);
    },
    send,
  );
}

export async function takeOut(stage: Stage, dice: Dice): Promise<void> {
  const party = anybody(stage, dice);
  const free = freeOf(stage.world, accountOf(stage.world, party.address));
  const some = free > 1n ? free / dice.between(1n, 4n) : free;
  const units = dice.oneIn(6) ? free + 1n : dice.oneIn(12) ? 0n : some;
  const send = () => stage.system.vault.connect(party).withdraw(units, party);
  await stage.both(
    "withdrawal",
    (next) => {
      withdraw(next, party.address, units);
    },
    send,
  );
}

function anybody({ system }: Stage, dice: Dice) {
  const { ders, operator, aggregator } = system;
  return dice.pick([...ders.map(({ signer }) => signer), operator, aggregator]) ?? operator;
}

// --------------------------------------------------------------------------------------------------------- Agreements

export async function join(stage: Stage, dice: Dice): Promise<void> {
  const { aria, criteria } = stage.system;
  const der = someDer(stage, dice, ["none", "Closed"]);
  const powerW = dice.between(criteria.minPowerW - 50n, 20_000n);
  const price = dice.oneIn(16) ? criteria.maxPrice + 1n : dice.between(0n, criteria.maxPrice);
  const due = (powerW * criteria.depositPerKw + 999n) / 1_000n;
  const units = dice.oneIn(8) ? 0n : dice.oneIn(8) ? due - 1n : due + BigInt(dice.draw(500_000));
  const meter = stage.newMeter();
  const { address } = der.signer;
  await stage.both(
    "join",
    (next) => {
      agreements.join(next, address, powerW, price, units);
    },
    () => aria.connect(der.signer).join(powerW, price, meter, { value: units * UNIT }),
  );
}

export async function commission(stage: Stage, dice: Dice): Promise<void> {
  const { aria, operator } = stage.system;
  const { address } = someDer(stage, dice, ["Prospective"]).signer;
  const meter = stage.newMeter().address;
  const send = () => aria.connect(operator).commission([{ der: address, meter }]);
  await stage.both(
    "commissioning",
    (next) => {
      agreements.commission(next, address, meter);
    },
    send,
  );
}

export async function reject(stage: Stage, dice: Dice): Promise<void> {
  const { aria, operator } = stage.system;
  const { address } = someDer(stage, dice, ["Prospective"]).signer;
  const send = () => aria.connect(operator).reject(address);
  await stage.both(
    "rejection",
    (next) => {
      agreements.reject(next, address);
    },
    send,
  );
}

export async function topUp(stage: Stage, dice: Dice): Promise<void> {
  const { signer } = someDer(stage, dice, ["Active", "Leaving"]);
  const units = dice.oneIn(10) ? 0n : dice.between(1n, 2_000_000n);
  const send = () => stage.system.aria.connect(signer).topUp({ value: units * UNIT });
  await stage.both(
    "top-up",
    (next) => {
      agreements.topUp(next, signer.address, units);
    },
    send,
  );
}

export async function leave(stage: Stage, dice: Dice): Promise<void> {
  const { signer } = someDer(stage, dice, ["Active"]);
  const send = () => stage.system.aria.connect(signer).leave();
  await stage.both(
    "leave",
    (next) => {
      agreements.leave(next, signer.address);
    },
    send,
  );
}

export async function close(stage: Stage, dice: Dice): Promise<void> {
  const { signer } = someDer(stage, dice, ["Leaving"]);
  const send = () => stage.system.aria.connect(signer).close();
  await stage.both(
    "close",
    (next) => {
      agreements.close(next, signer.address);
    },
    send,
  );
}

/** A DER whose agreement is one of these if there is one; now and then any. */
function someDer({ system, world }: Stage, dice: Dice, statuses: string[]) {
  const fitting = system.ders.filter(({ signer }) => {
    const status = world.agreements.get(accountOf(world, signer.address))?.status ?? "none";
    return statuses.includes(status);
  });
  const der = (dice.oneIn(10) ? undefined : dice.pick(fitting)) ?? dice.pick(system.ders);
  if (!der) throw new Error("there are no DERs");
  return der;
}

/** The Aggregator fills its account up and posts the bond, or takes it back. */
export async function bond(stage: Stage, dice: Dice): Promise<void> {
  const { world, system } = stage;
  const { aria, vault, aggregator } = system;
  const asAggregator = aria.connect(aggregator);
  if (dice.oneIn(8)) {
    await stage.both("bond released", agreements.releaseBond, () => asAggregator.releaseBond());
    return;
  }
  const missing = world.rules.aggregatorBond - balanceOf(world, world.aggregator);
  if (missing > 0n && !dice.oneIn(6)) {
    const send = () => vault.connect(system.stranger).deposit(aggregator, missing, { value: missing * UNIT });
    await stage.both(
      "deposit",
      (next) => {
        deposit(next, aggregator.address, missing);
      },
      send,
    );
  }
  await stage.both("bond posted", agreements.postBond, () => asAggregator.postBond());
}

export async function pause(stage: Stage, dice: Dice): Promise<void> {
  const { aria, guardian } = stage.system;
  const paused = !stage.world.paused && dice.oneIn(2);
  const send = () => aria.connect(guardian).setPaused(paused);
  await stage.both(
    "pause",
    (next) => {
      agreements.setPaused(next, paused);
    },
    send,
  );
}
