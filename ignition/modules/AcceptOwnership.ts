import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

import { acceptance } from "../operations.ts";
import Timelock from "./Timelock.ts";

/** The timelock takes the ownership of Registry and Vault, once its delay is over. Any account may do it. */
export default buildModule("AcceptOwnership", (m) => {
  const { registry, vault, timelock } = m.useModule(Timelock);
  m.call(timelock, "executeBatch", acceptance(m, { registry, vault }));
  return { registry, vault, timelock };
});
