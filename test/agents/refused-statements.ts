import { type BaseWallet, Wallet } from "ethers";

import { RefusedError } from "../../agents/chain/refusal.ts";
import { type FlowStatement, signStatement, type Venue } from "../../agents/evidence/statement.ts";
import type { Courtroom } from "./adjudication-stage.ts";
import { statementOver } from "./forgery.ts";

/** Why the contract refused a statement, by what was wrong with it. */
export type Refusals = Readonly<Record<string, string>>;

const FULL_CLAIM = { energyWh: 1_440n };

/** Statements of an epoch that X may dispute, each wrong in one thing. */
export async function tryStatements(epoch: number, room: Courtroom): Promise<Refusals> {
  const { venue, meterOfX, addressOfX } = room;
  const { before, readings } = await room.read(epoch);
  const honest = statementOver(addressOfX, epoch, { before, readings }, FULL_CLAIM);
  const word = `0x${"0d".repeat(32)}`;
  const stranger = Wallet.createRandom();
  const [orphaned, elsewhere] = [...room.foreigners.values()];
  const attempts: Record<
    string,
    [statement: FlowStatement, signer?: BaseWallet, signedFor?: Partial<Venue>]
  > = {
    "with a last block in the future": [{ ...honest, lastBlock: honest.lastBlock + 1_000 }],
    "with an invented hash of its first block": [{ ...honest, firstBlockHash: word }],
    "with an invented hash of its last block": [{ ...honest, lastBlockHash: word }],
    "with an orphaned block": [{ ...honest, firstBlock: orphaned!.number, firstBlockHash: orphaned!.hash }],
    "with a block of another chain": [
      { ...honest, firstBlock: elsewhere!.number, firstBlockHash: elsewhere!.hash },
    ],
    "signed by a key that is not its meter's of that epoch": [honest, stranger],
    "signed for another ARIA": [honest, meterOfX, { aria: stranger.address }],
    "signed for another chain": [honest, meterOfX, { chainId: 1n }],
    "of another DER": [{ ...honest, der: stranger.address }],
    "of an epoch that was not requested with these rows": [{ ...honest, epoch: epoch + 1 }],
  };
  const refusals: Record<string, string> = {};
  for (const [what, [statement, signer = meterOfX, signedFor = {}]] of Object.entries(attempts)) {
    const signature = await signStatement(signer, { ...venue, ...signedFor }, statement);
    refusals[what] = await refusalOf(room.dispute(statement, signature, epoch));
  }
  const signed = await signStatement(meterOfX, venue, { ...honest, epoch: epoch - 1 });
  refusals["signed for another epoch"] = await refusalOf(room.dispute(honest, signed, epoch));
  return refusals;
}

/** A second statement of an epoch, after anyone has proven both. */
export async function proveTwoStatements(epoch: number, room: Courtroom): Promise<Refusals> {
  const { venue, meterOfX, addressOfX } = room;
  const honest = statementOver(addressOfX, epoch, await room.read(epoch));
  const other = { ...honest, ...FULL_CLAIM };
  const [first, second] = [
    await signStatement(meterOfX, venue, honest),
    await signStatement(meterOfX, venue, other),
  ];
  await room.prove(honest, first, other, second);
  return { "after two of one epoch were proven": await refusalOf(room.dispute(other, second, epoch)) };
}

async function refusalOf(attempt: Promise<void>): Promise<string> {
  try {
    await attempt;
    return "taken";
  } catch (error) {
    if (error instanceof RefusedError) return error.reason;
    throw error;
  }
}
