import { readdirSync, readFileSync } from "node:fs";

import { expect } from "chai";
import { ErrorFragment, type Interface } from "ethers";

import {
  ARIA__factory,
  Annex__factory,
  IARIA__factory,
  IRegistry__factory,
  IVault__factory,
  Registry__factory,
  Vault__factory,
} from "../../types/index.js";

/**
 * Errors of libraries that this code cannot reach; each says why. Anything else must be met by a test.
 */
const OUT_OF_REACH: Record<string, string> = {
  PostingOverflow: "what a request of that size would cost to send is more than a block has",
};

const SOURCES = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith(".test.ts") && name !== "errors.test.ts")
  .map((name) => readFileSync(new URL(name, import.meta.url), "utf8"))
  .join("\n");

function errorsOf(contract: { abi: readonly object[] }): string[] {
  return contract.abi
    .filter((entry) => "type" in entry && entry.type === "error")
    .map((entry) => ErrorFragment.from(entry).name);
}

describe("The errors of", function () {
  for (const [name, contract] of Object.entries({
    ARIA: ARIA__factory,
    Annex: Annex__factory,
    Vault: Vault__factory,
    Registry: Registry__factory,
  })) {
    it(`${name} are all met by a test, but for those out of reach`, function () {
      const unmet = errorsOf(contract).filter((error) => !SOURCES.includes(`"${error}"`));
      expect(unmet.filter((error) => !(error in OUT_OF_REACH))).to.deep.equal([]);
    });
  }

  it("one name never mean two things", function () {
    const interfaces = [IARIA__factory, IRegistry__factory, IVault__factory].map((factory): Interface =>
      factory.createInterface(),
    );
    const signatures = new Map<string, string>();
    for (const abi of interfaces) {
      abi.forEachError(({ name, selector }) => {
        expect(signatures.get(name) ?? selector, name).to.equal(selector);
        signatures.set(name, selector);
      });
    }
  });
});
