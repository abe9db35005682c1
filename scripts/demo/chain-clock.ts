import { type JsonRpcProvider, toQuantity } from "ethers";

import { nodeAt } from "../../agents/chain/node.ts";

/** Moves the local chain's time; only a development node lets itself be told. */
export class ChainClock {
  readonly #provider: JsonRpcProvider;

  constructor(url: string) {
    this.#provider = nodeAt(url);
  }

  /** Mines an empty block at this time, unix seconds; does nothing if the chain is there already. */
  async moveTo(unixSeconds: number): Promise<void> {
    if ((await this.now()) >= unixSeconds) return;
    await this.#provider.send("evm_mine", [toQuantity(unixSeconds)]);
  }

  /** The time of the latest block, unix seconds. */
  async now(): Promise<number> {
    const block = await this.#provider.getBlock("latest");
    if (block === null) throw new Error("the local chain has no block");
    return block.timestamp;
  }

  /** Gives an address so much of the coin, in wei. */
  async endow(address: string, wei: bigint): Promise<void> {
    await this.#provider.send("hardhat_setBalance", [address, toQuantity(wei)]);
  }

  /** What an address holds, in wei. */
  balanceOf(address: string): Promise<bigint> {
    return this.#provider.getBalance(address);
  }

  close(): void {
    this.#provider.destroy();
  }
}
