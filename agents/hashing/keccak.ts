import { createKeccak } from "hash-wasm";

/**
 * Keccak-256 in WebAssembly. A day of evidence is thousands of block headers, a day's commitment hundreds of thousands
 * of nodes, and the one in ethers, which is JavaScript, takes ten to twenty times as long. Elsewhere ethers' will do.
 */
const hasher = await createKeccak(256);

export function keccak(bytes: Uint8Array): Uint8Array {
  return hasher.init().update(bytes).digest("binary");
}

/** As 0x-hex. */
export function keccakHex(bytes: Uint8Array): string {
  return `0x${hasher.init().update(bytes).digest("hex")}`;
}
