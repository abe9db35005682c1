import { Wallet } from "ethers";

import type { Connection } from "../chain/connection.ts";
import { RefusedError } from "../chain/refusal.ts";
import { DryRunError } from "../chain/not-sent.ts";
import type { Service } from "../chain/books.ts";
import { ChainFollower } from "../chain/follower.ts";
import { Retention } from "../chain/retention.ts";
import type { Dispute, Entry, FlowRequest } from "../chain/service-view.ts";
import { type Access, accessOf, disputedIn, NO_ACCESS, requesterAs } from "../evidence/access.ts";
import { readingsOf, type SignedEpoch, signEpoch, storedEpoch } from "../evidence/bundle.ts";
import { toJson } from "../evidence/json.ts";
import { sealingWith, storedSeals } from "../evidence/seal.ts";
import type { EvidenceQuery } from "../evidence/request.ts";
import { type EvidenceServer, serveEvidence } from "../evidence/server.ts";
import { spansGap } from "../metering/epoch-energy.ts";
import { type Device, isDevice } from "../metering/devices/device.ts";
import { DeviceMeter } from "../metering/devices/device-meter.ts";
import type { StampedReading } from "../metering/reading.ts";
import { Recorder } from "../metering/recorder.ts";
import { SimulatedMeter } from "../metering/simulated-meter.ts";
import type { MeterSource } from "../metering/source.ts";
import type { Listen } from "../runtime/config.ts";
import { type Log, silent } from "../runtime/log.ts";
import { type Figures, figuresOf } from "../runtime/figures.ts";
import type { Agent } from "../runtime/run.ts";
import { proofOf } from "../settlement/tree.ts";
import type { ReadingStore } from "../store/store.ts";
import {
  decide,
  type DerIntent,
  disputeDeadline,
  type DerSituation,
  shortChangedWh,
  type Wishes,
} from "./decide.ts";
import { derEvidence } from "./evidence.ts";

export interface DerOptions {
  readonly connection: Connection;
  readonly store: ReadingStore;
  /** How long readings are kept at least once all is settled; for ever if undefined. */
  readonly retentionDays?: number | undefined;
  readonly startBlock: number;
  /** How many blocks must come after one before it counts; none by default. */
  readonly confirmations?: number;
  /** Key of the meter, in a real one sealed inside it. */
  readonly meterKey: string;
  /** What flows through the meter: simulated or replayed, or what a device counts. */
  readonly source: MeterSource | Device;
  readonly gainPpm?: bigint;
  readonly wishes: Wishes;
  readonly listen: Listen;
  readonly log?: Log;
}

/** Reasons not to take a DER that time does not mend. */
const FINAL_REFUSALS = new Set(["PowerTooLow", "PowerTooHigh", "PriceTooHigh", "PartyHasARole", "Retiring"]);

/** A small producer: it joins, meters what it feeds, checks each sweep against its own register and disputes it. */
export class DerAgent implements Agent {
  readonly #options: DerOptions;
  readonly #follower: ChainFollower;
  readonly #recorder: Recorder;
  readonly #retention: Retention;
  readonly #meterWallet: Wallet;
  readonly #log: Log;
  /** Requests with nothing left to check, by ARIA and number. */
  readonly #checked = new Set<string>();
  /** Versions of ARIA that refused this DER. */
  readonly #refusedBy = new Map<string, RefusedError>();
  /** Disputes that ARIA refused, by its address and the epoch: it would refuse them again. */
  readonly #refusedDisputes = new Set<string>();
  /** Disputes whose evidence is sealed. */
  readonly #sealed = new Set<Dispute>();
  /** When the first epoch that was credited short, and is not disputed, can be disputed no more; unix seconds. */
  #disputeUntil: number | undefined;
  #server: EvidenceServer | undefined;

  constructor(options: DerOptions) {
    this.#options = options;
    const { connection, store, startBlock, confirmations = 0, log: told } = options;
    this.#follower = new ChainFollower(connection, store, startBlock, { confirmations, told });
    this.#recorder = new Recorder(options.store);
    this.#retention = new Retention(options.store, options.retentionDays);
    this.#meterWallet = new Wallet(options.meterKey);
    this.#log = options.log ?? silent;
    const { source, gainPpm = 0n, wishes, log = silent } = options;
    const { address } = this.#meterWallet;
    this.#recorder.add(
      isDevice(source)
        ? new DeviceMeter({ address, device: source, ratedW: wishes.powerW, log })
        : new SimulatedMeter({ address, source, gainPpm }),
    );
  }

  get address(): string {
    return this.#options.connection.wallet.address;
  }

  /** Why the current ARIA refused this DER, if it did. */
  get refusal(): RefusedError | undefined {
    return this.#refusedBy.get(this.#follower.service.address);
  }

  /** Starts to serve evidence to the Operator. @returns where */
  async serve(): Promise<string> {
    this.#server ??= await serveEvidence({
      ...this.#options.listen,
      holder: this.address,
      chainId: this.#options.connection.chainId,
      now: () => this.#follower.head.timestamp,
      access: (query, requester) => this.#access(query, requester),
      answer: (query) => this.#answer(query),
    });
    return this.#server.url;
  }

  async advance(): Promise<void> {
    await this.#catchUp();
    if (await this.#options.connection.sender.settled(this.#follower.head.number)) await this.#act();
    await this.#sealDisputes();
    await this.#retention.apply(this.#follower);
  }

  async #act(): Promise<void> {
    const intents = decide(this.#options.wishes, await this.#situation());
    for (const intent of intents) await this.#carryOut(intent);
    // Whoever asks for evidence of what was just done shall find it.
    if (intents.length > 0) await this.#catchUp();
  }

  get figures(): Figures {
    const { connection, source } = this.#options;
    const meter = isDevice(source) ? source.counters : undefined;
    return figuresOf(connection, this.#follower, { deadline: () => this.#disputeUntil, meter });
  }

  async close(): Promise<void> {
    await this.#server?.close();
    if (isDevice(this.#options.source)) await this.#options.source.close();
    await this.#options.store.close();
    this.#options.connection.close();
  }

  /** Readings are on disk before anything is done or told. */
  async #catchUp(): Promise<void> {
    await this.#recorder.record(await this.#follower.follow());
  }

  // ------------------------------------------------------------------------------------------------------ Situation

  async #situation(): Promise<DerSituation> {
    const { ledger, service, head, epoch } = this.#follower;
    const account = ledger.accountOf(this.address);
    const settled = account === undefined ? [] : await this.#settled(account);
    this.#disputeUntil = disputeDeadline(settled);
    return {
      now: head.timestamp,
      epoch,
      terms: service.terms,
      agreement: account === undefined ? undefined : service.view.agreements.get(account),
      balance: account === undefined ? 0n : ledger.balanceOf(account),
      locked: account === undefined ? 0n : ledger.lockOf(account),
      purse: settled.length === 0 ? 0n : await this.#options.connection.purse(), // only a dispute asks for it
      retiring: service.view.lastEpoch !== undefined,
      paused: service.view.paused,
      refused: this.#refusedBy.has(service.address),
      settled,
      openDisputes: this.#openDisputes(account),
    };
  }

  #openDisputes(account: bigint | undefined): Dispute[] {
    const { disputes } = this.#follower.service.view;
    return [...disputes.values()].filter(
      (dispute) => dispute.account === account && dispute.status === "open",
    );
  }

  /** Own entries that can be disputed now. A request whose entries are all in order is not looked at again. */
  async #settled(account: bigint): Promise<DerSituation["settled"]> {
    const { head, service } = this.#follower;
    const { address, view, terms } = service;
    const settled: DerSituation["settled"][number][] = [];
    for (const request of view.requests.values()) {
      const key = `${address} ${request.id}`;
      if (this.#checked.has(key)) continue;
      const [opens, until] = this.#disputeWindow(request);
      if (head.timestamp < opens) continue;
      const wanting = head.timestamp > until ? [] : await this.#wanting(account, request);
      if (wanting.length === 0) this.#checked.add(key);
      settled.push(
        ...wanting
          .filter(({ entry, measuredWh }) => shortChangedWh(entry, measuredWh, terms) > 0n)
          .map((entry) => ({ ...entry, until })),
      );
    }
    return settled;
  }

  /** Own entries of a settled request that were short-changed and are not disputed yet. */
  async #wanting(
    account: bigint,
    request: FlowRequest,
  ): Promise<{ epoch: number; entry: Entry; measuredWh: bigint }[]> {
    const { view, terms } = this.#follower.service;
    const wanting: { epoch: number; entry: Entry; measuredWh: bigint }[] = [];
    for (let epoch = request.firstEpoch; epoch < request.firstEpoch + request.count; epoch += 1) {
      const entry = view.entryOf(account, epoch);
      if (entry?.request !== request || view.disputes.has((account << 32n) | BigInt(epoch))) continue;
      if (this.#refusedDisputes.has(`${this.#follower.service.address} ${epoch}`)) continue;
      const metered = this.#epochOfMeter(epoch);
      const { before, readings, energyWh: measuredWh } = await readingsOf(this.#options.store, metered);
      if (await this.#cannotBeProved([before, ...readings])) continue;
      if (spansGap(before, epoch, metered.epochSeconds)) continue; // what it fed in this epoch alone, nobody can tell
      if (shortChangedWh(entry, measuredWh, terms) > 0n) wanting.push({ epoch, entry, measuredWh });
    }
    return wanting;
  }

  /** Whether a reading is stamped with a block that the chain dropped: no bundle with it would hold. */
  async #cannotBeProved(readings: readonly (StampedReading | undefined)[]): Promise<boolean> {
    const orphans = await this.#options.store.orphans();
    return orphans.size > 0 && readings.some((reading) => reading && orphans.has(reading.blockHash));
  }

  /** Its first and last moment, unix seconds. */
  #disputeWindow(request: FlowRequest): [opens: number, until: number] {
    const { rules } = this.#follower.service.terms;
    const sweepDeadline =
      (request.firstEpoch + request.count) * rules.epochSeconds + rules.sweepWindowSeconds;
    const opens = request.sweep?.sweptAt ?? sweepDeadline + 1;
    return [opens, opens + rules.disputeWindowSeconds];
  }

  // -------------------------------------------------------------------------------------------------------- Actions

  async #carryOut(intent: DerIntent): Promise<void> {
    try {
      await this.#send(intent);
      this.#log(intent.kind, { ...intent, entry: undefined });
    } catch (error) {
      if (error instanceof DryRunError) return;
      if (!(error instanceof RefusedError)) throw error;
      const { address } = this.#follower.service;
      if (intent.kind === "join" && FINAL_REFUSALS.has(error.reason)) this.#refusedBy.set(address, error);
      if (intent.kind === "dispute") this.#refusedDisputes.add(`${address} ${intent.epoch}`);
      this.#log("refused", { intent: intent.kind, reason: error.message });
    }
  }

  async #send(intent: DerIntent): Promise<void> {
    const { connection } = this.#options;
    const aria = connection.ariaAt(this.#follower.service.address);
    switch (intent.kind) {
      case "join": {
        if (!connection.nativeCoin) await connection.deposit(intent.depositShort);
        const value = connection.nativeCoin ? intent.depositShort * connection.unit : 0n;
        await connection.send(
          "join",
          aria.join.populateTransaction(intent.powerW, intent.price, this.#meterWallet.address, { value }),
        );
        break;
      }
      case "leave":
        await connection.send("leave", aria.leave.populateTransaction());
        break;
      case "close":
        await connection.send("close", aria.close.populateTransaction());
        break;
      case "withdraw":
        await connection.send(
          "withdraw",
          connection.vault.withdraw.populateTransaction(intent.amount, this.address),
        );
        break;
      case "settleByDefault":
        await connection.send("settleByDefault", aria.settleByDefault.populateTransaction(intent.disputeId));
        break;
      case "dispute":
        await this.#dispute(intent.epoch, intent.entry, intent.bondShort);
        break;
    }
  }

  async #dispute(epoch: number, { request }: Entry, bondShort: bigint): Promise<void> {
    const { connection } = this.#options;
    const { address, view } = this.#follower.service;
    const account = this.#follower.ledger.accountOf(this.address) ?? 0n;
    const row = proofOf(view.settledRequest(request), account);
    const signed = await this.#signed(this.#follower.service, epoch);
    if (row === undefined || signed === undefined) return;
    const { statement, signature } = signed;
    await connection.deposit(bondShort);
    await connection.send(
      "raiseDisputeEvent",
      connection.ariaAt(address).raiseDisputeEvent.populateTransaction(statement, signature, row),
    );
  }

  // ------------------------------------------------------------------------------------------------------- Evidence

  #epochOfMeter(
    epoch: number,
    service = this.#follower.service,
  ): { meter: string; epoch: number; epochSeconds: number } {
    return { meter: this.#meterWallet.address, epoch, epochSeconds: service.terms.rules.epochSeconds };
  }

  #signed(service: Service, epoch: number): Promise<SignedEpoch | undefined> {
    const venue = { chainId: this.#options.connection.chainId, aria: service.address };
    const signer = this.#meterWallet;
    return signEpoch(this.#options.store, {
      ...this.#epochOfMeter(epoch, service),
      venue,
      der: this.address,
      signer,
    });
  }

  /** Seals the evidence of open disputes while the key is here: from then on it can be written and shown without. */
  async #sealDisputes(): Promise<void> {
    const { service, ledger } = this.#follower;
    for (const dispute of this.#openDisputes(ledger.accountOf(this.address))) {
      const { account, epoch } = dispute;
      if (this.#sealed.has(dispute) || this.#meterOf(service, account, epoch) !== this.#meterWallet.address)
        continue;
      const signed = await this.#signed(service, epoch);
      if (signed === undefined) continue;
      await this.#evidence(service, signed, dispute);
      this.#sealed.add(dispute);
    }
  }

  #meterOf({ view }: Service, account: bigint, epoch: number): string {
    return view.meterOf(account, epoch) ?? this.#meterWallet.address;
  }

  /** What the meter of its time says of an epoch: one that was replaced can sign no more, but what it signed stands. */
  #said(service: Service, account: bigint, epoch: number): Promise<SignedEpoch | undefined> {
    const meter = this.#meterOf(service, account, epoch);
    if (meter === this.#meterWallet.address) return this.#signed(service, epoch);
    const { epochSeconds } = service.terms.rules;
    return storedEpoch(this.#options.store, { meter, epoch, epochSeconds, aria: service.address });
  }

  #evidence(service: Service, signed: SignedEpoch, dispute: Dispute | undefined): Promise<string> {
    const { connection, store } = this.#options;
    const account = this.#follower.ledger.accountOf(this.address) ?? 0n;
    const meter = this.#meterOf(service, account, signed.statement.epoch);
    const seal =
      meter === this.#meterWallet.address ? sealingWith(this.#meterWallet, store) : storedSeals(store);
    return derEvidence(connection, service, meter, signed, dispute, seal);
  }

  #access(query: EvidenceQuery, requester: string): Access {
    const { ledger } = this.#follower;
    const service = this.#serviceAt(query.aria);
    if (service === undefined || query.account !== ledger.accountOf(this.address)) return NO_ACCESS;
    const operator = ledger.ownerOf(service.terms.operatorAccount);
    return accessOf(
      "der",
      requesterAs(requester, { operator, der: this.address }),
      disputedIn(service.view.disputes.values(), query),
    );
  }

  async #answer({ aria, account, epoch, what }: EvidenceQuery): Promise<string | undefined> {
    const service = this.#serviceAt(aria);
    if (service === undefined) return undefined;
    const signed = await this.#said(service, account, epoch);
    if (signed === undefined) return undefined;
    const { statement, signature } = signed;
    if (what === "statement") return toJson({ statement, signature });
    return this.#evidence(service, signed, service.view.disputes.get((account << 32n) | BigInt(epoch)));
  }

  #serviceAt(aria: string): Service | undefined {
    return this.#follower.services.find(({ address }) => address === aria);
  }
}
