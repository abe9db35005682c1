import { join } from "node:path";

import type { OperatorAgent } from "../../agents/operator/agent.ts";
import { writeCase } from "../../agents/pof/case-files.ts";
import { emptyFolder } from "../../agents/pof/files.ts";

/** Writes what the Operator heard in each dispute of the day, as it was given, and how it ruled. */
export function writeEvidence(folder: string, { rulings, chainId }: OperatorAgent): void {
  for (const { dispute, aria, evidence, verdict, evidenceHash, heardAt } of rulings) {
    const own = emptyFolder(join(folder, dispute.id.toString()));
    writeCase(own, { disputeId: dispute.id, chainId, aria, evidence, verdict, evidenceHash, heardAt });
  }
}
