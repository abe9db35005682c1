import { SimpleMerkleTree, StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { expect } from "chai";
import {
  AbiCoder,
  concat,
  decodeRlp,
  id,
  keccak256,
  recoverAddress,
  sha256,
  solidityPackedSha256,
  toBeArray,
  toUtf8Bytes,
  Wallet,
} from "ethers";

import { Commitment, type FlowLeaf, leafHash, provesLeaf } from "../../agents/evidence/commitment.ts";
import { faultsIn } from "../../agents/evidence/checks.ts";
import { parseBundle } from "../../agents/evidence/format.ts";
import { type BlockHeader, headerRlp, readHeader } from "../../agents/evidence/header.ts";
import {
  provesReadings,
  type ReadingsProofs,
  readingsProofs,
  readingsRoot,
} from "../../agents/evidence/readings-tree.ts";
import { bundleHash, sealDigest, sealed } from "../../agents/evidence/seal.ts";
import {
  type FlowStatement,
  signerOf,
  signStatement,
  statementDigest,
} from "../../agents/evidence/statement.ts";
import { verifyBundle } from "../../agents/evidence/verify.ts";
import {
  genesisDigest,
  type Reading,
  readingDigest,
  type StampedReading,
  verifyChain,
} from "../../agents/metering/reading.ts";
import { VECTORS, type VectorFile, vectorText } from "../../scripts/vectors/files.ts";
import { textOf, vectorsOf } from "./files.ts";

const abi = AbiCoder.defaultAbiCoder();

/** A JSON form, in which integers of any size are decimal strings. */
type Json<T> = { readonly [K in keyof T]: T[K] extends bigint ? string : T[K] };

describe("Vectors in the repository", function () {
  for (const file of Object.keys(VECTORS) as VectorFile[]) {
    it(`are what the script makes: ${file}`, async function () {
      expect(textOf(file)).to.equal(await vectorText(file));
    });
  }
});

describe("Vectors of readings", function () {
  const { meter, genesis, chain } = vectorsOf("readings.json") as {
    meter: string;
    genesis: string;
    chain: Json<Reading & { digest: string }>[];
  };
  const readings = chain.map((reading) => ({
    ...reading,
    registerWh: BigInt(reading.registerWh),
    powerW: BigInt(reading.powerW),
    blockTimestamp: reading.blockNumber,
  }));

  it("are reproduced by the meters' code", function () {
    expect(genesisDigest(meter)).to.equal(genesis);
    for (const { digest, ...reading } of readings) expect(readingDigest(reading)).to.equal(digest);
    expect(verifyChain(readings, genesis)).to.deep.equal({ ok: true });
  });

  it("are reproduced by ethers' packed encoding", function () {
    expect(solidityPackedSha256(["string", "address"], ["PG1", meter])).to.equal(genesis);
    for (const reading of readings) {
      const types = ["string", "address", "uint64", "uint64", "uint64", "uint64", "bytes32", "bytes32"];
      const { sequence, registerWh, powerW, blockNumber, blockHash, previousDigest } = reading;
      const fields = [meter, sequence, registerWh, powerW, blockNumber, blockHash, previousDigest];
      expect(solidityPackedSha256(types, ["PR1", ...fields])).to.equal(reading.digest);
    }
  });
});

describe("Vectors of trees over readings", function () {
  interface Tree {
    count: number;
    checkpoints: string[];
    root: string;
    proofs: ReadingsProofs;
  }
  const { trees } = vectorsOf("readings-trees.json") as { trees: Tree[] };
  for (const { count, checkpoints, root, proofs } of trees) {
    const readings = Array.from({ length: count }, (_, i) => {
      return { digest: sha256(toUtf8Bytes(`reading ${i}`)) } as StampedReading;
    });

    it(`of ${count} are reproduced by the code of evidence`, function () {
      expect(readingsRoot(readings)).to.equal(root);
      expect(readingsProofs(readings)).to.deep.equal(proofs);
      expect(provesReadings(root, readings, proofs)).to.be.true;
    });

    it(`of ${count} are reproduced by OpenZeppelin's library`, function () {
      const tree = SimpleMerkleTree.of(checkpoints, { sortLeaves: false });
      expect(tree.root).to.equal(root);
      expect(tree.getProof(0)).to.deep.equal(proofs.first);
      expect(tree.getProof(checkpoints.length - 1)).to.deep.equal(proofs.last);
    });
  }
});

describe("Vectors of statements", function () {
  const { chainId, aria, domainSeparator, privateKey, signer, statements } = vectorsOf("statements.json") as {
    chainId: string;
    aria: string;
    domainSeparator: string;
    privateKey: string;
    signer: string;
    statements: { statement: Json<FlowStatement>; structHash: string; digest: string; signature: string }[];
  };
  const venue = { chainId: BigInt(chainId), aria };

  it("are reproduced by the code of evidence", async function () {
    for (const { statement: json, digest, signature } of statements) {
      const statement = { ...json, energyWh: BigInt(json.energyWh) };
      expect(statementDigest(venue, statement)).to.equal(digest);
      expect(await signStatement(new Wallet(privateKey), venue, statement)).to.equal(signature);
      expect(signerOf(venue, statement, signature)).to.equal(signer);
    }
  });

  it("are reproduced by the definition of EIP-712", function () {
    const domain = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
    const domainWords = [id(domain), id("Proof of Flow"), id("1"), chainId, aria];
    const domainTypes = ["bytes32", "bytes32", "bytes32", "uint256", "address"];
    expect(keccak256(abi.encode(domainTypes, domainWords))).to.equal(domainSeparator);
    const type =
      "FlowStatement(address der,uint32 epoch,uint64 energyWh,bytes32 readingsRoot," +
      "uint64 firstBlock,bytes32 firstBlockHash,uint64 lastBlock,bytes32 lastBlockHash)";
    const types = ["bytes32", ...[...type.matchAll(/(\w+) \w+/g)].map(([, fieldType]) => fieldType!)];
    for (const { statement, structHash, digest, signature } of statements) {
      const fields = [...type.matchAll(/\w+ (\w+)/g)].map(
        ([, name]) => statement[name as keyof FlowStatement],
      );
      expect(keccak256(abi.encode(types, [id(type), ...fields]))).to.equal(structHash);
      expect(keccak256(concat(["0x1901", domainSeparator, structHash]))).to.equal(digest);
      expect(recoverAddress(digest, signature)).to.equal(signer);
    }
  });
});

describe("Vectors of seals", function () {
  const { chainId, aria, privateKey, signer, bundles } = vectorsOf("seals.json") as {
    chainId: string;
    aria: string;
    privateKey: string;
    signer: string;
    bundles: { text: string; bundleHash: string; structHash: string; digest: string; seal: string }[];
  };
  const venue = { chainId: BigInt(chainId), aria };

  it("are reproduced by the code of evidence, and all that needs no chain holds of the bundles", async function () {
    for (const { text, bundleHash: hash, digest, seal } of bundles) {
      const bundle = parseBundle(text);
      expect(bundleHash(bundle)).to.equal(hash);
      expect(sealDigest(venue, hash)).to.equal(digest);
      expect((await sealed(new Wallet(privateKey), bundle)).seal).to.equal(seal);
      expect([bundle.seal, bundle.signer]).to.deep.equal([seal, signer]);
      expect(faultsIn(verifyBundle(bundle))).to.deep.equal([]);
    }
  });

  it("are reproduced by the text and the definition of EIP-712", function () {
    const { domainSeparator } = vectorsOf("statements.json") as { domainSeparator: string };
    for (const { text, bundleHash: hash, structHash, digest, seal } of bundles) {
      const end = `,"seal":"${seal}"}`;
      expect(text.endsWith(end)).to.be.true;
      expect(keccak256(toUtf8Bytes(`${text.slice(0, -end.length)}}`))).to.equal(hash);
      const words = [id("Seal(bytes32 bundleHash)"), hash];
      expect(keccak256(abi.encode(["bytes32", "bytes32"], words))).to.equal(structHash);
      expect(keccak256(concat(["0x1901", domainSeparator, structHash]))).to.equal(digest);
      expect(recoverAddress(digest, seal)).to.equal(signer);
    }
  });
});

describe("Vectors of flow trees", function () {
  interface Tree {
    flowRoot: string;
    leaves: { leaf: Json<FlowLeaf>; hash: string; proof: string[] }[];
  }
  const { trees } = vectorsOf("flow-trees.json") as { trees: Tree[] };
  for (const { flowRoot, leaves } of trees) {
    it(`of ${leaves.length} are reproduced by the code of evidence`, function () {
      const flows = leaves.map(({ leaf }) => {
        return { ...leaf, account: BigInt(leaf.account), energyWh: BigInt(leaf.energyWh) };
      });
      const commitment = new Commitment(flows);
      expect(commitment.root).to.equal(flowRoot);
      for (const [i, { hash, proof }] of leaves.entries()) {
        expect(leafHash(flows[i]!)).to.equal(hash);
        expect(commitment.proofOf(flows[i]!)).to.deep.equal(proof);
        expect(provesLeaf(flowRoot, flows[i]!, proof)).to.be.true;
      }
    });

    it(`of ${leaves.length} are reproduced by OpenZeppelin's library`, function () {
      const values = leaves.map(({ leaf }) => {
        return [leaf.account, leaf.epoch, leaf.energyWh, leaf.readingsRoot, leaf.salt];
      });
      const tree = StandardMerkleTree.of(values, ["uint32", "uint32", "uint64", "bytes32", "bytes32"]);
      expect(tree.root).to.equal(flowRoot);
      for (const [i, { hash, proof }] of leaves.entries()) {
        expect(tree.leafHash(values[i]!)).to.equal(hash);
        expect(tree.getProof(i)).to.deep.equal(proof);
      }
    });
  }
});

describe("Vectors of block headers", function () {
  const { headers } = vectorsOf("headers.json") as {
    headers: { block: Record<string, string>; rlp: string; read: BlockHeader }[];
  };

  it("are reproduced by the code of evidence", function () {
    for (const { block, rlp, read } of headers) {
      expect(headerRlp(block)).to.equal(rlp);
      expect(readHeader(rlp)).to.deep.equal(read);
    }
  });

  it("are reproduced by ethers' RLP and Keccak, field by field", function () {
    for (const { block, rlp, read } of headers) {
      const fields = decodeRlp(rlp) as string[];
      const { hash, ...given } = block;
      expect(keccak256(rlp)).to.equal(hash);
      expect(fields).to.have.lengthOf(Object.keys(given).length);
      for (const [i, value] of Object.values(given).entries())
        expect(toBeArray(fields[i] === "0x" ? "0x0" : fields[i]!)).to.deep.equal(
          toBeArray(value === "0x" ? "0x0" : value),
        );
      const [number, timestamp] = [Number(given["number"]), Number(given["timestamp"])];
      expect(read).to.deep.equal({ number, timestamp, hash });
    }
  });
});
