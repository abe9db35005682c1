import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { expect } from "chai";
import { id, type Interface, Wallet, ZeroAddress } from "ethers";
import { network } from "hardhat";

import * as rules from "../../agents/settlement/rules.ts";
import {
  type ARIA,
  ARIA__factory,
  type Annex,
  Annex__factory,
  IVault__factory,
  type Registry,
  Registry__factory,
  type Vault,
  Vault__factory,
} from "../../types/index.js";

/** One chain for all test files. */
export const { ethers, networkHelpers } = await network.create();
export const { time } = networkHelpers;

/** Runs a fixture once, and from then on rolls the chain back to where it left it. */
export async function loadFixture<T>(fixture: () => Promise<T>): Promise<T> {
  return await networkHelpers.loadFixture(fixture);
}

// ------------------------------------------------------------------------------------------------------- Parameters

/** One unit is a gwei of the native coin. */
export const UNIT = 1_000_000_000n;
export const EXIT_WINDOW_SECONDS = 604_800n;

export const CRITERIA = {
  minPowerW: 1_000n,
  maxPowerW: 100_000n,
  maxPrice: 400_000n,
  depositPerKw: 500_001n,
  depositFloorBps: 5_001n,
  maxProspective: 100n,
};

export const RULES = {
  epochSeconds: 900n,
  sweepWindowSeconds: 3_600n,
  disputeWindowSeconds: 21_600n,
  rulingWindowSeconds: 43_200n,
  deliveryToleranceBps: 500n,
  meterToleranceBps: 200n,
  toleranceFloorWh: 10n,
  penaltyBps: 5_000n,
  feeBps: 250n,
  aggregatorBond: 20_000_000n,
  disputeBond: 100_000n,
  misreportFine: 8_000_000n,
};

export type Criteria = typeof CRITERIA;
export type Rules = typeof RULES;

/** What the Operator has in its account at the start, in units. */
export const OPERATOR_FUNDS = 10_000_000_000n;

/** The enumerations of IARIATypes. */
export const Status = { None: 0n, Prospective: 1n, Active: 2n, Suspended: 3n, Leaving: 4n, Closed: 5n };
export const RequestStatus = { None: 0n, Requested: 1n, Swept: 2n, Released: 3n };
export const DisputeStatus = { None: 0n, Open: 1n, Ruled: 2n, Defaulted: 3n, Barred: 4n };
export const Fault = { None: 0n, Aggregator: 1n, DER: 2n };

// ----------------------------------------------------------------------------------------------------------- Parties

/** A DER that may join, or has. */
export interface Der {
  signer: HardhatEthersSigner;
  meter: Wallet;
  powerW: bigint;
  price: bigint;
  /** what its agreement asks for, in units */
  deposit: bigint;
  /** 0 until it has joined */
  account: bigint;
}

export interface System {
  owner: HardhatEthersSigner;
  operator: HardhatEthersSigner;
  aggregator: HardhatEthersSigner;
  /** may pause joining and requesting */
  guardian: HardhatEthersSigner;
  /** has no part in anything */
  stranger: HardhatEthersSigner;
  registry: Registry;
  vault: Vault;
  aria: ARIA;
  /** the other half of ARIA, called directly */
  annex: Annex;
  accounts: { operator: bigint; aggregator: bigint; escrow: bigint };
  criteria: Criteria;
  rules: Rules;
  ders: Der[];
}

/** An address of its own, with coins, for whom the chain signs. */
export async function party(name: string): Promise<HardhatEthersSigner> {
  return await funded(new Wallet(id(name)).address);
}

async function funded(address: string): Promise<HardhatEthersSigner> {
  await networkHelpers.setBalance(address, ethers.parseEther("10000"));
  return await ethers.getImpersonatedSigner(address);
}

/** DER `index`: 10 kW, 13 kW, 16 kW, ... each with a price of its own. */
export async function newDer(index: number, criteria: Criteria = CRITERIA): Promise<Der> {
  const powerW = 10_000n + 3_000n * BigInt(index % 30);
  return {
    signer: await party(`DER ${index.toString()}`),
    meter: new Wallet(id(`meter ${index.toString()}`)),
    powerW,
    price: 123_457n + 1_013n * BigInt(index % 100),
    deposit: rules.depositFor(powerW, criteria.depositPerKw),
    account: 0n,
  };
}

/** Joins with exactly the deposit. */
export async function join(system: System, der: Der): Promise<void> {
  await system.aria.connect(der.signer).join(der.powerW, der.price, der.meter, { value: der.deposit * UNIT });
  der.account = await system.vault.accountOf(der.signer);
}

export async function commission(system: System, ders: readonly Der[]): Promise<void> {
  const commissionings = ders.map(({ signer, meter }) => ({ der: signer.address, meter: meter.address }));
  await system.aria.connect(system.operator).commission(commissionings);
}

// -------------------------------------------------------------------------------------------------------- Deployment

export interface Deployment {
  derCount?: number;
  /** what lies in each DER's account above its deposit, in dispute bonds */
  bonds?: bigint;
  /** who is the Aggregator, where a test needs its key */
  aggregator?: Wallet;
  criteria?: Partial<Criteria>;
  rules?: Partial<Rules>;
}

/** Vault, ARIA and Registry; a funded Operator, the Aggregator's bond posted, and DERs in force from now on. */
export async function deploy({ derCount = 0, bonds = 0n, ...terms }: Deployment = {}): Promise<System> {
  const [owner, operator, second, stranger, guardian] = await ethers.getSigners();
  const aggregator = terms.aggregator ? await funded(terms.aggregator.address) : second;
  if (!owner || !operator || !aggregator || !stranger || !guardian)
    throw new Error("the chain has too few signers");
  const criteria = { ...CRITERIA, ...terms.criteria };
  const vault = await new Vault__factory(owner).deploy(owner, ZeroAddress, UNIT, EXIT_WINDOW_SECONDS);
  const parties = { owner, operator, aggregator, guardian, stranger };
  const system = await withNewAria({ ...parties, vault, criteria, rules: { ...RULES, ...terms.rules } });
  await vault.announceHandOver(system.aria);
  await vault.handOver();
  await system.registry.register(system.aria);

  await vault.connect(operator).deposit(operator, OPERATOR_FUNDS, { value: OPERATOR_FUNDS * UNIT });
  const bond = system.rules.aggregatorBond;
  if (bond > 0n) await vault.connect(aggregator).deposit(aggregator, bond, { value: bond * UNIT });
  await system.aria.connect(aggregator).postBond();
  for (let index = 0; index < derCount; ++index) system.ders.push(await newDer(index, criteria));
  for (const der of system.ders) await join(system, der);
  const spare = bonds * system.rules.disputeBond;
  if (spare > 0n) {
    for (const { signer } of system.ders) await vault.deposit(signer, spare, { value: spare * UNIT });
  }
  if (derCount > 0) await commission(system, system.ders);
  await toNextEpoch(system);
  return system;
}

type Ground = Pick<
  System,
  "owner" | "operator" | "aggregator" | "guardian" | "stranger" | "vault" | "criteria" | "rules"
>;

/** A new ARIA on the ground of a Vault, not yet in charge of it; with a Registry of its own unless there is one. */
export async function withNewAria(ground: Ground & { registry?: Registry }): Promise<System> {
  const { owner, operator, aggregator, guardian, vault, criteria } = ground;
  const aria = await new ARIA__factory(owner).deploy(
    vault,
    operator,
    aggregator,
    guardian,
    criteria,
    ground.rules,
  );
  return {
    ...ground,
    registry: ground.registry ?? (await new Registry__factory(owner).deploy(owner)),
    aria,
    annex: Annex__factory.connect(await aria.annex(), ground.stranger),
    accounts: {
      operator: await aria.operatorAccount(),
      aggregator: await aria.aggregatorAccount(),
      escrow: await aria.escrowAccount(),
    },
    ders: [],
  };
}

export async function noDers(): Promise<System> {
  return await deploy();
}

export async function threeDers(): Promise<System> {
  return await deploy({ derCount: 3 });
}

export async function twentyDers(): Promise<System> {
  return await deploy({ derCount: 20 });
}

/** The DERs of a system, where the test knows how many there are. */
export function derAt(system: System, index: number): Der {
  const der = system.ders[index];
  if (!der) throw new Error(`there is no DER ${index.toString()}`);
  return der;
}

// -------------------------------------------------------------------------------------------------------------- Time

export async function epochNow({ rules: { epochSeconds } }: System): Promise<bigint> {
  return BigInt(await time.latest()) / epochSeconds;
}

/** When an epoch starts, in unix seconds. */
export function startOf({ rules: { epochSeconds } }: System, epoch: bigint): bigint {
  return epoch * epochSeconds;
}

/** Moves into an epoch, to its tenth second: the next transactions fall well within it. */
export async function toEpoch(system: System, epoch: bigint): Promise<void> {
  await time.increaseTo(startOf(system, epoch) + 10n);
}

/** Moves into the next epoch, and returns it. */
export async function toNextEpoch(system: System): Promise<bigint> {
  const epoch = (await epochNow(system)) + 1n;
  await toEpoch(system, epoch);
  return epoch;
}

/** Sends a transaction in a block of exactly this time. */
export async function at<T>(unixSeconds: bigint, send: () => Promise<T>): Promise<T> {
  await time.setNextBlockTimestamp(unixSeconds);
  return await send();
}

// ------------------------------------------------------------------------------------------------------ Expectations

/** The errors of the Vault; its full ABI holds a second InsufficientBalance, of a library. */
export const VAULT_ERRORS = { interface: IVault__factory.createInterface() };

/** Expects the call to fail with this error and exactly these arguments. */
export async function refused(
  call: Promise<unknown>,
  by: { interface: Interface },
  error: string,
  ...args: unknown[]
): Promise<void> {
  expect(by.interface.getError(error)?.inputs.length, `the arguments of ${error}`).to.equal(args.length);
  const assertion = expect(call).to.be.revertedWithCustomError(by, error);
  await (args.length > 0 ? assertion.withArgs(...args) : assertion);
}

/** What each account gains (or gives), in units; accounts not named must not change. */
export interface Moves {
  operator?: bigint;
  aggregator?: bigint;
  escrow?: bigint;
  /** as many of the first DERs as move money */
  ders?: bigint[];
}

/** Runs an action and expects it to move exactly this money in the Vault. */
export async function expectMoves<T>(system: System, action: () => Promise<T>, moves: Moves): Promise<T> {
  const before = await allBalances(system.vault);
  const result = await action();
  const after = await allBalances(system.vault);

  const expected = new Map(before);
  const add = (account: bigint, amount: bigint): unknown =>
    expected.set(account, (expected.get(account) ?? 0n) + amount);
  add(system.accounts.operator, moves.operator ?? 0n);
  add(system.accounts.aggregator, moves.aggregator ?? 0n);
  add(system.accounts.escrow, moves.escrow ?? 0n);
  moves.ders?.forEach((amount, index) => add(derAt(system, index).account, amount));
  expect(Object.fromEntries(after)).to.deep.equal(Object.fromEntries(expected));
  return result;
}

/** What every account of a Vault holds, in units. */
export async function allBalances(vault: Vault): Promise<Map<bigint, bigint>> {
  const count = Number(await vault.accountCount());
  const accounts = Array.from({ length: count }, (_, index) => BigInt(index + 1));
  const balances = await vault.balancesOf(accounts);
  return new Map(accounts.map((account, index) => [account, balances[index] ?? 0n]));
}
