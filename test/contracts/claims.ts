import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { type ContractTransactionResponse, id, type TypedDataDomain, type Wallet } from "ethers";

import { proofOf, type SettledRow } from "../../agents/settlement/tree.ts";
import { type Der, ethers, type System } from "./fixture.ts";
import type { Request } from "./settling.ts";

/** Statements, disputes and contradictions as the agents make them. */

export interface FlowStatement {
  der: string;
  epoch: bigint;
  energyWh: bigint;
  readingsRoot: string;
  firstBlock: bigint;
  firstBlockHash: string;
  lastBlock: bigint;
  lastBlockHash: string;
}

export const FLOW_STATEMENT = {
  FlowStatement: [
    { name: "der", type: "address" },
    { name: "epoch", type: "uint32" },
    { name: "energyWh", type: "uint64" },
    { name: "readingsRoot", type: "bytes32" },
    { name: "firstBlock", type: "uint64" },
    { name: "firstBlockHash", type: "bytes32" },
    { name: "lastBlock", type: "uint64" },
    { name: "lastBlockHash", type: "bytes32" },
  ],
};

/** The number and hash of a block, counted back from the latest. */
export async function blockstamp(back: number): Promise<{ number: bigint; hash: string }> {
  const block = await ethers.provider.getBlock((await ethers.provider.getBlockNumber()) - back);
  if (!block?.hash) throw new Error(`the chain has no block ${back.toString()} back`);
  return { number: BigInt(block.number), hash: block.hash };
}

/** What the DER's meter says of an epoch, stamped with two recent blocks. */
export async function statementOf(der: Der, epoch: bigint, energyWh: bigint): Promise<FlowStatement> {
  const [first, last] = [await blockstamp(2), await blockstamp(1)];
  return {
    der: der.signer.address,
    epoch,
    energyWh,
    readingsRoot: id(`readings of ${der.signer.address}`),
    firstBlock: first.number,
    firstBlockHash: first.hash,
    lastBlock: last.number,
    lastBlockHash: last.hash,
  };
}

/** The EIP-712 domain of this ARIA, on this chain. */
export async function domainOf({ aria }: System): Promise<TypedDataDomain> {
  const { chainId } = await ethers.provider.getNetwork();
  return { name: "Proof of Flow", version: "1", chainId, verifyingContract: await aria.getAddress() };
}

/** Signs for this ARIA, on this chain, unless the domain says otherwise. */
export async function signed(
  system: System,
  statement: FlowStatement,
  meter: Wallet,
  domain: TypedDataDomain = {},
): Promise<string> {
  return meter.signTypedData({ ...(await domainOf(system)), ...domain }, FLOW_STATEMENT, { ...statement });
}

/** The proof of a DER's row, where the test knows that there is one. */
export function rowProof(request: Request, der: Der): SettledRow {
  const proof = proofOf(request, der.account);
  if (!proof) throw new Error(`account ${der.account.toString()} is not in the request`);
  return proof;
}

/** The number of the dispute of a DER and an epoch. */
export function disputeIdOf(der: Der, epoch: bigint): bigint {
  return (der.account << 32n) | epoch;
}

/** A dispute as a DER raises it; parts of the argument can be replaced. */
export interface Claim {
  statement?: Partial<FlowStatement>;
  meter?: Wallet;
  domain?: TypedDataDomain;
  row?: Partial<SettledRow>;
}

/** Claims that `energyWh` was delivered in an epoch. */
export async function raise(
  system: System,
  der: Der,
  request: Request,
  epoch: bigint,
  energyWh: bigint,
  claim: Claim = {},
): Promise<ContractTransactionResponse> {
  const statement = { ...(await statementOf(der, epoch, energyWh)), ...claim.statement };
  const signature = await signed(system, statement, claim.meter ?? der.meter, claim.domain);
  const row = { ...rowProof(request, der), ...claim.row };
  return await system.aria.connect(der.signer).raiseDisputeEvent(statement, signature, row);
}

// ----------------------------------------------------------------------------------------------- The Aggregator's tree

const LEAF_TYPES = ["uint32", "uint32", "uint64", "bytes32", "bytes32"];

export interface FlowLeaf {
  account: bigint;
  epoch: bigint;
  energyWh: bigint;
  readingsRoot: string;
  salt: string;
}

/** What the Aggregator's own meter says of a DER in an epoch. */
export function flowLeaf(der: Der, epoch: bigint, energyWh: bigint): FlowLeaf {
  const name = `${der.account.toString()}/${epoch.toString()}`;
  return {
    account: der.account,
    epoch,
    energyWh,
    readingsRoot: id(`readings of ${name}`),
    salt: id(`salt of ${name}`),
  };
}

/** The tree the Aggregator commits to with a sweep: its root, and the proof of each leaf in the order given. */
export function flowTree(leaves: readonly FlowLeaf[]): { root: string; proofs: string[][] } {
  const values = leaves.map((leaf) => [
    leaf.account,
    leaf.epoch,
    leaf.energyWh,
    leaf.readingsRoot,
    leaf.salt,
  ]);
  const tree = StandardMerkleTree.of(values, LEAF_TYPES);
  return { root: tree.root, proofs: values.map((_, index) => tree.getProof(index)) };
}
