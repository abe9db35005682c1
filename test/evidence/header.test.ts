import { expect } from "chai";
import { decodeRlp, encodeRlp, keccak256 } from "ethers";
import { network } from "hardhat";

import { headerRlp, readHeader } from "../../agents/evidence/header.ts";
import { FIELDS_OF, type Hardfork, paperBlock } from "./paper-chain.ts";

const [NUMBER, TIMESTAMP] = [19_426_587, 1_710_338_135];
const HARDFORKS = Object.keys(FIELDS_OF) as Hardfork[];

describe("A block's header", function () {
  for (const hardfork of HARDFORKS) {
    it(`is put together as ${hardfork} has it, and read back`, function () {
      const { rpc, rlp, hash } = paperBlock(NUMBER, TIMESTAMP, hardfork);
      expect(headerRlp(rpc)).to.equal(rlp);
      expect((decodeRlp(rlp) as unknown[]).length).to.equal(FIELDS_OF[hardfork]);
      expect(readHeader(rlp)).to.deep.equal({ number: NUMBER, hash, timestamp: TIMESTAMP });
    });
  }

  it("has no leading zeros in its quantities, and nothing for zero: the first block is one of both", function () {
    const { rpc, rlp, hash } = paperBlock(0, 0);
    expect(headerRlp(rpc)).to.equal(rlp);
    expect(readHeader(rlp)).to.deep.equal({ number: 0, hash, timestamp: 0 });
  });

  it("is not told for a block with a field changed, missing or more than are known here", function () {
    const { rpc } = paperBlock(NUMBER, TIMESTAMP);
    const known = (decodeRlp(headerRlp(rpc)!) as unknown[]).length;
    for (const field of Object.keys(rpc).slice(0, known)) {
      expect(headerRlp({ ...rpc, [field]: "0x77" }), `${field} changed`).to.be.undefined;
      expect(headerRlp({ ...rpc, [field]: undefined }), `without ${field}`).to.be.undefined;
      expect(headerRlp({ ...rpc, [field]: null }), `${field} null`).to.be.undefined;
    }
    // A hardfork to come, or another chain, hashes a field more.
    const { rlp } = paperBlock(NUMBER, TIMESTAMP);
    const hash = keccak256(encodeRlp([...(decodeRlp(rlp) as string[]), "0x01"]));
    expect(headerRlp({ ...rpc, hash, blockAccessListHash: "0x01" })).to.be.undefined;
  });

  it("is not told for a block that a node gives in no form at all", function () {
    const { rpc } = paperBlock(NUMBER, TIMESTAMP);
    for (const value of ["", "0x", "twelve", "0xzz", "0x123", "-0x1", 12, {}, []]) {
      for (const field of ["number", "miner", "extraData"]) {
        expect(headerRlp({ ...rpc, [field]: value }), `${field} ${JSON.stringify(value)}`).to.be.undefined;
      }
    }
    expect(headerRlp({})).to.be.undefined;
  });

  it("is not read from bytes that are none", function () {
    const { rlp } = paperBlock(NUMBER, TIMESTAMP);
    const few = encodeRlp((decodeRlp(rlp) as string[]).slice(0, 11));
    const list = encodeRlp(new Array<string[]>(15).fill([]));
    for (const bytes of ["0x", "0x80", "0xc0", "0xf8", rlp.slice(0, -2), `${rlp}00`, few, list]) {
      expect(readHeader(bytes), bytes.slice(0, 40)).to.be.undefined;
    }
  });

  it("of any other byte has any other hash: it stands for its block alone", function () {
    const { rlp, hash } = paperBlock(NUMBER, TIMESTAMP, "london");
    for (let at = 2; at < rlp.length; at += 1) {
      const digit = rlp.charAt(at) === "0" ? "1" : "0";
      expect(readHeader(rlp.slice(0, at) + digit + rlp.slice(at + 1))?.hash, `digit ${at}`).to.not.equal(
        hash,
      );
    }
  });

  it("of a real block, of any hardfork, hashes to its hash", async function () {
    for (const hardfork of ["london", "merge", "shanghai", "cancun", "prague", "osaka"]) {
      const connection = await network.create({ override: { hardfork } });
      for (const number of ["0x0", "0x1", "0x2"]) {
        const { provider } = connection;
        if (number !== "0x0") await provider.request({ method: "evm_mine" });
        const parameters = { method: "eth_getBlockByNumber", params: [number, false] };
        const block = (await provider.request(parameters)) as Record<string, string>;
        const rlp = headerRlp(block);
        expect(rlp, `block ${number} of ${hardfork}`).to.be.a("string");
        expect(keccak256(rlp!)).to.equal(block["hash"]);
        expect(readHeader(rlp!)).to.deep.equal({
          number: Number(number),
          hash: block["hash"],
          timestamp: Number(block["timestamp"]),
        });
      }
      await connection.close();
    }
  });
});
