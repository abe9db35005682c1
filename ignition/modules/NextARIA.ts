import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

/**
 * The first half of an upgrade: a new ARIA, announced to the Vault. The exit window starts. Retire the old one meanwhile,
 * and when it is retired run TakeOver.
 */
export default buildModule("NextARIA", (m) => {
  const vault = m.contractAt("Vault", m.getParameter("vault"));
  const aria = m.contract("ARIA", [
    vault,
    m.getParameter("operator"),
    m.getParameter("aggregator"),
    m.getParameter("guardian"),
    m.getParameter("criteria"),
    m.getParameter("rules"),
  ]);
  m.call(vault, "announceHandOver", [aria]);
  return { aria };
});
