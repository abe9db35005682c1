import { rmSync } from "node:fs";
import { join } from "node:path";

import hre from "hardhat";

import NextARIA from "../../ignition/modules/NextARIA.ts";
import ProofOfFlow from "../../ignition/modules/ProofOfFlow.ts";
import TakeOver from "../../ignition/modules/TakeOver.ts";
import { CRITERIA, EXIT_WINDOW_SECONDS, GWEI, RULES } from "./terms.ts";

export interface Addresses {
  readonly registry: string;
  readonly vault: string;
  readonly aria: string;
}

/** Who has a role in an ARIA. */
export interface Parties {
  readonly operator: string;
  readonly aggregator: string;
  readonly guardian: string;
}

/** The owner's side of the demo: deploys and upgrades, with the same Ignition modules as for a real network. */
export class Deployment {
  readonly #url: string;
  readonly #parties: Parties;
  /** The chain is gone after the demo, so what Ignition records of it is removed as well. */
  readonly #record = `demo-${process.pid}`;
  #connected: ReturnType<typeof hre.network.create<"generic">> | undefined;

  constructor(url: string, parties: Parties) {
    this.#url = url;
    this.#parties = parties;
  }

  async community(): Promise<Addresses> {
    const { ignition } = await this.#connection();
    const { registry, vault, aria } = await ignition.deploy(ProofOfFlow, {
      deploymentId: this.#record,
      parameters: {
        ProofOfFlow: {
          asset: "0x0000000000000000000000000000000000000000",
          unit: GWEI,
          exitWindowSeconds: EXIT_WINDOW_SECONDS,
          ...this.#ariaParameters(),
        },
      },
    });
    return {
      registry: await registry.getAddress(),
      vault: await vault.getAddress(),
      aria: await aria.getAddress(),
    };
  }

  /** Deploys the next ARIA and announces it. @returns its address */
  async announceNext(vault: string): Promise<string> {
    const { ignition } = await this.#connection();
    const { aria } = await ignition.deploy(NextARIA, {
      deploymentId: this.#record,
      parameters: { NextARIA: { vault, ...this.#ariaParameters() } },
    });
    return aria.getAddress();
  }

  /** Hands the Vault over to the announced ARIA, and registers it. @returns the gas of both */
  async takeOver(registry: string, vault: string, aria: string): Promise<void> {
    const { ignition } = await this.#connection();
    await ignition.deploy(TakeOver, {
      deploymentId: this.#record,
      parameters: { TakeOver: { registry, vault, aria } },
    });
  }

  /** Fixes the last epoch of an ARIA. */
  async retire(aria: string, lastEpoch: number): Promise<void> {
    const { ethers } = await this.#connection();
    const contract = await ethers.getContractAt("ARIA", aria);
    await (await contract.retire(lastEpoch)).wait();
  }

  async retired(aria: string): Promise<boolean> {
    const { ethers } = await this.#connection();
    return (await ethers.getContractAt("ARIA", aria)).retired();
  }

  /** What all accounts of the Vault hold, in units, as the chain has it now. */
  async balances(vault: string): Promise<bigint[]> {
    const { ethers } = await this.#connection();
    const contract = await ethers.getContractAt("Vault", vault);
    const count = Number(await contract.accountCount());
    return Promise.all(Array.from({ length: count }, (_, i) => contract.balanceOf(i + 1)));
  }

  close(): void {
    rmSync(join(hre.config.paths.ignition, "deployments", this.#record), { recursive: true, force: true });
  }

  /** The node is the one this demo started, wherever it listens. */
  #connection(): ReturnType<typeof hre.network.create<"generic">> {
    this.#connected ??= hre.network.create({
      network: "local",
      chainType: "generic",
      override: { url: this.#url },
    });
    return this.#connected;
  }

  #ariaParameters(): Record<keyof Parties, string> & { criteria: typeof CRITERIA; rules: typeof RULES } {
    return { ...this.#parties, criteria: CRITERIA, rules: RULES };
  }
}
