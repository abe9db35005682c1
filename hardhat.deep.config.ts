import base, { solidityTests } from "./hardhat.config.ts";

/** The Solidity tests with many more runs, for `npm run test:deep`: hours rather than seconds. */
const deep = { fuzz: { ...solidityTests.fuzz, runs: 10_000 }, invariant: { runs: 1_000, depth: 128 } };

export default { ...base, test: { ...base.test, solidity: { ...solidityTests, ...deep } } };
