import { SimpleMerkleTree } from "@openzeppelin/merkle-tree";
import { expect } from "chai";
import { concat, keccak256, solidityPacked } from "ethers";

import { unpackOctets, unpackPostings } from "../../agents/chain/ledger.ts";
import {
  findRow,
  packRows,
  packShortfalls,
  shortfallsOfRow,
  unpackRows,
  unpackShortfalls,
} from "../../agents/settlement/rows.ts";
import { commitmentOf, proofOf, rootOf, type SettledRequest } from "../../agents/settlement/tree.ts";
import { vectorsOf } from "./files.ts";

interface RowJson {
  account: string;
  price: string;
  powerW: string;
  energyWh: string[];
}

interface ProofJson {
  row: number;
  requestId: string;
  requests: string;
  shortfalls: string;
  penalties: string;
  rowInLeaf: number;
  proof: string[];
  flowRoot: string;
}

interface RequestJson {
  requestId: string;
  count: number;
  rows: RowJson[];
  requests: string;
  requestRoot: string;
  requestProofs: ProofJson[];
  sweep: { shortfallsWh: string[][]; penalties: string[]; flowRoot: string; shortfalls: string };
  sweptRoot: string;
  commitment: string;
  sweptProofs: ProofJson[];
}

const { requests } = vectorsOf("requests.json") as { requests: RequestJson[] };

function bigints(texts: readonly string[]): bigint[] {
  return texts.map((text) => BigInt(text));
}

function settled({ requestId, rows, sweep }: RequestJson): Required<SettledRequest> {
  const { shortfallsWh, penalties, flowRoot } = sweep;
  return {
    requestId: BigInt(requestId),
    rows: rows.map(({ account, price, powerW, energyWh }) => {
      const [accountNumber, pricePerKwh, watts] = bigints([account, price, powerW]);
      return { account: accountNumber!, price: pricePerKwh!, powerW: watts!, energyWh: bigints(energyWh) };
    }),
    sweep: { shortfallsWh: shortfallsWh.map(bigints), penalties: bigints(penalties), flowRoot },
  };
}

for (const vector of requests) {
  describe(`Vectors of a request of ${vector.rows.length} rows and ${vector.count} epochs`, function () {
    const request = settled(vector);
    const { requestId, rows, sweep } = request;

    it("are reproduced by the code of settlements: bytes", function () {
      expect(packRows(rows)).to.equal(vector.requests);
      expect(unpackRows(vector.requests, vector.count)).to.deep.equal(rows);
      expect(packShortfalls(sweep.shortfallsWh)).to.equal(vector.sweep.shortfalls);
      expect(unpackShortfalls(vector.sweep.shortfalls, vector.count)).to.deep.equal(sweep.shortfallsWh);
      for (const [index, row] of rows.entries()) {
        expect(findRow(vector.requests, vector.count, row.account)).to.deep.equal({ index, row });
        const missing = shortfallsOfRow(vector.sweep.shortfalls, vector.count, index);
        expect(missing).to.deep.equal(sweep.shortfallsWh[index]);
      }
    });

    it("are reproduced by the code of settlements: roots and proofs", function () {
      expect(rootOf({ requestId, rows })).to.equal(vector.requestRoot);
      expect(rootOf(request)).to.equal(vector.sweptRoot);
      expect(commitmentOf(request)).to.equal(vector.commitment);
      const proofs = (of: SettledRequest, expected: ProofJson[]) => {
        for (const { row, ...proof } of expected)
          expect(proofOf(of, rows[row]!.account)).to.deep.equal({
            ...proof,
            requestId: BigInt(proof.requestId),
          });
      };
      proofs({ requestId, rows }, vector.requestProofs);
      proofs(request, vector.sweptProofs);
    });

    it("are reproduced by ethers' packed encoding", function () {
      const packed = rows.map(({ account, price, powerW, energyWh }) =>
        solidityPacked(
          ["uint32", "uint32", "uint32", ...energyWh.map(() => "uint32")],
          [account, price, powerW, ...energyWh],
        ),
      );
      expect(concat(packed)).to.equal(vector.requests);
      const missing = sweep.shortfallsWh.flat();
      expect(
        solidityPacked(
          missing.map(() => "uint32"),
          missing,
        ),
      ).to.equal(vector.sweep.shortfalls);
    });

    it("are reproduced by OpenZeppelin's trees over the leaves as they are documented", function () {
      const perLeaf = vector.count >= 32 ? 1 : Math.floor(32 / vector.count);
      const [rowBytes, figureBytes] = [12 + 4 * vector.count, 4 * vector.count];
      const part = (hex: string, stride: number, leaf: number) =>
        hex.slice(2 + 2 * leaf * perLeaf * stride, 2 + 2 * (leaf + 1) * perLeaf * stride);
      const penalties = solidityPacked(
        sweep.penalties.map(() => "uint64"),
        sweep.penalties,
      );
      const leafCount = Math.ceil(rows.length / perLeaf);
      const requested = Array.from({ length: leafCount }, (_, leaf) =>
        keccak256(`0x01${part(vector.requests, rowBytes, leaf)}`),
      );
      const swept = requested.map((hash, leaf) => {
        const figures = part(vector.sweep.shortfalls, figureBytes, leaf) + part(penalties, 8, leaf);
        return keccak256(`0x02${hash.slice(2)}${figures}`);
      });
      expect(SimpleMerkleTree.of(requested, { sortLeaves: false }).root).to.equal(vector.requestRoot);
      const tree = SimpleMerkleTree.of(swept, { sortLeaves: false });
      expect(tree.root).to.equal(vector.sweptRoot);
      expect(keccak256(concat([tree.root, sweep.flowRoot]))).to.equal(vector.commitment);
      for (const { row, proof } of vector.sweptProofs)
        expect(tree.getProof(Math.floor(row / perLeaf))).to.deep.equal(proof);
    });
  });
}

describe("Vectors of postings", function () {
  const { postings, packed, octets, packedOctets } = vectorsOf("postings.json") as {
    postings: { account: string; amount: string }[];
    packed: string;
    octets: { word: string; amounts: string[] }[];
    packedOctets: string;
  };
  const expected = postings.map(({ account, amount }) => {
    return { account: BigInt(account), amount: BigInt(amount) };
  });

  it("are reproduced by the agents' code", function () {
    expect(unpackPostings(packed)).to.deep.equal(expected);
    const ofOctets = octets.flatMap(({ word, amounts }) =>
      amounts.map((amount, lane) => {
        return { account: 8n * BigInt(word) + BigInt(lane), amount: BigInt(amount) };
      }),
    );
    expect(unpackOctets(packedOctets)).to.deep.equal(ofOctets.filter(({ amount }) => amount !== 0n));
  });

  it("are reproduced by ethers' packed encoding", function () {
    const words = expected.map(({ account, amount }) =>
      solidityPacked(["uint32", "int64"], [account, amount]),
    );
    expect(concat(words)).to.equal(packed);
    const packedLanes = octets.map(({ word, amounts }) =>
      solidityPacked(["uint32", ...amounts.map(() => "int32")], [word, ...[...amounts].reverse()]),
    );
    expect(concat(packedLanes)).to.equal(packedOctets);
  });
});
