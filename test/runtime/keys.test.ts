import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";
import { computeAddress, encryptKeystoreJson } from "ethers";

import { ConfigError, type KeySource } from "../../agents/runtime/config.ts";
import { openKey } from "../../agents/runtime/keys.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { CONTROL_C, ENTER, Typist } from "./terminal.ts";

const KEY = developmentKey(700);
const PASSWORD = "correct horse battery staple";

describe("Somebody at the terminal is asked", function () {
  this.timeout(30_000);

  const folder = mkdtempSync(join(tmpdir(), "pof-keys-"));
  const keystore = join(folder, "wallet.json");

  before(async function () {
    const account = { address: computeAddress(KEY), privateKey: KEY };
    writeFileSync(keystore, await encryptKeystoreJson(account, PASSWORD, { scrypt: { N: 2 } }));
  });

  after(function () {
    rmSync(folder, { recursive: true });
  });

  /** What comes of it when these keys are typed once the terminal shows those words. */
  async function typed(source: KeySource, words: string, keys: string): Promise<[unknown, Typist]> {
    const typist = new Typist();
    const [outcome] = await Promise.all([
      openKey("walletKey", source, typist).catch((error: unknown) => error),
      typist.answers(words, keys),
    ]);
    return [outcome, typist];
  }

  function expectComplaint(outcome: unknown, message: string): void {
    expect(outcome).to.be.instanceOf(ConfigError);
    expect(outcome).to.have.property("message", message);
  }

  it("for a key, and what is typed is not shown", async function () {
    const [key, { shown }] = await typed({ kind: "prompt" }, "Private key (walletKey):", KEY + ENTER);
    expect(key).to.equal(KEY);
    expect(shown).to.contain("*****").and.to.not.contain(KEY.slice(2, 8));
  });

  it("for the password of a keystore, and what is typed is not shown", async function () {
    const source = { kind: "keystore", file: keystore } as const;
    const [key, { shown }] = await typed(source, `Password of ${keystore}:`, PASSWORD + ENTER);
    expect(key).to.equal(KEY);
    expect(shown).to.not.contain("horse");
  });

  it("and told what is wrong with what was typed, without showing it", async function () {
    const [key] = await typed({ kind: "prompt" }, "Private key", `${KEY.slice(0, -1)}${ENTER}`);
    expectComplaint(key, "what was entered for walletKey must hold a private key: 0x and 64 hex digits");
    const source = { kind: "keystore", file: keystore } as const;
    const [opened] = await typed(source, "Password of", `wrong${ENTER}`);
    expectComplaint(
      opened,
      `${keystore} cannot be opened with the password given: see POF_WALLET_KEY_PASSWORD`,
    );
  });

  it("and may think better of it", async function () {
    const [key] = await typed({ kind: "prompt" }, "Private key", `0x12${CONTROL_C}`);
    expectComplaint(key, "nothing was entered for walletKey");
  });

  it("only where the environment does not say it, and there is a terminal", async function () {
    const source = { kind: "keystore", file: keystore } as const;
    const told = new Typist({ POF_WALLET_KEY_PASSWORD: PASSWORD });
    expect(await openKey("walletKey", source, told)).to.equal(KEY);
    expect(told.shown).to.equal("");
    const piped = new Typist({}, false);
    const outcome = await openKey("walletKey", { kind: "prompt" }, piped).catch((error: unknown) => error);
    expectComplaint(outcome, "there is no terminal to ask on for walletKey: set it in the environment");
  });
});
