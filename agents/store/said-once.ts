/** What is said once and for all may be said again, but not otherwise. */

import {
  ConflictError,
  type StoredCommitment,
  type StoredHearing,
  type StoredSeal,
  type StoredStatement,
} from "./store.ts";

export function refuseOtherStatement(stored: StoredStatement, offered: StoredStatement): void {
  const { meter, epoch, aria } = stored;
  const subject = `the statement of meter ${meter} for epoch ${epoch} to ${aria}`;
  refuseChange(subject, stored, offered, ["payload", "signature"]);
}

export function refuseOtherCommitment(stored: StoredCommitment, offered: StoredCommitment): void {
  const subject = `the commitment for request ${stored.requestId} of ${stored.aria}`;
  refuseChange(subject, stored, offered, ["flowRoot", "json"]);
}

export function refuseOtherSeal(stored: StoredSeal, offered: StoredSeal): void {
  refuseChange(`the seal of bundle ${stored.bundleHash}`, stored, offered, ["seal"]);
}

export function refuseOtherHearing(stored: StoredHearing, offered: StoredHearing): void {
  refuseChange(`the hearing of dispute ${stored.disputeId} of ${stored.aria}`, stored, offered, [
    "evidenceHash", // before the evidence: where that differs, the hashes say so more briefly
    "verdict",
    "heardAt",
    "der",
    "aggregator",
    "feeder",
  ]);
}

/** @throws {ConflictError} for the first of the fields that is offered otherwise than it is stored. */
function refuseChange<T>(
  subject: string,
  stored: T,
  offered: T,
  fields: readonly (keyof T & string)[],
): void {
  for (const field of fields) {
    if (stored[field] === offered[field]) continue;
    throw new ConflictError(
      `${field} of ${subject}`,
      String(stored[field] ?? "nothing"),
      String(offered[field] ?? "nothing"),
    );
  }
}
