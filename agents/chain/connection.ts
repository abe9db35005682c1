import { Contract, type ContractTransaction, type TransactionReceipt, Wallet, ZeroAddress } from "ethers";

import {
  ARIA__factory,
  type ARIA,
  Registry__factory,
  type Registry,
  Vault__factory,
  type Vault,
} from "../../types/index.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { TransactionStore } from "../store/transactions.ts";
import { ChainMismatchError } from "./endpoints.ts";
import { type Node, nodeAt } from "./node.ts";
import { Sender, type SendingRules, WAIT_FOR_IT } from "./sender.ts";

/** One party's own link to the chain: its node, its key, and the contracts as that key may call them. */
export interface Connection {
  readonly provider: Node;
  readonly wallet: Wallet;
  readonly chainId: bigint;
  readonly registry: Registry;
  readonly vault: Vault;
  /** One unit of the Vault, in the smallest parts of its asset. */
  readonly unit: bigint;
  /** Whether the Vault keeps the chain's own coin, which can be sent along with a call. */
  readonly nativeCoin: boolean;
  /** Address of the Vault's asset; zero for the chain's own coin. */
  readonly asset: string;
  readonly vaultAddress: string;
  readonly registryAddress: string;
  /** What the own wallet holds of the Vault's asset, in whole units; of coins, gas is paid from the same. */
  purse(): Promise<bigint>;
  /** Puts units into the own account of the Vault; nothing for 0. */
  deposit(amount: bigint): Promise<void>;
  /** ARIA at an address that the Registry named. */
  ariaAt(address: string): ARIA;
  readonly sender: Sender;
  /** `sender.send` */
  send(kind: string, transaction: Promise<ContractTransaction>): Promise<TransactionReceipt>;
  close(): void;
}

/** Where the contracts are: the nodes of their chain, and the Registry there. */
export interface Network {
  readonly rpcUrl: string;
  /** More nodes of the same chain, asked in this order when those before fail. */
  readonly otherRpcUrls?: readonly string[];
  /** The chain it must be; any when omitted. */
  readonly chainId?: bigint | undefined;
  /** When a node is not asked; see `EndpointRules`. */
  readonly maxLagBlocks?: number;
  readonly maxHeadAgeSeconds?: number | undefined;
  /** Address of the Registry: the only one a party needs to know. */
  readonly registry: string;
}

export interface ConnectionOptions extends Network {
  /** 32 bytes as 0x-hex. */
  readonly privateKey: string;
  /** Where transactions are stored before they are sent; by default until the connection is closed. */
  readonly transactions?: TransactionStore | undefined;
  readonly sending?: SendingRules;
  /** Told of what becomes of transactions. */
  readonly told?: (event: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Told of every transaction that went through. */
  readonly onReceipt?: (kind: string, gasUsed: bigint) => void;
}

/**
 * Read once for all connections: TypeChain's factories would read the whole ABI again for each contract. The types
 * below are the ones that those give to the very same objects.
 */
const SERVICE = ARIA__factory.createInterface();
const VAULT = Vault__factory.createInterface();
const REGISTRY = Registry__factory.createInterface();

/** Connects a party to its node and finds the contracts through the Registry. */
export async function connect(options: ConnectionOptions): Promise<Connection> {
  const provider = nodeOf(options, options.told);
  try {
    return await connected(provider, options);
  } catch (error) {
    provider.destroy();
    throw error;
  }
}

/** The nodes of a network, as one. It says at the first question if they are of another chain. */
export function nodeOf(
  { rpcUrl, otherRpcUrls: otherUrls, chainId, maxLagBlocks = Infinity, maxHeadAgeSeconds }: Network,
  told?: ConnectionOptions["told"],
): Node {
  return nodeAt(rpcUrl, { otherUrls, rules: { chainId, maxLagBlocks, maxHeadAgeSeconds }, told });
}

async function connected(provider: Node, options: ConnectionOptions): Promise<Connection> {
  const { chainId } = await provider.getNetwork();
  const expected = options.chainId ?? chainId;
  if (chainId !== expected) throw new ChainMismatchError(expected, chainId); // a node may say this and that
  const wallet = new Wallet(options.privateKey, provider);
  const { told, onReceipt, sending: rules = WAIT_FOR_IT } = options;
  const passing = openSqliteStore(":memory:");
  const store = options.transactions ?? passing.transactions;
  const sender = new Sender({ wallet, provider, store, rules, chainId, told, onReceipt });
  const registry = new Contract(options.registry, REGISTRY, wallet) as unknown as Registry;
  const ariaAt = (address: string): ARIA => new Contract(address, SERVICE, wallet) as unknown as ARIA;
  const vaultAddress = await ariaAt(await registry.current()).vault();
  const vault = new Contract(vaultAddress, VAULT, wallet) as unknown as Vault;
  const [unit, asset] = await Promise.all([vault.unit(), vault.asset()]);
  const link = {
    provider,
    wallet,
    chainId,
    registry,
    vault,
    unit,
    nativeCoin: asset === ZeroAddress,
    asset,
    vaultAddress,
    registryAddress: await registry.getAddress(),
    ariaAt,
    sender,
    send: sender.send.bind(sender),
    close: () => {
      void passing.close();
      provider.destroy();
    },
  };
  return { ...link, purse: () => purse(link, asset), deposit: (amount) => deposit(link, asset, amount) };
}

type Link = Omit<Connection, "purse" | "deposit">;

async function purse({ provider, wallet, unit, nativeCoin }: Link, asset: string): Promise<bigint> {
  if (nativeCoin) return (await provider.getBalance(wallet.address)) / unit;
  const token = new Contract(asset, ["function balanceOf(address) view returns (uint256)"], wallet);
  const held = (await token.getFunction("balanceOf").staticCall(wallet.address)) as bigint;
  return held / unit;
}

async function deposit(
  { wallet, vault, vaultAddress, unit, nativeCoin, send: sendKind }: Link,
  asset: string,
  amount: bigint,
): Promise<void> {
  if (amount === 0n) return;
  if (!nativeCoin) {
    const token = new Contract(asset, ["function approve(address, uint256) returns (bool)"], wallet);
    await sendKind("approve", token.getFunction("approve").populateTransaction(vaultAddress, amount * unit));
  }
  const value = nativeCoin ? amount * unit : 0n;
  await sendKind("deposit", vault.deposit.populateTransaction(wallet.address, amount, { value }));
}
