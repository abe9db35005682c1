import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

/** The second half of an upgrade, after the exit window: the announced ARIA takes the Vault over and is registered. */
export default buildModule("TakeOver", (m) => {
  const vault = m.contractAt("Vault", m.getParameter("vault"));
  const registry = m.contractAt("Registry", m.getParameter("registry"));
  const handedOver = m.call(vault, "handOver", []);
  m.call(registry, "register", [m.getParameter("aria")], { after: [handedOver] });
  return { vault, registry };
});
