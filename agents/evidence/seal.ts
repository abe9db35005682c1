import { type Signer, TypedDataEncoder } from "ethers";

import { keccakHex } from "../hashing/keccak.ts";
import type { ReadingStore, StoreReader } from "../store/store.ts";
import { differs, type Fault } from "./checks.ts";
import type { Bundle, Unsealed } from "./format.ts";
import { toJson } from "./json.ts";
import { domainOf, recoveredSigner, type Venue } from "./statement.ts";

/**
 * The seal of a bundle: the signature, by the key that its statement is signed with, over all that stands in it. The
 * statement binds the readings alone; the seal binds the rest, so that anyone can see without a chain that a bundle is
 * as its holder gave it.
 */

export const SEAL_TYPES = { Seal: [{ name: "bundleHash", type: "bytes32" }] };

/** keccak256 over the UTF-8 text of a bundle as it is without its seal. */
export function bundleHash(bundle: Unsealed): string {
  return keccakHex(Buffer.from(toJson({ ...bundle, seal: undefined })));
}

export function sealDigest(venue: Venue, hash: string): string {
  return TypedDataEncoder.hash(domainOf(venue), SEAL_TYPES, { bundleHash: hash });
}

export function sealFaults(bundle: Bundle): Fault[] {
  const value = { bundleHash: bundleHash(bundle) };
  const sealer = recoveredSigner(bundle, SEAL_TYPES, value, bundle.seal) ?? "a malformed signature";
  return sealer === bundle.signer ? [] : [differs("seal", bundle.signer, sealer)];
}

/** @param signer has the key that the bundle names as its `signer` */
export async function sealed(signer: Signer, bundle: Unsealed): Promise<Bundle> {
  return withSeal(bundle, await sealOf(signer, bundle, bundleHash(bundle)));
}

function sealOf(signer: Signer, venue: Venue, hash: string): Promise<string> {
  return signer.signTypedData(domainOf(venue), SEAL_TYPES, { bundleHash: hash });
}

function withSeal(bundle: Unsealed, seal: string): Bundle {
  return { ...bundle, seal };
}

/** Puts the seal on a bundle. */
export type Sealing = (bundle: Unsealed) => Promise<Bundle>;

/** Seals with a key, and keeps the seal for when it is not at hand: see `storedSeals`. */
export function sealingWith(signer: Signer, store: ReadingStore): Sealing {
  return async (bundle) => {
    const hash = bundleHash(bundle);
    const stored = await store.sealOf(hash);
    if (stored !== undefined) return withSeal(bundle, stored);
    const seal = await sealOf(signer, bundle, hash);
    await store.saveSeal({ bundleHash: hash, seal });
    return withSeal(bundle, seal);
  };
}

/** A bundle was never sealed: only an agent, which has the key, can do so. */
export class UnsealedError extends Error {
  override readonly name = "UnsealedError";

  constructor({ role, statement: { epoch } }: Unsealed, hash: string) {
    super(
      `${role} bundle of epoch ${epoch}: expected a seal of bundle hash ${hash} in the store, received none: let the agent run until it has seen the dispute, and try again`,
    );
  }
}

/** Seals without a key, with what the agent that had it sealed before. @throws {UnsealedError} for any other bundle */
export function storedSeals(store: StoreReader): Sealing {
  return async (bundle) => {
    const hash = bundleHash(bundle);
    const seal = await store.sealOf(hash);
    if (seal === undefined) throw new UnsealedError(bundle, hash);
    return withSeal(bundle, seal);
  };
}
