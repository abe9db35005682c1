import { TypedDataEncoder, Wallet, id } from "ethers";

import { Commitment, leafHash, type FlowLeaf } from "../../agents/evidence/commitment.ts";
import {
  domainOf,
  FLOW_STATEMENT_TYPES,
  type FlowStatement,
  signStatement,
  statementDigest,
} from "../../agents/evidence/statement.ts";

/** A key for tests alone: whoever reads this has it. */
export const PRIVATE_KEY = `0x${"11".repeat(32)}`;
export const VENUE = { chainId: 11_155_111n, aria: "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359" };

const STATEMENTS: readonly FlowStatement[] = [
  {
    der: "0x8ba1f109551bD432803012645Ac136ddd64DBA72",
    epoch: 1_980_000,
    energyWh: 2_500n,
    readingsRoot: id("readings"),
    firstBlock: 25_000_000,
    firstBlockHash: id("first block"),
    lastBlock: 25_000_074,
    lastBlockHash: id("last block"),
  },
  {
    der: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    epoch: 2 ** 32 - 1,
    energyWh: 2n ** 64n - 1n,
    readingsRoot: `0x${"ff".repeat(32)}`,
    firstBlock: 0,
    firstBlockHash: `0x${"00".repeat(32)}`,
    lastBlock: Number.MAX_SAFE_INTEGER,
    lastBlockHash: `0x${"ff".repeat(32)}`,
  },
];

/** What a meter signs (EIP-712). */
export async function statements(): Promise<unknown> {
  const signer = new Wallet(PRIVATE_KEY);
  const signed = STATEMENTS.map(async (statement) => ({
    statement,
    structHash: TypedDataEncoder.hashStruct("FlowStatement", FLOW_STATEMENT_TYPES, statement),
    digest: statementDigest(VENUE, statement),
    signature: await signStatement(signer, VENUE, statement),
  }));
  return {
    ...VENUE,
    domainSeparator: TypedDataEncoder.hashDomain(domainOf(VENUE)),
    privateKey: PRIVATE_KEY,
    signer: signer.address,
    statements: await Promise.all(signed),
  };
}

const LEAF_COUNTS = [1, 2, 11];

/** What the Aggregator commits to with a sweep. */
export function flowTrees(): unknown {
  return {
    trees: LEAF_COUNTS.map((count) => {
      const commitment = new Commitment(Array.from({ length: count }, (_, i) => leafAt(i)));
      return {
        flowRoot: commitment.root,
        leaves: commitment.leaves.map((leaf) => ({
          leaf,
          hash: leafHash(leaf),
          proof: commitment.proofOf(leaf),
        })),
      };
    }),
  };
}

/** The first has the largest figures that fit, the second no readings. */
function leafAt(i: number): FlowLeaf {
  if (i === 0) {
    const [readingsRoot, salt] = [`0x${"ff".repeat(32)}`, `0x${"fe".repeat(32)}`];
    return { account: 2n ** 32n - 1n, epoch: 2 ** 32 - 1, energyWh: 10n ** 18n - 1n, readingsRoot, salt };
  }
  return {
    account: BigInt(2 + (i % 4)),
    epoch: 1_980_000 + Math.floor(i / 4),
    energyWh: i === 1 ? 0n : BigInt(i) * 1_001n,
    readingsRoot: i === 1 ? `0x${"00".repeat(32)}` : id(`readings ${i}`),
    salt: id(`salt ${i}`),
  };
}
