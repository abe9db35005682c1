import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

import { deployAria } from "../aria.ts";
import { announcement, takeOver } from "../operations.ts";

/**
 * An upgrade where the owner is a timelock: a new ARIA, and what the owner is to do, scheduled. After the timelock's delay run
 * ExecuteAnnouncement; after the exit window, when the present ARIA has retired, ExecuteTakeOver.
 *
 * Parameters: the addresses of `timelock`, `registry`, `vault` and the present ARIA (`present`), its `lastEpoch`, which must
 * not have been requested by the time the announcement is executed, the timelock's `delaySeconds`, and those of the new ARIA.
 */
export default buildModule("ScheduleUpgrade", (m) => {
  const timelock = m.contractAt("TimelockController", m.getParameter("timelock"));
  const registry = m.contractAt("Registry", m.getParameter("registry"));
  const vault = m.contractAt("Vault", m.getParameter("vault"));
  const present = m.contractAt("ARIA", m.getParameter("present"), { id: "Present" });
  const delaySeconds = m.getParameter<bigint>("delaySeconds");
  const aria = deployAria(m, vault);
  const announced = announcement(m, { registry, vault }, present, aria, m.getParameter("lastEpoch"));
  const scheduled = m.call(timelock, "scheduleBatch", [...announced, delaySeconds], { id: "announcement" });
  const announcementId = m.staticCall(timelock, "hashOperationBatch", announced);
  const taken = takeOver(m, { registry, vault }, aria, announcementId);
  m.call(timelock, "scheduleBatch", [...taken, delaySeconds], { id: "takeOver", after: [scheduled] });
  return { timelock, registry, vault, present, aria };
});
