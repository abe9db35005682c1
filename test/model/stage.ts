import { expect } from "chai";
import { type ContractTransactionResponse, id, Wallet } from "ethers";

import { type FlowLeaf } from "../contracts/claims.ts";
import {
  deploy,
  type Der,
  ethers,
  newDer,
  RequestStatus,
  Status,
  DisputeStatus,
  type System,
  time,
  UNIT,
  VAULT_ERRORS,
} from "../contracts/fixture.ts";
import type { Request as SettledRequest } from "../contracts/settling.ts";
import { packEnergy } from "../../agents/settlement/rows.ts";
import { commitmentOf } from "../../agents/settlement/tree.ts";
import { statusOf } from "./agreements.ts";
import { meterOf } from "./disputes.ts";
import { openDisputesOf } from "./flow.ts";
import { accountOf, after, balanceOf, Refused, sum, type World } from "./world.ts";

/** The Aggregator of these days, whose key signs statements too. */
export const AGGREGATOR = new Wallet(id("the Aggregator of random days"));

/** Small deposits, harsh penalties and short windows, so that a few dozen actions see everything. */
export async function harsh(): Promise<System> {
  const rules = {
    epochSeconds: 1_800n,
    penaltyBps: 60_000n,
    disputeWindowSeconds: 7_200n,
    rulingWindowSeconds: 7_200n,
  };
  const criteria = { depositPerKw: 200_003n, maxProspective: 4n };
  const system = await deploy({ derCount: 4, aggregator: AGGREGATOR, rules, criteria });
  for (let index = 4; index < 7; ++index) system.ders.push(await newDer(index, system.criteria));
  return system;
}

/** The contracts and the model of them, side by side: whatever is done is done to both. */
export class Stage {
  readonly system: System;
  world: World;
  /** what was done, or refused for which reason */
  readonly seen = new Set<string>();
  /** keys of meters by their address */
  readonly meters = new Map<string, Wallet>();
  /** what the Aggregator committed to with each sweep */
  readonly flows = new Map<bigint, { leaves: FlowLeaf[]; root: string; proofs: string[][] }>();
  #meterCount = 0;

  private constructor(system: System, world: World) {
    this.system = system;
    this.world = world;
  }

  /** Where the fixture leaves off. */
  static async open(system: System): Promise<Stage> {
    const { operator, aggregator, accounts, aria, ders, criteria, rules, vault } = system;
    const stage = new Stage(system, {
      criteria,
      rules,
      ...accounts,
      now: BigInt(await time.latest()),
      accounts: new Map([
        [operator.address, accounts.operator],
        [aggregator.address, accounts.aggregator],
        [await aria.getAddress(), accounts.escrow],
      ]),
      balances: new Map(),
      locks: new Map([[accounts.aggregator, rules.aggregatorBond]]),
      agreements: new Map(),
      meters: new Map(),
      orders: new Map(),
      requests: new Map(),
      disputes: new Map(),
      fined: new Set(),
      bonded: true,
      paused: false,
      requestedUntil: 0n,
      latest: { firstEpoch: 0n, lastAccount: 0n },
    });
    for (const der of ders) if (der.account > 0n) await stage.#enter(der);
    const numbers = [...stage.world.accounts.values()];
    const balances = await vault.balancesOf(numbers);
    numbers.forEach((account, i) => stage.world.balances.set(account, balances[i] ?? 0n));
    return stage;
  }

  /** A DER that is in force from the start. */
  async #enter({ signer, account, meter, powerW, price, deposit }: Der): Promise<void> {
    const { sinceEpoch } = await this.system.aria.agreementOf(account);
    this.world.accounts.set(signer.address, account);
    this.world.locks.set(account, deposit);
    const terms = { powerW, price, deposit, sinceEpoch, untilEpoch: 0n };
    this.world.agreements.set(account, { status: "Active", ...terms });
    this.world.meters.set(account, [{ key: meter.address, fromEpoch: sinceEpoch }]);
    this.meters.set(meter.address, meter);
  }

  newMeter(): Wallet {
    const meter = new Wallet(id(`a day's meter ${++this.#meterCount}`));
    this.meters.set(meter.address, meter);
    return meter;
  }

  /** Does something a second later, and expects both to do it or to refuse it for the same reason. */
  async both(
    what: string,
    model: (next: World) => void,
    send: () => Promise<ContractTransactionResponse>,
  ): Promise<boolean> {
    this.world.now += 1n;
    const [next, refusal] = modelled(this.world, model);
    await time.setNextBlockTimestamp(this.world.now);
    const received = await this.#refusalOf(send);
    expect(received ?? "done", what).to.equal(refusal ?? "done");
    this.world = next;
    this.seen.add(refusal ? `${what}: ${refusal}` : what);
    await this.#compareMoney(what);
    return refusal === undefined;
  }

  /** The name of the error that the contracts answer with; undefined if it is done. */
  async #refusalOf(send: () => Promise<ContractTransactionResponse>): Promise<string | undefined> {
    try {
      await send();
      return undefined;
    } catch (error) {
      const { data } = error as { data?: unknown };
      if (typeof data !== "string") throw error;
      const { aria, annex } = this.system;
      for (const known of [aria.interface, annex.interface, VAULT_ERRORS.interface]) {
        const parsed = known.parseError(data);
        if (parsed) return parsed.name;
      }
      throw error;
    }
  }

  // ------------------------------------------------------------------------------------------------------ Comparison

  async #compareMoney(what: string): Promise<void> {
    const { vault } = this.system;
    const numbers = [...this.world.accounts.values()];
    expect(await vault.accountCount(), `accounts after ${what}`).to.equal(BigInt(numbers.length));
    const balances = await vault.balancesOf(numbers);
    const expected = numbers.map((account) => balanceOf(this.world, account));
    expect([...balances], `balances after ${what}`).to.deep.equal(expected);
  }

  /** Everything that either knows. */
  async compare(): Promise<void> {
    const { system, world } = this;
    const { aria, vault } = system;
    for (const [party, account] of world.accounts) {
      expect(await vault.accountOf(party)).to.equal(account);
      expect(await vault.lockOf(party), `lock of ${account}`).to.equal(world.locks.get(account) ?? 0n);
    }
    const held = sum([...world.balances.values()]) * UNIT;
    expect(await ethers.provider.getBalance(vault), "coins held").to.equal(held);
    await this.#compareAgreements();
    for (const [orderId, { firstEpoch, leftWh }] of world.orders) {
      const rest = ethers.AbiCoder.defaultAbiCoder().encode(
        ["uint32", "bytes"],
        [firstEpoch, packEnergy(leftWh)],
      );
      const hash = leftWh.length > 0 ? ethers.keccak256(rest) : ethers.ZeroHash;
      expect(await aria.orderHash(orderId), `order ${orderId}`).to.equal(hash);
    }
    for (const [requestId, { status, firstEpoch, count, sweptAt, escrow }] of world.requests) {
      const open = openDisputesOf(world, requestId);
      expect([...(await aria.requestOf(requestId))], `request ${requestId}`).to.deep.equal([
        commitmentOf(this.settled(requestId)),
        RequestStatus[status],
        firstEpoch,
        count,
        open,
        sweptAt,
        escrow,
      ]);
    }
    for (const [key, { status, claimWh, penalty, excessWh }] of world.disputes) {
      const [account = 0n, epoch = 0n] = key.split("/").map(BigInt);
      const dispute = await aria.disputeOf((account << 32n) | epoch);
      expect(
        [dispute.status, dispute.claimWh, dispute.penalty, dispute.penalisedWh],
        `dispute ${key}`,
      ).to.deep.equal([DisputeStatus[status], claimWh, penalty, excessWh]);
    }
  }

  async #compareAgreements(): Promise<void> {
    const { aria } = this.system;
    for (const [account, agreement] of this.world.agreements) {
      const { powerW, price, deposit, sinceEpoch, untilEpoch } = agreement;
      const status = Status[statusOf(this.world, account, agreement) as keyof typeof Status];
      expect([...(await aria.agreementOf(account))], `agreement ${account}`).to.deep.equal([
        status,
        account,
        powerW,
        price,
        deposit,
        sinceEpoch,
        untilEpoch,
      ]);
      const epoch = this.world.now / this.world.rules.epochSeconds;
      const meter = meterOf(this.world, account, epoch) ?? ethers.ZeroAddress;
      expect(await aria.meterOf(account, epoch), `meter of ${account}`).to.equal(meter);
    }
  }

  // ------------------------------------------------------------------------------------------- For those who act here

  /** A DER as its claims are made by, with its present account. */
  der(account: bigint): Der {
    const der = this.system.ders.find(({ signer }) => accountOf(this.world, signer.address) === account);
    if (!der) throw new Error(`account ${account} is no DER's`);
    return { ...der, account };
  }

  /** A request with all that proofs are made of. */
  settled(requestId: bigint): SettledRequest {
    const flow = this.world.requests.get(requestId);
    if (!flow) throw new Error(`there is no request ${requestId}`);
    const rows = flow.rows.map(({ account, price, powerW, askedWh }) => ({
      account,
      price,
      powerW,
      energyWh: askedWh,
    }));
    const root = this.flows.get(requestId)?.root;
    const sweep = root && {
      shortfallsWh: flow.rows.map(({ missingWh }) => missingWh),
      penalties: flow.rows.map(({ penalty }) => penalty),
      flowRoot: root,
    };
    const settled = { requestId, rows, firstEpoch: flow.firstEpoch, count: Number(flow.count), escrow: 0n };
    return sweep ? { ...settled, sweep } : settled;
  }
}

/** The world after an action, or as it was with the reason why not. */
function modelled(world: World, model: (next: World) => void): [World, string | undefined] {
  try {
    return [after(world, model), undefined];
  } catch (error) {
    if (error instanceof Refused) return [world, error.message];
    throw error;
  }
}
