import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

import { deployAria } from "../aria.ts";

/**
 * The first half of an upgrade: a new ARIA, announced to the Vault. The exit window starts. Retire the old one meanwhile,
 * and when it is retired run TakeOver.
 */
export default buildModule("NextARIA", (m) => {
  const vault = m.contractAt("Vault", m.getParameter("vault"));
  const aria = deployAria(m, vault);
  m.call(vault, "announceHandOver", [aria]);
  return { aria };
});
