import { expect } from "chai";
import { encodeRlp, getBytes, hexlify } from "ethers";
import fc from "fast-check";

import { rlpStrings } from "../../agents/evidence/rlp.ts";

const read = (hex: string) => rlpStrings(Buffer.from(getBytes(hex)))?.map((bytes) => hexlify(bytes));

describe("RLP of headers", function () {
  it("is read as ethers writes it", function () {
    const lengths = fc.oneof(fc.nat(3), fc.integer({ min: 53, max: 60 }), fc.integer({ min: 250, max: 300 }));
    const text = lengths.chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
    fc.assert(
      fc.property(fc.array(text, { maxLength: 25 }), (strings) => {
        const expected = strings.map((bytes) => hexlify(bytes));
        expect(read(encodeRlp(expected))).to.deep.equal(expected);
      }),
    );
  });

  it("is nothing else than one list of byte strings", function () {
    const header = encodeRlp(["0x1234", "0x", "0x05"]);
    for (const other of ["0x", "0x05", encodeRlp("0x1234"), encodeRlp(["0x12", []]), `${header}00`])
      expect(read(other), other).to.equal(undefined);
  });

  it("is not read when it is cut off, wherever", function () {
    const header = getBytes(encodeRlp([`0x${"ab".repeat(300)}`, "0x1234", `0x${"cd".repeat(60)}`]));
    for (let length = 0; length < header.length; length += 1)
      expect(read(hexlify(header.subarray(0, length))), `${length} bytes`).to.equal(undefined);
  });

  it("is not read when a length in it leads beyond its end, or cannot be", function () {
    for (const bytes of [
      "0xc2b801",
      "0xc1b8",
      "0xc283ffff",
      "0xc3820000ff",
      "0xffffffffffffffffff",
      "0xf9ffff",
    ])
      expect(read(bytes), bytes).to.equal(undefined);
  });

  it("never fails, whatever the bytes", function () {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        rlpStrings(Buffer.from(bytes));
      }),
    );
  });
});
