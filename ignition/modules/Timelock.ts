import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

import { acceptance } from "../operations.ts";
import ProofOfFlow from "./ProofOfFlow.ts";

const NOBODY = "0x0000000000000000000000000000000000000000";
/** To OpenZeppelin's timelock, an executor of zero is everybody. */
const EVERYBODY = NOBODY;

/**
 * A community whose owner is a timelock, or a timelock for one that was deployed with ProofOfFlow before. The deploying account
 * becomes its only proposer; ownership is offered, and scheduled to be taken. When the delay is over, run
 * AcceptOwnership. Until then the deploying account is the owner.
 *
 * Parameters: those of ProofOfFlow, and `delaySeconds` for everything the owner does.
 */
export default buildModule("Timelock", (m) => {
  const { registry, vault } = m.useModule(ProofOfFlow);
  const delaySeconds = m.getParameter<bigint>("delaySeconds");
  const timelock = m.contract("TimelockController", [delaySeconds, [m.getAccount(0)], [EVERYBODY], NOBODY]);
  const offers = [
    m.call(registry, "transferOwnership", [timelock], { id: "offer_registry" }),
    m.call(vault, "transferOwnership", [timelock], { id: "offer_vault" }),
  ];
  m.call(timelock, "scheduleBatch", [...acceptance(m, { registry, vault }), delaySeconds], { after: offers });
  return { registry, vault, timelock };
});
