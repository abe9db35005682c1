import { readFileSync } from "node:fs";
import { join } from "node:path";

import { getAddress, isAddress } from "ethers";
import { z } from "zod/v4";

/** Where Ignition writes the addresses of what it deployed, by module and contract. */
const RECORD = "deployed_addresses.json";
const REGISTRY = "ProofOfFlow#Registry";

const recordSchema = z.looseObject({ [REGISTRY]: z.string().refine(isAddress) });

/** A folder does not tell where the Registry is, in one line that says why. */
export class DeploymentError extends Error {
  override readonly name = "DeploymentError";
}

/**
 * The Registry's address as Hardhat Ignition recorded it.
 * @param folder of the deployment, such as ignition/deployments/chain-11155111
 * @throws {DeploymentError}
 */
export function registryIn(folder: string): string {
  const file = join(folder, RECORD);
  const record = recordSchema.safeParse(contentOf(file));
  if (record.success) return getAddress(record.data[REGISTRY]);
  throw new DeploymentError(`must be an address, or a deployment's folder: ${file} names no ${REGISTRY}`);
}

function contentOf(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DeploymentError(`must be an address, or a deployment's folder: ${reason}`, { cause: error });
  }
}
