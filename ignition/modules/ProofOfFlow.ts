import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

import { deployAria } from "../aria.ts";

/**
 * Everything for a new community: Registry, Vault and the first ARIA in charge of it. The deploying account owns
 * Registry and Vault; pass that on to a timelock or multisig afterwards (`transferOwnership`, `acceptOwnership`).
 *
 * Parameters, per network in ignition/parameters: the addresses of Operator, Aggregator and guardian (zero for none), the Vault's asset, unit and
 * exit window, and ARIA's criteria and rules (see contracts/interfaces/IARIATypes.sol).
 */
export default buildModule("ProofOfFlow", (m) => {
  const owner = m.getAccount(0);
  const registry = m.contract("Registry", [owner]);
  const vault = m.contract("Vault", [
    owner,
    m.getParameter("asset"),
    m.getParameter("unit"),
    m.getParameter("exitWindowSeconds"),
  ]);
  const aria = deployAria(m, vault);
  const announced = m.call(vault, "announceHandOver", [aria]);
  const handedOver = m.call(vault, "handOver", [], { after: [announced] });
  m.call(registry, "register", [aria], { after: [handedOver] });
  return { registry, vault, aria };
});
