import { randomBytes } from "node:crypto";

import { hexlify, ZeroHash } from "ethers";

import type { Connection } from "../chain/connection.ts";
import { RefusedError } from "../chain/refusal.ts";
import { DryRunError } from "../chain/not-sent.ts";
import type { Service } from "../chain/books.ts";
import { ChainFollower } from "../chain/follower.ts";
import { Retention } from "../chain/retention.ts";
import type { Dispute, FlowRequest } from "../chain/service-view.ts";
import { type Access, accessOf, disputedIn, NO_ACCESS, requesterAs } from "../evidence/access.ts";
import { readingsOf, type SignedEpoch, signEpoch } from "../evidence/bundle.ts";
import { Commitment, type FlowLeaf } from "../evidence/commitment.ts";
import { toJson } from "../evidence/json.ts";
import { keptMeterId } from "../evidence/kept-meter.ts";
import { readingsRoot } from "../evidence/readings-tree.ts";
import { sealingWith } from "../evidence/seal.ts";
import type { EvidenceQuery } from "../evidence/request.ts";
import { type EvidenceServer, serveEvidence } from "../evidence/server.ts";
import type { Block } from "../metering/reading.ts";
import { Recorder } from "../metering/recorder.ts";
import { SimulatedMeter } from "../metering/simulated-meter.ts";
import { energyWs, type MeterSource } from "../metering/source.ts";
import type { Listen } from "../runtime/config.ts";
import { type Log, silent } from "../runtime/log.ts";
import { type Figures, figuresOf } from "../runtime/figures.ts";
import type { Agent } from "../runtime/run.ts";
import { packEnergy, packRows, packShortfalls } from "../settlement/rows.ts";
import type { ReadingStore } from "../store/store.ts";
import { type AggregatorIntent, decide, type Policy, sweepDeadline } from "./decide.ts";
import { shortfalls } from "./distribute.ts";
import { aggregatorEvidence, type Asked } from "./evidence.ts";
import { type Share, WHOLE } from "./share.ts";

/** What the Aggregator has at a DER's connection. */
export interface Connected {
  /** What flows through its own meter there. */
  readonly source: MeterSource;
  /** What it expects to flow. */
  readonly forecast: MeterSource;
  readonly gainPpm?: bigint;
}

export interface AggregatorOptions {
  readonly connection: Connection;
  readonly store: ReadingStore;
  /** How long readings are kept at least once all is settled; for ever if undefined. */
  readonly retentionDays?: number | undefined;
  readonly startBlock: number;
  /** How many blocks must come after one before it counts; none by default. */
  readonly confirmations?: number;
  readonly policy: Policy;
  /** Undefined for a DER at whose connection it has no meter: such a one is asked for nothing. */
  readonly connected: (der: string) => Connected | undefined;
  readonly listen: Listen;
  /** The part of the work that is done here, if not all of it. */
  readonly share?: Share;
  readonly log?: Log;
}

/** How many of the last blocks are kept for meters that are taken over from another worker. */
const RECENT_BLOCKS = 1_024;

/** Sells the flow of many DERs: distributes the ordered baseline, meters, commits to its readings and sweeps. */
export class AggregatorAgent implements Agent {
  readonly #options: AggregatorOptions;
  readonly #follower: ChainFollower;
  readonly #recorder: Recorder;
  readonly #retention: Retention;
  readonly #share: Share;
  /** By DER. */
  readonly #meters = new Map<string, SimulatedMeter>();
  #recent: Block[] = [];
  readonly #log: Log;
  /** Disputes on which its evidence is sealed. */
  readonly #sealed = new Set<Dispute>();
  #server: EvidenceServer | undefined;

  constructor(options: AggregatorOptions) {
    this.#options = options;
    const { connection, store, startBlock, confirmations = 0, log: told } = options;
    this.#follower = new ChainFollower(connection, store, startBlock, { confirmations, told });
    this.#recorder = new Recorder(options.store);
    this.#retention = new Retention(options.store, options.retentionDays);
    this.#share = options.share ?? WHOLE;
    this.#log = options.log ?? silent;
  }

  get address(): string {
    return this.#options.connection.wallet.address;
  }

  /** Starts to serve evidence to DERs and the Operator. @returns where */
  async serve(): Promise<string> {
    this.#server ??= await serveEvidence({
      ...this.#options.listen,
      holder: this.address,
      chainId: this.#options.connection.chainId,
      now: () => this.#follower.head.timestamp,
      access: (query, requester) => this.#access(query, requester),
      answer: (query, requester) => this.#answer(query, requester),
    });
    return this.#server.url;
  }

  async advance(): Promise<void> {
    await this.#share.renew();
    await this.#catchUp();
    if (!this.#share.leads()) return;
    if (await this.#options.connection.sender.settled(this.#follower.head.number)) await this.#act();
    await this.#sealDisputes();
    await this.#retention.apply(this.#follower);
  }

  async #act(): Promise<void> {
    const { service, ledger, head, epoch } = this.#follower;
    const forecastWh = (der: string, of: number): bigint => this.#forecastWh(der, of);
    const intents = decide(this.#options.policy, { now: head.timestamp, epoch, service, ledger, forecastWh });
    for (const intent of intents) {
      const isDone = await this.#carryOut(intent);
      await this.#catchUp(); // the next page draws on what this one left, and evidence may be asked for at once
      // The pages after one that was refused would pass over its DERs: all are decided anew at the next look.
      if (!isDone && intent.kind === "request") return;
    }
  }

  get figures(): Figures {
    return figuresOf(this.#options.connection, this.#follower, { deadline: sweepDeadline });
  }

  async close(): Promise<void> {
    await this.#server?.close();
    await this.#options.store.close();
    this.#options.connection.close();
  }

  /** Readings are on disk before anything is done or told. */
  async #catchUp(): Promise<void> {
    const blocks = await this.#follower.follow();
    this.#shareMeters();
    await this.#recorder.record(blocks);
    this.#recent = [...this.#recent, ...blocks].slice(-RECENT_BLOCKS);
  }

  // -------------------------------------------------------------------------------------------------------- Meters

  /** A meter is read from the moment its DER is commissioned, before the first epoch that counts. */
  #shareMeters(): void {
    for (const der of this.#metered()) {
      const [meter, isOurs] = [this.#meters.get(der), this.#share.meters(der)];
      if (isOurs && meter === undefined) this.#addMeter(der);
      if (isOurs || meter === undefined) continue;
      this.#recorder.remove(meter);
      this.#meters.delete(der);
    }
  }

  #addMeter(der: string): void {
    const connected = this.#options.connected(der);
    if (connected === undefined) return;
    const { source, gainPpm = 0n } = connected;
    const meter = new SimulatedMeter({ address: keptMeterId(this.address, der), source, gainPpm });
    this.#meters.set(der, meter);
    this.#recorder.add(meter, this.#recent);
  }

  /** The DERs that are metered, here or by another worker: all that were commissioned once. */
  #metered(): string[] {
    return [...this.#follower.service.view.agreements.values()]
      .filter(({ der, meters }) => meters.length > 0 && this.#options.connected(der) !== undefined)
      .map(({ der }) => der);
  }

  #forecastWh(der: string, epoch: number): bigint {
    const { epochSeconds } = this.#follower.service.terms.rules;
    const forecast = this.#options.connected(der)?.forecast;
    return forecast === undefined
      ? 0n
      : energyWs(forecast, epoch * epochSeconds, (epoch + 1) * epochSeconds) / 3600n;
  }

  // -------------------------------------------------------------------------------------------------------- Actions

  /** @returns false if it was refused */
  async #carryOut(intent: AggregatorIntent): Promise<boolean> {
    try {
      await this.#send(intent);
    } catch (error) {
      if (error instanceof DryRunError) return true;
      if (!(error instanceof RefusedError)) throw error;
      this.#log("refused", { intent: intent.kind, reason: error.message });
      return false;
    }
    return true;
  }

  async #send(intent: AggregatorIntent): Promise<void> {
    const { connection } = this.#options;
    const aria = connection.ariaAt(this.#follower.service.address);
    switch (intent.kind) {
      case "postBond":
        await connection.deposit(intent.short);
        await connection.send("postBond", aria.postBond.populateTransaction());
        break;
      case "request": {
        const { order, firstEpoch, count, rows } = intent;
        const baseline = packEnergy(this.#follower.service.view.remainingOf(order));
        const left = { id: order.id, firstEpoch: order.firstEpoch, baseline };
        await connection.send(
          "requestFlow",
          aria.requestFlow.populateTransaction(left, firstEpoch, count, packRows(rows)),
        );
        this.#log("requested", { firstEpoch, count, ders: rows.length });
        break;
      }
      case "sweep":
        await this.#sweep(intent.request);
        break;
    }
  }

  async #sweep(request: FlowRequest): Promise<void> {
    const { connection, store } = this.#options;
    const { address, view } = this.#follower.service;
    if (!(await this.#isMeasured(request))) return;
    const commitment = await this.#commitment(request);
    await store.saveCommitment({
      aria: address,
      requestId: request.id,
      flowRoot: commitment.root,
      json: commitment.json(),
    });
    const missing = view
      .rowsOf(request)
      .map(({ account, energyWh }) => shortfalls(energyWh, this.#committedWh(commitment, request, account)));
    await connection.send(
      "sweepEpoch",
      connection
        .ariaAt(address)
        .sweepEpoch.populateTransaction(
          request.id,
          request.packedRows,
          packShortfalls(missing),
          commitment.root,
        ),
    );
    this.#log("swept", { request: request.id, firstEpoch: request.firstEpoch, count: request.count });
  }

  /**
   * Whether the meters of all that were asked have been read up to the end, by whichever worker; or half the time for the
   * sweep is over, and it cannot wait for them.
   */
  async #isMeasured(request: FlowRequest): Promise<boolean> {
    const { view, terms } = this.#follower.service;
    const { epochSeconds, sweepWindowSeconds } = terms.rules;
    const end = (request.firstEpoch + request.count) * epochSeconds;
    if (this.#follower.head.timestamp >= end + sweepWindowSeconds / 2) return true;
    const metered = new Set(this.#metered());
    for (const { account } of view.rowsOf(request)) {
      const der = this.#follower.ledger.ownerOf(account);
      if (metered.has(der) && !(await this.#isReadTo(end, der))) return false;
    }
    return true;
  }

  /** Whether the meter at a DER was read up to a time (unix seconds), by whichever worker. */
  async #isReadTo(timestamp: number, der: string): Promise<boolean> {
    const last = await this.#options.store.lastReading(keptMeterId(this.address, der));
    return last !== undefined && last.blockTimestamp >= timestamp;
  }

  #committedWh(commitment: Commitment, { firstEpoch, count }: FlowRequest, account: bigint): bigint[] {
    return Array.from(
      { length: count },
      (_, i) => commitment.leafOf(account, firstEpoch + i)?.energyWh ?? 0n,
    );
  }

  /**
   * What its meters say over the request's epochs of all DERs that were asked, and of all others whose meters were read to the
   * end: of half an epoch it says nothing about a neighbour. The stored one if it was made before.
   */
  async #commitment(request: FlowRequest): Promise<Commitment> {
    const { address, view, terms } = this.#follower.service;
    const stored = await this.#options.store.commitmentOf(address, request.id);
    if (stored !== undefined) return Commitment.parse(stored.json);
    const leaves: FlowLeaf[] = [];
    const metered = new Set(this.#metered());
    const asked = new Set(view.rowsOf(request).map(({ account }) => account));
    const end = (request.firstEpoch + request.count) * terms.rules.epochSeconds;
    for (const { account, der } of view.agreements.values()) {
      if (!metered.has(der) || (!asked.has(account) && !(await this.#isReadTo(end, der)))) continue;
      for (let epoch = request.firstEpoch; epoch < request.firstEpoch + request.count; epoch += 1) {
        leaves.push(await this.#leaf(account, der, epoch));
      }
    }
    return new Commitment(leaves);
  }

  async #leaf(account: bigint, der: string, epoch: number): Promise<FlowLeaf> {
    const { energyWh, readings } = await readingsOf(this.#options.store, this.#epochOf(der, epoch));
    return {
      account,
      epoch,
      energyWh,
      readingsRoot: readings.length === 0 ? ZeroHash : readingsRoot(readings),
      salt: hexlify(randomBytes(32)),
    };
  }

  #epochOf(der: string, epoch: number): { meter: string; epoch: number; epochSeconds: number } {
    const { epochSeconds } = this.#follower.service.terms.rules;
    return { meter: keptMeterId(this.address, der), epoch, epochSeconds };
  }

  // ------------------------------------------------------------------------------------------------------- Evidence

  #access(query: EvidenceQuery, requester: string): Access {
    const { ledger } = this.#follower;
    const service = this.#serviceAt(query.aria);
    const der = ledger.owners.get(query.account);
    if (der === undefined || service?.view.agreements.has(query.account) !== true) return NO_ACCESS;
    const operator = ledger.ownerOf(service.terms.operatorAccount);
    return accessOf(
      "aggregator",
      requesterAs(requester, { operator, der }),
      disputedIn(service.view.disputes.values(), query),
    );
  }

  async #answer(query: EvidenceQuery, { requester }: Access): Promise<string | undefined> {
    const service = this.#serviceAt(query.aria);
    if (service === undefined) return undefined;
    const signed = await this.#signed(service, query);
    if (signed === undefined) return undefined;
    const { statement, signature } = signed;
    if (query.what === "statement") return toJson({ statement, signature });
    // The whole commitment tells of all DERs: it is for the Operator, and a DER sees only what concerns itself.
    return this.#evidence(service, signed, { ...query, withLeaves: requester === "operator" });
  }

  #signed(service: Service, { account, epoch }: Omit<Asked, "withLeaves">): Promise<SignedEpoch | undefined> {
    const { wallet, chainId } = this.#options.connection;
    const der = this.#follower.ledger.ownerOf(account);
    const venue = { chainId, aria: service.address };
    const { epochSeconds } = service.terms.rules;
    const of = { meter: keptMeterId(this.address, der), epoch, epochSeconds };
    return signEpoch(this.#options.store, { ...of, venue, der, signer: wallet });
  }

  #evidence(service: Service, signed: SignedEpoch, asked: Asked): Promise<string> {
    const { connection, store } = this.#options;
    const keeper = { meter: keptMeterId(this.address, signed.statement.der), signer: this.address };
    const seal = sealingWith(connection.wallet, store);
    return aggregatorEvidence(connection, store, service, keeper, signed, asked, seal);
  }

  /** Seals what it has to say on open disputes while the key is here: from then on it can be written without. */
  async #sealDisputes(): Promise<void> {
    const { service } = this.#follower;
    for (const dispute of service.view.disputes.values()) {
      if (dispute.status !== "open" || this.#sealed.has(dispute)) continue;
      const signed = await this.#signed(service, dispute);
      if (signed === undefined) continue;
      await this.#evidence(service, signed, { ...dispute, withLeaves: true });
      this.#sealed.add(dispute);
    }
  }

  #serviceAt(aria: string): Service | undefined {
    return this.#follower.services.find(({ address }) => address === aria);
  }
}
