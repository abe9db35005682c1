import { id, Wallet } from "ethers";

import { disputeIdOf, flowLeaf, type FlowLeaf, flowTree, raise, rowProof } from "./claims.ts";
import { Dice } from "./dice.ts";
import {
  commission,
  type Der,
  epochNow,
  join,
  newDer,
  startOf,
  Status,
  type System,
  time,
  toNextEpoch,
  UNIT,
} from "./fixture.ts";
import { orderBaseline, type Request, requestFlow, rowOf, sumOf, sweep, sweepWindow } from "./settling.ts";

/**
 * A day on which everybody does what they may, or tries to: what the contracts refuse is simply not done.
 * The same seed gives the same day.
 */
export class RandomDay {
  readonly #system: System;
  readonly #dice: Dice;
  readonly #requests: Request[] = [];
  readonly #leaves = new Map<bigint, { leaves: FlowLeaf[]; proofs: string[][] }>();
  /** replaced meters are followed here */
  readonly #ders: Der[];
  #orderedUntil = 0n;
  #meters = 0;

  constructor(system: System, seed: number) {
    this.#system = system;
    this.#dice = new Dice(seed);
    this.#ders = system.ders.map((der) => ({ ...der }));
  }

  async live(): Promise<void> {
    const epochs = Number(86_400n / this.#system.rules.epochSeconds);
    for (let epoch = 0; epoch < epochs; ++epoch) {
      await toNextEpoch(this.#system);
      await this.#comeAndGo();
      await this.#request();
      for (const request of this.#requests) await this.#follow(request);
    }
  }

  /** Does what may be refused. */
  async #try(action: () => Promise<unknown>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      if (error instanceof Error && error.message.includes("reverted")) return false;
      throw error;
    }
  }

  /** Joins, meters, money and farewells. */
  async #comeAndGo(): Promise<void> {
    const { aria, vault, operator, aggregator } = this.#system;
    const der = this.#ders[this.#dice.draw(this.#ders.length)];
    if (!der) return;
    const value = BigInt(1 + this.#dice.draw(300_000)) * UNIT;
    if (this.#dice.oneIn(6)) {
      const joiner = await newDer(100 + this.#ders.length, this.#system.criteria);
      await join(this.#system, joiner);
      if (this.#dice.oneIn(4)) await aria.connect(operator).reject(joiner.signer);
      else await commission(this.#system, [joiner]);
      this.#ders.push(joiner);
    }
    if (this.#dice.oneIn(8)) {
      const meter = new Wallet(id(`replacement ${++this.#meters}`));
      if (await this.#try(() => commission(this.#system, [{ ...der, meter }]))) der.meter = meter;
    }
    if (this.#dice.oneIn(3)) await this.#try(() => aria.connect(der.signer).topUp({ value }));
    if (this.#dice.oneIn(3)) {
      await this.#try(async () =>
        vault.connect(der.signer).withdraw(await vault.freeOf(der.signer), der.signer),
      );
    }
    if (this.#dice.oneIn(12)) await this.#try(() => aria.connect(der.signer).leave());
    if (this.#dice.oneIn(2)) await this.#try(() => aria.connect(der.signer).close());
    if (this.#dice.oneIn(10)) await this.#try(() => join(this.#system, der));
    if (this.#dice.oneIn(9)) await this.#try(() => aria.connect(aggregator).releaseBond());
    if (this.#dice.oneIn(2)) {
      await this.#try(() => vault.connect(aggregator).deposit(aggregator, value / UNIT, { value }));
      await this.#try(() => aria.connect(aggregator).postBond());
    }
  }

  /** Orders, and requests of who is in force, in one page or two. */
  async #request(): Promise<void> {
    const system = this.#system;
    const first = (await epochNow(system)) + 1n + BigInt(this.#dice.draw(2));
    if (first < this.#orderedUntil || this.#dice.oneIn(4)) return;
    const count = 1 + this.#dice.draw(10);
    const able = await this.#inForce(first, count);
    const rows = able.map((der) => {
      const most = Number((der.powerW * system.rules.epochSeconds) / 3_600n);
      return rowOf(
        der,
        Array.from({ length: count }, () => BigInt(this.#dice.draw(most + 1))),
      );
    });
    const baseline = Array.from({ length: count }, (_, i) => sumOf(rows.map((row) => row.energyWh[i] ?? 0n)));
    const order = await orderBaseline(system, first, baseline);
    const split = this.#dice.oneIn(2) ? this.#dice.draw(rows.length + 1) : rows.length;
    for (const page of [rows.slice(0, split), rows.slice(split)]) {
      if (page.length === 0) continue;
      const done = await this.#try(async () => {
        this.#requests.push(await requestFlow(system, order, first, page));
      });
      if (done) this.#orderedUntil = first + BigInt(count);
    }
    if (this.#dice.oneIn(4)) await system.aria.connect(system.operator).cancelOrder(order.id);
  }

  async #inForce(first: bigint, count: number): Promise<Der[]> {
    const able: Der[] = [];
    for (const der of this.#ders) {
      const { status, untilEpoch } = await this.#system.aria.agreementOf(der.account);
      const leaving = status === Status.Leaving && untilEpoch >= first + BigInt(count);
      if (status === Status.Active || leaving) able.push(der);
    }
    return able.sort((a, b) => Number(a.account - b.account));
  }

  /** What becomes of a request: a sweep or none, disputes, rulings, contradictions, and the end. */
  async #follow(request: Request): Promise<void> {
    const system = this.#system;
    const { opens, closes } = sweepWindow(system, request);
    const now = BigInt(await time.latest());
    if (!request.sweep && now >= opens && now <= closes && !this.#dice.oneIn(5)) await this.#sweep(request);
    if (now >= opens) await this.#dispute(request);
    if (this.#dice.oneIn(3)) await this.#try(() => system.aria.releaseEscrow([request.requestId]));
  }

  async #sweep(request: Request): Promise<void> {
    const short = request.rows.map(({ energyWh }) =>
      energyWh.map((wh) => (this.#dice.oneIn(3) ? BigInt(this.#dice.draw(Number(wh) + 1)) : 0n)),
    );
    const leaves = request.rows.flatMap(({ account, energyWh }, row) =>
      energyWh.map((wh, i) => {
        const credited = wh - (short[row]?.[i] ?? 0n);
        const der = { account } as Der;
        return flowLeaf(der, request.firstEpoch + BigInt(i), this.#dice.oneIn(20) ? wh / 2n : credited);
      }),
    );
    const { root, proofs } = flowTree(leaves);
    this.#leaves.set(request.requestId, { leaves, proofs });
    await sweep(this.#system, request, short, root);
  }

  async #dispute(request: Request): Promise<void> {
    const { aria, operator } = this.#system;
    const row = request.rows[this.#dice.draw(request.rows.length)];
    const der = this.#ders.find(({ account }) => account === row?.account);
    if (!row || !der) return;
    const offset = this.#dice.draw(request.count);
    const epoch = request.firstEpoch + BigInt(offset);
    const wh = row.energyWh[offset] ?? 0n;
    const disputeId = disputeIdOf(der, epoch);
    if (this.#dice.oneIn(3)) await this.#try(() => this.#raise(der, request, epoch, wh));
    const { status, claimWh } = await aria.disputeOf(disputeId);
    if (status === 1n && this.#dice.oneIn(3)) {
      const fault = this.#dice.draw(3);
      const award = fault === 2 ? 0n : BigInt(this.#dice.draw(Number(claimWh) + 1));
      await this.#try(() => aria.connect(operator).resolveDispute(disputeId, award, fault, id("evidence")));
    }
    if (status === 1n) await this.#try(() => aria.settleByDefault(disputeId));
    const committed = this.#leaves.get(request.requestId);
    const leaf =
      committed?.leaves.findIndex((each) => each.account === der.account && each.epoch === epoch) ?? -1;
    const [shown, proof] = [committed?.leaves[leaf], committed?.proofs[leaf]];
    if (shown && proof) await this.#try(() => aria.proveContradiction(rowProof(request, der), shown, proof));
  }

  /** As the DER's agent does: what is not free of the bond is deposited first. */
  async #raise(der: Der, request: Request, epoch: bigint, wh: bigint): Promise<void> {
    const { vault, rules } = this.#system;
    const secured = (await vault.lockOf(der.signer)) + rules.disputeBond;
    const balance = await vault.balanceOf(der.account);
    if (balance < secured) {
      const missing = secured - balance;
      await vault.deposit(der.signer, missing, { value: missing * UNIT });
    }
    await raise(this.#system, der, request, epoch, wh);
  }

  /** Waits until all that is open can end, and ends it. */
  async end(): Promise<void> {
    const system = this.#system;
    const last = await system.aria.requestedUntil();
    await time.increaseTo(startOf(system, last) + 100_000n);
    for (const request of this.#requests) {
      for (const { account } of request.rows) {
        for (let i = 0n; i < BigInt(request.count); ++i) {
          const disputeId = (account << 32n) | (request.firstEpoch + i);
          if ((await system.aria.disputeOf(disputeId)).status === 1n)
            await system.aria.settleByDefault(disputeId);
        }
      }
      await this.#try(() => system.aria.releaseEscrow([request.requestId]));
    }
  }
}
