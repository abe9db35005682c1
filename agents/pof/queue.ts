import type { Service } from "../chain/books.ts";
import type { Dispute } from "../chain/service-view.ts";
import type { Verdict } from "../evidence/adjudicate.ts";
import { parseVerdict } from "../evidence/verdict-text.ts";
import type { StoredHearing } from "../store/store.ts";
import { Failure } from "./failure.ts";
import type { Desk } from "./party.ts";

/** A dispute that was heard, with what the chain has of it by now. */
export interface HeardDispute {
  readonly service: Service;
  readonly dispute: Dispute;
  readonly hearing: StoredHearing;
  readonly verdict: Verdict;
  readonly der: string;
  /** The last moment to rule, unix seconds. */
  readonly ruleUntil: number;
  /** Whether a person is waited for: the rules left it open, nobody ruled yet, and there is time. */
  readonly waits: boolean;
}

/** All disputes that the Operator heard with these services, oldest first. */
export async function heardDisputes(desk: Desk, services: readonly Service[]): Promise<HeardDispute[]> {
  const heard: HeardDispute[] = [];
  for (const service of [...services].reverse()) {
    for (const hearing of await desk.store.hearings(service.address)) {
      const dispute = service.view.disputes.get(hearing.disputeId);
      if (dispute !== undefined) heard.push(heardDispute(desk, service, dispute, hearing));
    }
  }
  return heard;
}

/** A dispute that was heard. @throws {Failure} if there is none of this number */
export async function heardDisputeOf(
  desk: Desk,
  services: readonly Service[],
  id: bigint,
): Promise<HeardDispute> {
  for (const service of services) {
    const dispute = service.view.disputes.get(id);
    const hearing = await desk.store.hearingOf(service.address, id);
    if (dispute !== undefined && hearing !== undefined) return heardDispute(desk, service, dispute, hearing);
  }
  throw new Failure(1, `the store has no hearing of dispute ${id}: the agent has not heard it yet`);
}

function heardDispute(
  { follower }: Desk,
  service: Service,
  dispute: Dispute,
  hearing: StoredHearing,
): HeardDispute {
  const verdict = parseVerdict(hearing.verdict);
  const ruleUntil = dispute.raisedAt + service.terms.rules.rulingWindowSeconds;
  const waits = verdict.by === "person" && dispute.status === "open" && follower.head.timestamp <= ruleUntil;
  const der = follower.ledger.ownerOf(dispute.account);
  return { service, dispute, hearing, verdict, der, ruleUntil, waits };
}
