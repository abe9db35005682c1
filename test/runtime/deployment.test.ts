import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";

import { agentSchema } from "../../agents/runtime/config.ts";

describe("A configuration's Registry", function () {
  const ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
  const folder = mkdtempSync(join(tmpdir(), "deployment-"));

  after(function () {
    rmSync(folder, { recursive: true });
  });

  const registry = agentSchema.shape.registry;
  const recorded = (content: string): void => {
    writeFileSync(join(folder, "deployed_addresses.json"), content);
  };
  const refusal = (text: string): string | undefined => registry.safeParse(text).error?.issues[0]?.message;

  it("is an address, in any case of its letters", function () {
    expect(registry.parse(ADDRESS.toLowerCase())).to.equal(ADDRESS);
    expect(refusal("0x12")).to.equal("must be an address: 0x and 40 hex digits");
  });

  it("or the folder in which Ignition recorded it", function () {
    recorded(
      JSON.stringify({ "ProofOfFlow#Vault": ADDRESS.replace("5", "6"), "ProofOfFlow#Registry": ADDRESS }),
    );
    expect(registry.parse(folder)).to.equal(ADDRESS);
  });

  it("is refused with a reason when the folder does not tell", function () {
    expect(refusal(join(folder, "none"))).to.match(/^must be an address, or a deployment's folder: ENOENT/);
    recorded("{");
    expect(refusal(folder)).to.match(/^must be an address, or a deployment's folder: .*JSON/);
    for (const content of ["{}", '{"ProofOfFlow#Registry": "0x12"}']) {
      recorded(content);
      expect(refusal(folder)).to.match(/deployed_addresses\.json names no ProofOfFlow#Registry$/);
    }
  });
});
