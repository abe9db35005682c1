import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

import { announcement } from "../operations.ts";
import ScheduleUpgrade from "./ScheduleUpgrade.ts";

/**
 * The timelock announces the next ARIA to the Vault, and the present one begins to retire, once the timelock's delay is over. Any
 * account may do it. The parameters of ScheduleUpgrade are needed again, so keep them under `$global`.
 */
export default buildModule("ExecuteAnnouncement", (m) => {
  const { timelock, registry, vault, present, aria } = m.useModule(ScheduleUpgrade);
  const announced = announcement(m, { registry, vault }, present, aria, m.getParameter("lastEpoch"));
  m.call(timelock, "executeBatch", announced);
  return { aria };
});
