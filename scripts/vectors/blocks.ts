import { id } from "ethers";

import { headerRlp, readHeader } from "../../agents/evidence/header.ts";

const EMPTY_LIST_HASH = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347";
const EMPTY_TREE_ROOT = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";
const ZERO_HASH = `0x${"00".repeat(32)}`;

/** The first block of Ethereum, whose hash everybody knows: a header of the fewest fields, most of them empty. */
const GENESIS = {
  parentHash: ZERO_HASH,
  sha3Uncles: EMPTY_LIST_HASH,
  miner: `0x${"00".repeat(20)}`,
  stateRoot: "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
  transactionsRoot: EMPTY_TREE_ROOT,
  receiptsRoot: EMPTY_TREE_ROOT,
  logsBloom: `0x${"00".repeat(256)}`,
  difficulty: "0x400000000",
  number: "0x0",
  gasLimit: "0x1388",
  gasUsed: "0x0",
  timestamp: "0x0",
  extraData: "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
  mixHash: ZERO_HASH,
  nonce: "0x0000000000000042",
  hash: "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
};

/** A made-up block with all fields up to Prague's. */
export const RECENT = {
  ...GENESIS,
  parentHash: id("parent"),
  miner: "0x8ba1f109551bd432803012645ac136ddd64dba72",
  logsBloom: `0x${"0100200003".repeat(51)}ff`,
  difficulty: "0x0",
  number: "0x17d7840",
  gasLimit: "0x2aea540",
  gasUsed: "0x154f6ce",
  timestamp: "0x6a35d900",
  extraData: "0x",
  mixHash: id("randao"),
  nonce: "0x0000000000000000",
  baseFeePerGas: "0x499602d2",
  withdrawalsRoot: id("withdrawals"),
  blobGasUsed: "0xc0000",
  excessBlobGas: "0x0",
  parentBeaconBlockRoot: id("beacon"),
  requestsHash: id("requests"),
  hash: "0xb50bc612a87a9ffc4ca8fe308a0f95ebb93d52d05b542409eb8dc03206e54973",
};

/** Headers as JSON-RPC gives them, as RLP, and what a verifier reads from that. */
export function headers(): unknown {
  return {
    headers: [GENESIS, RECENT].map((block) => {
      const rlp = headerRlp(block);
      if (rlp === undefined) throw new Error(`the fields of block ${block.number} do not have its hash`);
      return { block, rlp, read: readHeader(rlp) };
    }),
  };
}
