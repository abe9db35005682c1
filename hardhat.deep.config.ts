import base, { solidityTests } from "./hardhat.config.ts";

/** The Solidity tests with many more runs, and the mocha tests in deep/, for `npm run test:deep`: half an hour rather than seconds. */
const deep = { fuzz: { ...solidityTests.fuzz, runs: 10_000 }, invariant: { runs: 500, depth: 128 } };

export default {
  ...base,
  paths: { tests: { mocha: "deep" } },
  test: { ...base.test, solidity: { ...solidityTests, ...deep } },
};
