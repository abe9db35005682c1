import { fileURLToPath } from "node:url";

import hardhatToolboxMochaEthers from "@nomicfoundation/hardhat-toolbox-mocha-ethers";
import { configVariable, defineConfig } from "hardhat/config";

import { warningsAsErrors } from "./scripts/warnings-as-errors.ts";

// The compiler is the one in node_modules: nothing is downloaded, and its version is locked with the rest.
const solcPath = fileURLToPath(import.meta.resolve("solc/soljson.js"));

/** Fixed, so that a failure and every gas figure can be had again. */
export const solidityTests = {
  isolate: true,
  fsPermissions: { readDirectory: ["vectors"] },
  fuzz: { seed: "0x9f10", runs: 256 },
  invariant: { runs: 32, depth: 64 },
};

/** The compiler, optimising for so many runs of each opcode. */
function compiler(runs: number) {
  return {
    version: "0.8.34",
    path: solcPath,
    settings: {
      evmVersion: "osaka",
      viaIR: true,
      optimizer: { enabled: true, runs },
      metadata: { bytecodeHash: "none" },
    },
  };
}

export default defineConfig({
  plugins: [hardhatToolboxMochaEthers, warningsAsErrors],
  paths: { tests: { mocha: "test" } },
  solidity: {
    // As many runs as fit ARIA's creation code, which carries the Annex (EIP-3860).
    compilers: [compiler(1_500)],
    // A settlement passes through the Vault's loop once for eight DERs, and the Vault has room.
    overrides: { "contracts/Vault.sol": compiler(1_000_000) },
    // The owner of Registry and Vault on a public network.
    npmFilesToBuild: ["@openzeppelin/contracts/governance/TimelockController.sol"],
  },
  networks: {
    // In-process chain of the tests and of `hardhat node`, at the newest hardfork.
    default: { type: "edr-simulated", hardfork: "osaka", initialDate: "2026-06-20T00:00:00Z" },
    node: { type: "edr-simulated", hardfork: "osaka", initialDate: "2026-06-20T00:00:00Z" },
    local: { type: "http", url: "http://127.0.0.1:8545" },
    sepolia: {
      type: "http",
      chainType: "l1",
      chainId: 11_155_111,
      url: configVariable("SEPOLIA_RPC_URL"),
      accounts: [configVariable("SEPOLIA_PRIVATE_KEY")],
    },
    baseSepolia: {
      type: "http",
      chainType: "op",
      chainId: 84_532,
      url: configVariable("BASE_SEPOLIA_RPC_URL"),
      accounts: [configVariable("BASE_SEPOLIA_PRIVATE_KEY")],
    },
  },
  // Sources are verified with Sourcify and Blockscout as well, which need no key.
  verify: { etherscan: { apiKey: configVariable("ETHERSCAN_API_KEY") } },
  test: {
    solidity: solidityTests,
    mocha: { timeout: 120_000, parallel: true, jobs: 2 },
  },
  typechain: { outDir: "types" },
});
