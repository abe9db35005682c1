import type { CallableContractFuture, IgnitionModuleBuilder } from "@nomicfoundation/ignition-core";

/** An ARIA for a Vault, with the module's parameters (see contracts/interfaces/IARIATypes.sol). */
export function deployAria(m: IgnitionModuleBuilder, vault: CallableContractFuture<string>) {
  return m.contract("ARIA", [
    vault,
    m.getParameter("operator"),
    m.getParameter("aggregator"),
    m.getParameter("guardian"),
    m.getParameter("criteria"),
    m.getParameter("rules"),
  ]);
}
