import type { Wallet } from "ethers";

import {
  type FlowStatement,
  raise as raiseClaim,
  rowProof,
  signed,
  statementOf,
} from "../../contracts/claims.ts";
import type { Dice } from "../../contracts/dice.ts";
import { Fault, UNIT } from "../../contracts/fixture.ts";
import * as disputes from "../disputes.ts";
import * as flow from "../flow.ts";
import { AGGREGATOR, type Stage } from "../stage.ts";
import { balanceOf, deposit, type Request, type Row, type World } from "../world.ts";
import { choice } from "./choice.ts";

/** DERs dispute, the Operator rules or does not, and anybody proves what needs no ruling. */

interface Spot {
  requestId: bigint;
  request: Request;
  row: Row;
  /** which epoch of the run */
  at: number;
}

/** A DER claims what its meter gave in an epoch, or more; rarely with the signature of another meter. */
export async function raise(stage: Stage, dice: Dice): Promise<void> {
  const { world } = stage;
  const all = [...world.requests].flatMap(([requestId, request]) =>
    request.rows.flatMap((row) => row.askedWh.map((_, at): Spot => ({ requestId, request, row, at }))),
  );
  const spot = choice(
    dice,
    all.filter((each) => isDisputable(world, each)),
    all,
  );
  if (!spot) return;
  const { requestId, request, row, at } = spot;
  const epoch = request.firstEpoch + BigInt(at);
  const asked = row.askedWh[at] ?? 0n;
  const measuredWh = dice.between(asked - (row.missingWh[at] ?? 0n), asked + 500n);
  const der = stage.der(row.account);
  const signer = signerOf(stage, dice, row.account, epoch);
  await payBond(stage, dice, der.signer.address, row.account);
  await stage.both(
    request.status === "Swept" ? "dispute of a sweep" : "dispute of what was not swept",
    (next) => {
      disputes.raise(next, der.signer.address, requestId, epoch, measuredWh, signer.address);
    },
    () => raiseClaim(stage.system, der, stage.settled(requestId), epoch, measuredWh, { meter: signer }),
  );
}

/** Whether now is the time to claim what is missing there, and nobody has. */
function isDisputable(world: World, { request, row, at }: Spot): boolean {
  const { opens, closes } = flow.disputeWindow(world, request);
  const open = request.status !== "Released" && opens <= world.now && world.now < closes;
  const key = disputes.disputeKey(row.account, request.firstEpoch + BigInt(at));
  return open && (row.missingWh[at] ?? 0n) > 0n && !world.disputes.has(key);
}

function signerOf(stage: Stage, dice: Dice, account: bigint, epoch: bigint): Wallet {
  const key = disputes.meterOf(stage.world, account, epoch) ?? "";
  return (dice.oneIn(12) ? undefined : stage.meters.get(key)) ?? dice.pick([...stage.meters.values()])!;
}

/** As the DER's agent does: what is not free of the dispute's bond is paid in first. */
async function payBond(stage: Stage, dice: Dice, party: string, account: bigint): Promise<void> {
  const { world, system } = stage;
  const missing = (world.locks.get(account) ?? 0n) + world.rules.disputeBond - balanceOf(world, account);
  if (missing <= 0n || dice.oneIn(8)) return;
  const send = () => system.vault.connect(system.stranger).deposit(party, missing, { value: missing * UNIT });
  await stage.both(
    "deposit",
    (next) => {
      deposit(next, party, missing);
    },
    send,
  );
}

export async function resolve(stage: Stage, dice: Dice): Promise<void> {
  const key = someDispute(stage, dice);
  const dispute = key && stage.world.disputes.get(key);
  if (!dispute) return;
  const fault = dice.pick<disputes.Fault>(["None", "Aggregator", "DER"]) ?? "None";
  let awardedWh = dice.oneIn(3) ? dispute.claimWh : dice.between(0n, dispute.claimWh);
  if (fault === "DER" && !dice.oneIn(12)) awardedWh = 0n;
  if (dice.oneIn(16)) awardedWh = dispute.claimWh + 1n;
  const evidence = `0x${"e1".repeat(32)}`;
  const { aria, operator } = stage.system;
  await stage.both(
    `ruling, fault ${fault}`,
    (next) => {
      disputes.resolve(next, key, awardedWh, fault);
    },
    () => aria.connect(operator).resolveDispute(numberOf(key), awardedWh, Fault[fault], evidence),
  );
}

export async function settleByDefault(stage: Stage, dice: Dice): Promise<void> {
  const { world } = stage;
  const key = someDispute(stage, dice);
  const dispute = key && world.disputes.get(key);
  if (!dispute) return;
  const deadline = dispute.raisedAt + world.rules.rulingWindowSeconds;
  if (dispute.status === "Open" && world.now < deadline && dice.oneIn(3))
    world.now = deadline - BigInt(dice.draw(2));
  const send = () => stage.system.aria.connect(stage.system.stranger).settleByDefault(numberOf(key));
  await stage.both(
    "default",
    (next) => {
      disputes.settleByDefault(next, key);
    },
    send,
  );
}

function someDispute({ world }: Stage, dice: Dice): string | undefined {
  const open = [...world.disputes].filter(([, { status }]) => status === "Open");
  return choice(dice, open, [...world.disputes])?.[0];
}

function numberOf(key: string): bigint {
  const [account = 0n, epoch = 0n] = key.split("/").map(BigInt);
  return (account << 32n) | epoch;
}

/** Anybody shows a leaf of what the Aggregator committed to: mostly one that contradicts its sweep. */
export async function contradict(stage: Stage, dice: Dice): Promise<void> {
  const found = dice.pick([...stage.flows]);
  if (!found) return;
  const [requestId, { leaves, proofs }] = found;
  const rows = stage.settled(requestId).rows;
  const sweptWh = stage.settled(requestId).sweep?.shortfallsWh;
  const speaking = leaves
    .map((_, i) => i)
    .filter((i) => {
      const [row, at] = [Math.floor(i / (leaves.length / rows.length)), i % (leaves.length / rows.length)];
      return leaves[i]?.energyWh !== (rows[row]?.energyWh[at] ?? 0n) - (sweptWh?.[row]?.[at] ?? 0n);
    });
  const index = (dice.oneIn(5) ? undefined : dice.pick(speaking)) ?? dice.draw(leaves.length);
  const [leaf, proof] = [leaves[index], proofs[index]];
  if (!leaf || !proof) return;
  const { aria, stranger } = stage.system;
  const row = rowProof(stage.settled(requestId), stage.der(leaf.account));
  await stage.both(
    "contradiction",
    (next) => {
      disputes.contradict(next, requestId, leaf.account, leaf.epoch, leaf.energyWh);
    },
    () => aria.connect(stranger).proveContradiction(row, leaf, proof),
  );
}

/** Anybody shows two statements about one DER and epoch: of its meter, of the Aggregator, or of somebody else. */
export async function equivocate(stage: Stage, dice: Dice): Promise<void> {
  const flowRequest = dice.pick([...stage.world.requests.values()]);
  const row = flowRequest && dice.pick(flowRequest.rows);
  if (!row) return;
  const epoch = flowRequest.firstEpoch + BigInt(dice.draw(row.askedWh.length));
  const der = stage.der(row.account);
  const signer = dice.oneIn(2) ? AGGREGATOR : signerOf(stage, dice, row.account, epoch);
  const statements: FlowStatement[] = [await statementOf(der, epoch, 1n), await statementOf(der, epoch, 2n)];
  const [first, second] = await Promise.all(statements.map((each) => signed(stage.system, each, signer)));
  await stage.both(
    signer === AGGREGATOR ? "equivocation of the Aggregator" : "equivocation of a meter",
    (next) => {
      disputes.equivocate(next, row.account, epoch, signer.address);
    },
    () =>
      stage.system.aria
        .connect(stage.system.stranger)
        .proveEquivocation(row.account, statements[0]!, first!, statements[1]!, second!),
  );
}
