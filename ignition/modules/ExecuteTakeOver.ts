import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

import { announcement, takeOver } from "../operations.ts";
import ExecuteAnnouncement from "./ExecuteAnnouncement.ts";
import ScheduleUpgrade from "./ScheduleUpgrade.ts";

/**
 * The next ARIA takes the Vault over and is registered, once the exit window is over and the present one has retired. Any
 * account may do it. The parameters are those of ExecuteAnnouncement.
 */
export default buildModule("ExecuteTakeOver", (m) => {
  const { timelock, registry, vault, present, aria } = m.useModule(ScheduleUpgrade);
  const announced = announcement(m, { registry, vault }, present, aria, m.getParameter("lastEpoch"));
  const announcementId = m.staticCall(timelock, "hashOperationBatch", announced);
  const taken = takeOver(m, { registry, vault }, aria, announcementId);
  m.call(timelock, "executeBatch", taken, { after: [ExecuteAnnouncement] });
  return { aria };
});
