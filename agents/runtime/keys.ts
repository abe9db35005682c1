import { scrypt as platformScrypt } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

import password from "@inquirer/password";
import {
  computeAddress,
  decryptKeystoreJson,
  getAddress,
  getBytes,
  hexlify,
  isKeystoreJson,
  scrypt,
} from "ethers";
import { z } from "zod/v4";

import { ConfigError, type KeySource } from "./config.ts";
import { variableOf } from "./settings.ts";
import type { Terminal } from "./terminal.ts";

/** Memory that a keystore may ask for; the usual ones take 128 MiB. */
const SCRYPT_BYTES = 512 * 2 ** 20;

/** The platform's own is ten times faster than the library's. */
const derive = promisify(
  (
    password: Uint8Array,
    salt: Uint8Array,
    bytes: number,
    cost: { N: number; r: number; p: number },
    done: (error: Error | null, key: Buffer) => void,
  ) => {
    platformScrypt(password, salt, bytes, { ...cost, maxmem: SCRYPT_BYTES }, done);
  },
);
scrypt.register(async (password, salt, N, r, p, bytes) =>
  hexlify(await derive(getBytes(password), getBytes(salt), bytes, { N, r, p })),
);

/** A setting that says where a key is to be had. */
export type KeyName = "walletKey" | "meterKey";

/**
 * The private key that a setting points to.
 * @returns 32 bytes as 0x-hex
 * @throws {ConfigError} when it is not there or malformed; the message never shows a key
 */
export async function openKey(name: KeyName, source: KeySource, terminal: Terminal): Promise<string> {
  switch (source.kind) {
    case "environment":
      return keyIn(source.variable, terminal.env);
    case "keystore":
      return keyInStore(name, source.file, terminal);
    case "prompt": {
      const key = await asked(`Private key (${name}):`, name, terminal);
      return checkedKey(key, `what was entered for ${name}`);
    }
  }
}

/** The address of a key; that of a keystore stands in the file, so no password is asked for. @throws {ConfigError} */
export async function addressOfKey(name: KeyName, source: KeySource, terminal: Terminal): Promise<string> {
  if (source.kind === "keystore") {
    const { address } = keystoreSchema.safeParse(JSON.parse(keystoreIn(source.file))).data ?? {};
    if (address !== undefined) return getAddress(address);
  }
  return computeAddress(await openKey(name, source, terminal));
}

/** The environment variable with a keystore's password. */
export function passwordVariable(name: KeyName): string {
  return `${variableOf([name])}_PASSWORD`;
}

const keystoreSchema = z.object({
  address: z
    .string()
    .regex(/^(0x)?[0-9a-fA-F]{40}$/)
    .transform((text) => `0x${text.replace(/^0x/, "").toLowerCase()}`),
});

function keyIn(variable: string, env: Terminal["env"]): string {
  const key = env[variable];
  if (key === undefined) throw new ConfigError(`set the environment variable ${variable} to a private key`);
  return checkedKey(key, `the environment variable ${variable}`);
}

function checkedKey(key: string, where: string): string {
  if (/^0x[0-9a-fA-F]{64}$/.test(key)) return key;
  throw new ConfigError(`${where} must hold a private key: 0x and 64 hex digits`);
}

async function keyInStore(name: KeyName, file: string, terminal: Terminal): Promise<string> {
  const json = keystoreIn(file);
  const variable = passwordVariable(name);
  const secret = terminal.env[variable] ?? (await asked(`Password of ${file}:`, variable, terminal));
  try {
    return (await decryptKeystoreJson(json, secret)).privateKey;
  } catch (error) {
    throw new ConfigError(`${file} cannot be opened with the password given: see ${variable}`, {
      cause: error,
    });
  }
}

function keystoreIn(file: string): string {
  let json: string;
  try {
    json = readFileSync(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`the keystore ${file} cannot be read: ${reason}`, { cause: error });
  }
  if (isKeystoreJson(json)) return json;
  throw new ConfigError(`${file} is no keystore: make one with "pof key ${file}"`);
}

/** Asks at the terminal, without showing what is entered. @param missing what could be set instead */
export async function asked(message: string, missing: string, terminal: Terminal): Promise<string> {
  const { stdin: input, stderr: output } = terminal;
  if (input.isTTY !== true) {
    throw new ConfigError(`there is no terminal to ask on for ${missing}: set it in the environment`);
  }
  try {
    return await password({ message, mask: true }, { input: input, output });
  } catch (error) {
    throw new ConfigError(`nothing was entered for ${missing}`, { cause: error });
  }
}
