import { writeFileSync } from "node:fs";

import type { Command } from "commander";
import { encryptKeystoreJson, Wallet } from "ethers";

import type { KeySource } from "../runtime/config.ts";
import { asked, openKey } from "../runtime/keys.ts";
import { Failure, reasonOf } from "./failure.ts";
import type { Shell } from "./shell.ts";

const PASSWORD = "POF_KEY_PASSWORD";
/** Shorter ones are guessed in no time by whoever has the file. */
const LEAST_PASSWORD = 8;

/** `pof key`: an encrypted keystore. */
export function addKey(program: Command, shell: Shell): void {
  program
    .command("key")
    .description("Makes an encrypted keystore (ethers and geth's JSON form) with a new key.")
    .argument("<file>", "where to write it; never over a file that is there")
    .option("--import <source>", "take a key that is there: an environment variable's name, or prompt")
    .addHelpText(
      "after",
      `\nThe password is asked for, or taken from ${PASSWORD}. The address is printed, the key never.\n\nExamples:\n  npm run pof -- key wallet.json\n  npm run pof -- key wallet.json --import prompt`,
    )
    .action(async (file: string, options: { readonly import?: string }) => {
      const key = await keyToKeep(options.import, shell);
      const password = shell.env[PASSWORD] ?? (await newPassword(file, shell));
      if (password.length < LEAST_PASSWORD) {
        throw new Failure(2, `the password must have at least ${LEAST_PASSWORD} characters`);
      }
      const { address, privateKey } = new Wallet(key);
      write(file, await encryptKeystoreJson({ address, privateKey }, password));
      shell.stdout.write(`${file}: the key of ${address}\n`);
    });
}

async function keyToKeep(source: string | undefined, shell: Shell): Promise<string> {
  if (source === undefined) return Wallet.createRandom().privateKey;
  const from: KeySource =
    source === "prompt" ? { kind: "prompt" } : { kind: "environment", variable: source };
  return openKey("walletKey", from, shell);
}

async function newPassword(file: string, shell: Shell): Promise<string> {
  const first = await asked(`New password of ${file}:`, PASSWORD, shell);
  if ((await asked("Once more:", PASSWORD, shell)) === first) return first;
  throw new Failure(2, "the two passwords differ");
}

function write(file: string, json: string): void {
  try {
    writeFileSync(file, `${json}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    throw new Failure(2, `${file} cannot be written: ${reasonOf(error)}`, { cause: error });
  }
}
