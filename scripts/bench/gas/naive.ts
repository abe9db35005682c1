import { ethers, type Der, party } from "../../../test/contracts/fixture.ts";
import {
  NaiveSettlement__factory,
  NaiveVault__factory,
} from "../../../types/factories/contracts/test/Naive.sol/index.js";

/** What the plain design takes to settle one epoch: a mapping of agreements, and a call of the Vault for each payment. */
export async function naiveGasPerDer(ders: readonly Der[]): Promise<number> {
  const operator = await party("the naive Operator");
  const vault = await new NaiveVault__factory(operator).deploy();
  const settlement = await new NaiveSettlement__factory(operator).deploy(vault, operator);
  await vault.connect(operator).deposit({ value: ethers.parseEther("1000") });
  for (const { signer } of ders) await vault.connect(signer).deposit({ value: ethers.parseEther("1") });
  const addresses = ders.map(({ signer }) => signer.address);
  const agreements = ders.map(({ price, deposit }) => ({ price, deposit, requestedWh: 2_000n }));
  await settlement.request(addresses, agreements);
  const deliveredWh = ders.map((_, i) => (i % 10 === 0 ? 1_400n : 2_000n));
  const receipt = await (await settlement.settle(addresses, deliveredWh)).wait();
  return Number(receipt?.gasUsed ?? 0n) / ders.length;
}
