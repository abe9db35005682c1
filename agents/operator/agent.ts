import type { Wallet } from "ethers";

import type { Connection } from "../chain/connection.ts";
import { RefusedError } from "../chain/refusal.ts";
import { DryRunError } from "../chain/not-sent.ts";
import { ChainFollower } from "../chain/follower.ts";
import { Retention } from "../chain/retention.ts";
import { FAULTS, type Dispute, type FlowRequest } from "../chain/service-view.ts";
import { parseVerdict, verdictText } from "../evidence/verdict-text.ts";
import { feederMeterId } from "../evidence/kept-meter.ts";
import { Recorder } from "../metering/recorder.ts";
import { SimulatedMeter } from "../metering/simulated-meter.ts";
import type { MeterSource } from "../metering/source.ts";
import { type Log, silent } from "../runtime/log.ts";
import { type Figures, figuresOf } from "../runtime/figures.ts";
import type { Agent } from "../runtime/run.ts";
import { packEnergy } from "../settlement/rows.ts";
import type { ReadingStore } from "../store/store.ts";
import { committedIn, type Contradiction, contradictionsIn } from "./audit.ts";
import { decide, type OperatorIntent, type Policy, rulingDeadline } from "./decide.ts";
import { hear, type Hearing, type HearingRoom } from "./hearing.ts";

/** A feeder meter and what it sees. */
export interface Feeder {
  /** What flows through it: all DERs behind it together. */
  readonly source: MeterSource;
  readonly gainPpm?: bigint;
  /** Whether a DER, by its address, is behind it. */
  readonly feeds: (der: string) => boolean;
}

export interface OperatorOptions {
  readonly connection: Connection;
  readonly store: ReadingStore;
  /** How long readings are kept at least once all is settled; for ever if undefined. */
  readonly retentionDays?: number | undefined;
  readonly startBlock: number;
  /** How many blocks must come after one before it counts; none by default. */
  readonly confirmations?: number;
  readonly policy: Policy;
  /** The feeder meters, in an order that never changes: their numbers are their places in it. */
  readonly feeders: readonly Feeder[];
  readonly baselineWh: (epoch: number) => bigint;
  readonly inspected: (meter: string) => boolean;
  /** Where parties serve their evidence, by address. */
  readonly evidenceUrl: (party: string) => string | undefined;
  readonly log?: Log;
}

/** What was made of a dispute, and of which evidence. */
export interface Ruling extends Pick<Hearing, "evidence" | "verdict" | "evidenceHash"> {
  readonly dispute: Dispute;
  /** The ARIA it was raised with. */
  readonly aria: string;
  /** The chain's time, unix seconds. */
  readonly heardAt: number;
}

/** What an audit leads to. */
type Proof = { readonly kind: "prove" } & Contradiction;

/** The grid company: funds, orders, commissions, keeps the feeder meter and rules on disputes. */
export class OperatorAgent implements Agent {
  readonly #options: OperatorOptions;
  readonly #follower: ChainFollower;
  readonly #recorder: Recorder;
  readonly #retention: Retention;
  readonly #log: Log;
  readonly #rulings = new Map<Dispute, Ruling>();
  readonly #audited = new Set<FlowRequest>();

  constructor(options: OperatorOptions) {
    this.#options = options;
    const { connection, store, startBlock, confirmations = 0, log: told } = options;
    this.#follower = new ChainFollower(connection, store, startBlock, { confirmations, told });
    this.#recorder = new Recorder(options.store);
    this.#retention = new Retention(options.store, options.retentionDays);
    this.#log = options.log ?? silent;
    options.feeders.forEach(({ source, gainPpm = 0n }, feeder) => {
      const address = feederMeterId(this.wallet.address, feeder);
      this.#recorder.add(new SimulatedMeter({ address, source, gainPpm }));
    });
  }

  get wallet(): Wallet {
    return this.#options.connection.wallet;
  }

  get chainId(): bigint {
    return this.#options.connection.chainId;
  }

  /** What was ruled since the start, and what waits for a person. */
  get rulings(): readonly Ruling[] {
    return [...this.#rulings.values()];
  }

  async advance(): Promise<void> {
    await this.#recorder.record(await this.#follower.follow());
    if (!(await this.#options.connection.sender.settled(this.#follower.head.number))) return;
    const { service, ledger, head, epoch } = this.#follower;
    const { policy, baselineWh, inspected } = this.#options;
    const audited = (request: FlowRequest): boolean => this.#audited.has(request);
    const known = { now: head.timestamp, epoch, service, ledger };
    const intents = decide(policy, { ...known, baselineWh, inspected, audited });
    for (const intent of intents) await this.#carryOut(intent);
    await this.#retention.apply(this.#follower);
  }

  get figures(): Figures {
    return figuresOf(this.#options.connection, this.#follower, { deadline: rulingDeadline });
  }

  async close(): Promise<void> {
    await this.#options.store.close();
    this.#options.connection.close();
  }

  /** @returns why it was refused, if it was */
  async #carryOut(intent: OperatorIntent | Proof): Promise<RefusedError | undefined> {
    try {
      await this.#send(intent);
    } catch (error) {
      if (error instanceof DryRunError) return undefined;
      if (!(error instanceof RefusedError)) throw error;
      this.#log("refused", { intent: intent.kind, reason: error.message });
      return error;
    }
    return undefined;
  }

  async #send(intent: OperatorIntent | Proof): Promise<void> {
    const { connection } = this.#options;
    const aria = connection.ariaAt(this.#follower.service.address);
    switch (intent.kind) {
      case "fund":
        await connection.deposit(intent.amount);
        break;
      case "commission":
        await connection.send("commission", aria.commission.populateTransaction(intent.commissionings));
        this.#log("commissioned", { ders: intent.commissionings.length });
        break;
      case "order":
        await connection.send(
          "orderBaseline",
          aria.orderBaseline.populateTransaction(intent.firstEpoch, packEnergy(intent.baselineWh)),
        );
        this.#log("ordered", {
          firstEpoch: intent.firstEpoch,
          epochs: intent.baselineWh.length,
          wh: intent.baselineWh.reduce((sum, each) => sum + each, 0n),
        });
        break;
      case "release":
        await connection.send("releaseEscrow", aria.releaseEscrow.populateTransaction(intent.requestIds));
        break;
      case "rule":
        await this.#rule(intent.dispute);
        break;
      case "audit":
        await this.#audit(intent.request);
        break;
      case "prove": {
        const { row, leaf, proof } = intent;
        await connection.send(
          "proveContradiction",
          aria.proveContradiction.populateTransaction(row, leaf, [...proof]),
        );
        this.#log("proved a contradiction", { account: leaf.account, epoch: leaf.epoch });
        break;
      }
    }
  }

  /** How long after a dispute a party may take to show evidence of its own: half of the time there is to rule. */
  get #patienceSeconds(): number {
    return Math.floor(this.#follower.service.terms.rules.rulingWindowSeconds / 2);
  }

  /** Hears both parties, and rules by the published rules; what they leave open waits for a person. */
  async #rule(dispute: Dispute): Promise<void> {
    if (this.#rulings.has(dispute)) return;
    const ruling = (await this.#heardBefore(dispute)) ?? (await this.#hear(dispute));
    if (ruling === undefined) return;
    if (ruling.verdict.by === "rules") await this.#sendRuling(ruling);
    this.#rulings.set(dispute, ruling); // only now: one that could not be sent is tried again
  }

  /** What was heard and stored is not heard anew: what the store has is what the chain's evidence hash must be of. */
  async #heardBefore(dispute: Dispute): Promise<Ruling | undefined> {
    const { address: aria } = this.#follower.service;
    const stored = await this.#options.store.hearingOf(aria, dispute.id);
    if (stored === undefined) return undefined;
    const { der, aggregator, feeder, evidenceHash, heardAt } = stored;
    const verdict = parseVerdict(stored.verdict);
    return { dispute, aria, heardAt, evidence: { der, aggregator, feeder }, evidenceHash, verdict };
  }

  /** Undefined as long as a party that showed nothing of its own may still do so. */
  async #hear(dispute: Dispute): Promise<Ruling | undefined> {
    const { store } = this.#options;
    const { evidence, verdict, evidenceHash, complete } = await hear(dispute, this.#room);
    const { service, head } = this.#follower;
    if (!complete && head.timestamp < dispute.raisedAt + this.#patienceSeconds) return undefined;
    const ruling = {
      dispute,
      aria: service.address,
      heardAt: head.timestamp,
      evidence,
      verdict,
      evidenceHash,
    };
    await store.saveHearing({
      aria: ruling.aria,
      disputeId: dispute.id,
      ...evidence,
      evidenceHash,
      verdict: verdictText(verdict),
      heardAt: ruling.heardAt,
    });
    const { by, fault, awardedWh, reasons } = verdict;
    this.#log(by === "rules" ? "ruled" : "left to a person", {
      dispute: dispute.id,
      fault,
      awardedWh,
      reasons,
    });
    return ruling;
  }

  get #room(): HearingRoom {
    const { connection, store, evidenceUrl, feeders } = this.#options;
    const feederOf = (der: string): number | undefined => {
      const feeder = feeders.findIndex(({ feeds }) => feeds(der));
      return feeder < 0 ? undefined : feeder;
    };
    return { connection, store, follower: this.#follower, feederOf, evidenceUrl };
  }

  async #sendRuling({ dispute, aria, verdict, evidenceHash }: Ruling): Promise<void> {
    const { connection } = this.#options;
    const fault = FAULTS.indexOf(verdict.fault);
    await connection.send(
      "resolveDispute",
      connection
        .ariaAt(aria)
        .resolveDispute.populateTransaction(dispute.id, verdict.awardedWh, fault, evidenceHash),
    );
  }

  // ------------------------------------------------------------------------------------------------------------- Audits

  /** Compares a sweep with what the Aggregator committed to by it, and has the contract fine it where they differ. */
  async #audit(request: FlowRequest): Promise<void> {
    const { service } = this.#follower;
    const commitment = await committedIn(request, this.#room);
    if (commitment === undefined) {
      this.#log("not audited", { request: request.id, reason: "the Aggregator did not show its leaves" });
    } else {
      const proofs = contradictionsIn(service, request, commitment);
      for (const proof of proofs) {
        const refusal = await this.#carryOut({ kind: "prove", ...proof }); // one refused keeps none from the next
        if (refusal?.reason === "BondTooLow") return; // released this very moment: again, once it is posted
      }
    }
    this.#audited.add(request); // an Aggregator that shows nothing is not asked for ever; what was not sent is tried again
  }
}
