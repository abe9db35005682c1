/** A Vault with money in six accounts and a service that does as the test says, for the tests of the Vault. */

import type { HardhatEthersSigner } from "@nomicfoundation/hardhat-ethers/types";
import { type BigNumberish, concat, toBeHex, toTwos } from "ethers";

import { deploy, ethers, networkHelpers, type System, UNIT } from "./fixture.ts";

/** Postings on the wire: account (4), signed amount (8). */
export function postings(...list: readonly [account: BigNumberish, amount: bigint][]): string {
  return concat(list.flatMap(([account, amount]) => [toBeHex(account, 4), toBeHex(toTwos(amount, 64), 8)]));
}

/** Octets on the wire: word (4), then its eight signed amounts (4 each), the last lane first. */
export function octets(...list: readonly [word: bigint, amounts: readonly bigint[]][]): string {
  return concat(
    list.flatMap(([word, amounts]) => [
      toBeHex(word, 4),
      ...amounts.map((amount) => toBeHex(toTwos(amount, 32), 4)).reverse(),
    ]),
  );
}

export interface Books extends System {
  /** the service, ready to send transactions of its own */
  service: HardhatEthersSigner;
  /** accounts 4 to 9, over two storage words and more, with 1,000 units each */
  accounts6: bigint[];
  holders: HardhatEthersSigner[];
}

export async function withSixAccounts(): Promise<Books> {
  const system = await deploy();
  const address = await system.aria.getAddress();
  await networkHelpers.setBalance(address, ethers.parseEther("10"));
  const service = await ethers.getImpersonatedSigner(address);
  const holders = (await ethers.getSigners()).slice(4, 10);
  for (const holder of holders) await system.vault.deposit(holder, 1_000n, { value: 1_000n * UNIT });
  return { ...system, service, holders, accounts6: [4n, 5n, 6n, 7n, 8n, 9n] };
}
