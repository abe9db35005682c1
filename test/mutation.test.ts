import { createRequire } from "node:module";

import { expect } from "chai";
import { AbiCoder, concat, id } from "ethers";
import { network } from "hardhat";
import { z } from "zod/v4";

import { isNode, type Node } from "../scripts/mutation/ast.ts";
import { modifiersOf, type Mutant, mutantsOf } from "../scripts/mutation/mutants.ts";
import { recipientOf, weave } from "../scripts/mutation/weave.ts";

const solc = createRequire(import.meta.url)("solc") as { compile(input: string): string };

const outputSchema = z.object({
  errors: z.array(z.object({ severity: z.string(), formattedMessage: z.string() })).default([]),
  sources: z.record(z.string(), z.object({ ast: z.custom<Node>(isNode) })),
  contracts: z.record(
    z.string(),
    z.record(z.string(), z.object({ evm: z.object({ bytecode: z.object({ object: z.string() }) }) })),
  ),
});

/** The syntax tree and the creation code of the one contract of a source. */
function compile(content: string): { ast: Node; code: string } {
  const input = {
    language: "Solidity",
    sources: { "Sample.sol": { content } },
    settings: { viaIR: true, outputSelection: { "*": { "": ["ast"], "*": ["evm.bytecode.object"] } } },
  };
  const { errors, sources, contracts } = outputSchema.parse(JSON.parse(solc.compile(JSON.stringify(input))));
  expect(
    errors.filter(({ severity }) => severity === "error").map((each) => each.formattedMessage),
  ).to.deep.equal([]);
  return {
    ast: sources["Sample.sol"]!.ast,
    code: `0x${contracts["Sample.sol"]!["Sample"]!.evm.bytecode.object}`,
  };
}

const SAMPLE = Buffer.from(`// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;
contract Sample {
    uint256 private constant TWO = 1 + 1;
    uint256 public total = 40;
    error Small(uint256 at); mapping(uint256 key => uint256[]) private lists;
    modifier above(uint256 least) { if (msg.value < least) revert Small(least); _; }
    // ärger: the tree counts bytes
    function add(uint256 a, uint256 b) public pure returns (uint256 sum) {
        sum = a;
        for (uint256 i; i < b; ++i) sum += 1;
        if (sum == 7 && b > 0) return 0; else sum = sum * TWO;
    }
    function low(uint256 a) public pure returns (uint256 rest) {
        assembly ("memory-safe") { rest := and(a, shr(248, not(0))) }
    }
    function pay() external payable above(5) { total = total + 2; }
    function list(uint256 key) private view returns (uint256[] storage found) { found = lists[key]; }
}
`);

describe("The mutation check", function () {
  let mutants: Mutant[];
  let woven: string;

  before(function () {
    const { ast } = compile(SAMPLE.toString());
    mutants = mutantsOf(SAMPLE, ast, modifiersOf(SAMPLE, ast));
    woven = weave(SAMPLE, mutants);
  });

  it("changes operators, bounds, conditions, statements, assembly and modifiers, and neither a constant nor a pointer", function () {
    expect(mutants.map(({ line, before, after }) => `${line}: ${before} -> ${after}`)).to.have.members([
      "7: msg.value < least -> false",
      "7: msg.value < least -> msg.value <= least",
      "7: msg.value < least -> msg.value >= least",
      "10: sum = a; -> ",
      "11: i < b -> i <= b",
      "11: i < b -> i >= b",
      "11: sum += 1; -> ",
      "11: sum += 1; -> sum -= 1;",
      "12: sum == 7 && b > 0 -> false",
      "12: sum == 7 && b > 0 -> sum == 7 || b > 0",
      "12: sum == 7 -> sum != 7",
      "12: b > 0 -> b >= 0",
      "12: b > 0 -> b <= 0",
      "12: sum = sum * TWO; -> ",
      "12: sum * TWO -> sum / TWO",
      "15: and(a, shr(248, not(0))) -> or(a, shr(248, not(0)))",
      "15: shr(248, not(0)) -> shl(248, not(0))",
      "17: above(5) -> ",
      "17: total = total + 2; -> ",
      "17: total + 2 -> total - 2",
    ]);
  });

  describe("brings to life, by the block's fee recipient,", function () {
    const WORD = AbiCoder.defaultAbiCoder();

    /** What the sample answers while this mutant lives, deployed anew: add(2, 3), low(0x1ff), and pay with 4 wei. */
    async function answers(recipient: string): Promise<string[]> {
      const { provider } = await network.create({ network: "default", override: { coinbase: recipient } });
      const [from] = (await provider.request({ method: "eth_accounts" })) as string[];
      const { code } = compile(woven);
      const hash = (await provider.request({
        method: "eth_sendTransaction",
        params: [{ from, data: code }],
      })) as string;
      const receipt: unknown = await provider.request({
        method: "eth_getTransactionReceipt",
        params: [hash],
      });
      const to = z.object({ contractAddress: z.string() }).parse(receipt).contractAddress;
      const call = async (signature: string, args: bigint[], value = "0x0"): Promise<string> => {
        const data = concat([
          id(signature).slice(0, 10),
          WORD.encode(
            args.map(() => "uint256"),
            args,
          ),
        ]);
        try {
          const answer: unknown = await provider.request({
            method: "eth_call",
            params: [{ from, to, data, value }],
          });
          return answer === "0x" ? "done" : String(BigInt(z.string().parse(answer)));
        } catch {
          return "reverted";
        }
      };
      const calls = [await call("add(uint256,uint256)", [2n, 3n]), await call("low(uint256)", [0x1ffn])];
      return [...calls, await call("pay()", [], "0x4")];
    }

    const indexOf = (before: string, after: string): number =>
      mutants.findIndex((mutant) => mutant.before === before && mutant.after === after);

    it("none of them otherwise: the code does what it did", async function () {
      expect(await answers("0x00000000000000000000000000000000c014ba5e")).to.deep.equal([
        "10",
        "255",
        "reverted",
      ]);
    });

    it("one of them, and no other", async function () {
      const cases: [before: string, after: string, ...expected: [add: string, low: string, pay: string]][] = [
        ["i < b", "i <= b", "12", "255", "reverted"],
        ["sum += 1;", "", "4", "255", "reverted"],
        ["sum * TWO", "sum / TWO", "2", "255", "reverted"],
        ["sum == 7 && b > 0", "sum == 7 || b > 0", "0", "255", "reverted"],
        ["and(a, shr(248, not(0)))", "or(a, shr(248, not(0)))", "10", "511", "reverted"],
        ["above(5)", "", "10", "255", "done"],
        ["msg.value < least", "msg.value >= least", "10", "255", "done"],
      ];
      for (const [before, after, ...expected] of cases) {
        expect(await answers(recipientOf(indexOf(before, after))), before).to.deep.equal(expected);
      }
    });
  });
});
