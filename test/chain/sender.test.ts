import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "chai";
import { type JsonRpcProvider, keccak256, toQuantity, Wallet } from "ethers";

import { nodeAt } from "../../agents/chain/node.ts";
import {
  DryRunError,
  NonceTakenError,
  PendingError,
  SpendingLimitError,
} from "../../agents/chain/not-sent.ts";
import { Sender, type SendingRules } from "../../agents/chain/sender.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import type { ReadingStore } from "../../agents/store/store.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { type LocalNode, startNode } from "../../scripts/demo/node.ts";

const TO = "0x000000000000000000000000000000000000dEaD";
const RULES: SendingRules = { bumpAfterSeconds: 45, patienceSeconds: 0, dryRun: false };
const GWEI = 10n ** 9n;

/** The same key on the same store, from start to start; against a real node that mines when it is told to. */
describe("The sender of a key's transactions", function () {
  this.timeout(60_000);

  const folder = mkdtempSync(join(tmpdir(), "sender-"));
  let node: LocalNode;
  let provider: JsonRpcProvider;
  let wallet: Wallet;
  let store: ReadingStore;
  let told: [event: string, fields: Readonly<Record<string, unknown>>][];
  let keys = 500;

  before(async function () {
    node = await startNode();
    provider = nodeAt(node.url);
  });

  after(async function () {
    provider.destroy();
    await node.stop();
    rmSync(folder, { recursive: true });
  });

  beforeEach(async function () {
    await mining(true);
    wallet = new Wallet(developmentKey((keys += 1)), provider);
    await provider.send("hardhat_setBalance", [wallet.address, toQuantity(10n ** 20n)]);
    store = openSqliteStore(join(folder, `${keys}.sqlite`));
    told = [];
  });

  afterEach(async function () {
    await store.close();
  });

  const mining = (automatic: boolean): Promise<unknown> => provider.send("evm_setAutomine", [automatic]);
  const mine = (): Promise<unknown> => provider.send("evm_mine", []);
  const latest = (): Promise<number> => provider.getBlockNumber();
  const pay = (value: bigint): { to: string; data: string; value: bigint } => ({ to: TO, data: "0x", value });
  const events = (): string[] => told.map(([event]) => event);
  const paid = (): Promise<bigint> => provider.getBalance(TO);

  /** A sender as a program has it that was just started. */
  function started(rules: Partial<SendingRules> = {}): Sender {
    return new Sender({
      wallet,
      provider,
      store: store.transactions,
      rules: { ...RULES, ...rules },
      chainId: 31_337n,
      told: (event, fields) => told.push([event, fields]),
    });
  }

  /** Lets time pass for what is stored: as if all was signed so long ago. */
  async function aged(seconds: number): Promise<void> {
    const file = join(folder, `${keys}.sqlite`);
    await store.close();
    const database = new DatabaseSync(file);
    database.exec(`UPDATE bids SET signed_at = signed_at - ${seconds}`);
    database.close();
    store = openSqliteStore(file);
  }

  async function failure(work: Promise<unknown>): Promise<unknown> {
    try {
      await work;
    } catch (error) {
      return error;
    }
    return undefined;
  }

  it("tries, stores, sends, and sees it mined", async function () {
    const sender = started();
    const before = await paid();
    const receipt = await sender.send("pay", pay(5n));
    expect([receipt.status, (await paid()) - before]).to.deep.equal([1, 5n]);
    expect(events()).to.deep.equal(["sent", "mined"]);
    expect(await sender.settled(receipt.blockNumber)).to.be.true;
    expect(await sender.settled(receipt.blockNumber - 1), "the view does not show it yet").to.be.false;
    expect(await sender.spent()).to.equal(receipt.fee);
  });

  it("raises what is stuck, at the same nonce, and sends nothing else meanwhile", async function () {
    await mining(false);
    const before = await paid();
    expect(await failure(started().send("pay", pay(5n)))).to.be.instanceOf(PendingError);
    await aged(50);
    const sender = started();
    expect(await sender.settled(await latest())).to.be.false;
    expect(events()).to.deep.equal(["sent", "bumped", "sent"]);
    expect(await failure(sender.send("pay", pay(7n))), "one at a time").to.be.instanceOf(PendingError);
    const [open] = await store.transactions.openTransactions(wallet.address);
    const { bids, nonce } = open!;
    expect([bids.length, nonce]).to.deep.equal([2, 0]);
    expect(bids[1]!.maxFeePerGas > bids[0]!.maxFeePerGas).to.be.true;
    await mine();
    expect(await sender.settled(await latest())).to.be.true;
    expect((await provider.getTransactionReceipt(bids[1]!.hash))?.status).to.equal(1);
    expect(await provider.getTransactionReceipt(bids[0]!.hash)).to.be.null;
    expect((await paid()) - before).to.equal(5n);
  });

  it("finds at the next start what was sent before, pays once, and goes on", async function () {
    await mining(false);
    const before = await paid();
    await failure(started().send("pay", pay(5n)));
    await mine(); // the program ended before it saw this
    const sender = started();
    expect(await sender.settled(await latest())).to.be.true;
    expect(events().at(-1)).to.equal("mined");
    await mining(true);
    await sender.send("pay", pay(7n));
    expect((await paid()) - before).to.equal(12n);
  });

  it("uses the nonce again of what was stored but never sent, and outbids it", async function () {
    const before = await paid();
    const intent = { sender: wallet.address, nonce: 0, kind: "pay", ...pay(5n), gasLimit: 21_000n };
    const fees = { maxFeePerGas: 50n * GWEI, maxPriorityFeePerGas: 20n * GWEI };
    const raw = await wallet.signTransaction({
      type: 2,
      chainId: 31_337n,
      ...pay(5n),
      nonce: 0,
      gasLimit: 21_000n,
      ...fees,
    });
    await store.transactions.addTransaction(intent, { ...fees, hash: keccak256(raw), signedAt: 0 });
    const sender = started();
    expect(await sender.settled(await latest())).to.be.true;
    expect(events()).to.deep.equal(["forgotten"]);
    const receipt = await sender.send("pay", pay(5n));
    const sent = await provider.getTransaction(receipt.hash);
    expect([sent?.nonce, sent!.maxFeePerGas! > fees.maxFeePerGas]).to.deep.equal([0, true]);
    expect(
      await failure(provider.send("eth_sendRawTransaction", [raw])),
      "should it turn up now",
    ).to.have.property("code", "NONCE_EXPIRED");
    expect((await paid()) - before).to.equal(5n);
  });

  it("does not do what was decided before the key was used by somebody else", async function () {
    const sender = started();
    expect(await sender.settled(await latest())).to.be.true;
    await wallet.sendTransaction(pay(1n)); // a person, with the same key
    const before = await paid();
    expect(await failure(sender.send("pay", pay(5n)))).to.be.instanceOf(NonceTakenError);
    expect(events().at(-1)).to.equal("displaced");
    expect(await paid()).to.equal(before);
    expect(await sender.settled(await latest())).to.be.true;
    await sender.send("pay", pay(5n));
    expect((await paid()) - before).to.equal(5n);
  });

  it("takes up again what a reorganisation dropped, and does not pay twice", async function () {
    const before = await paid();
    const snapshot: unknown = await provider.send("evm_snapshot", []);
    const ancestor = await latest();
    const sender = started();
    await sender.send("pay", pay(5n));
    await provider.send("evm_revert", [snapshot]);
    await mine();
    expect(await paid()).to.equal(before);
    await sender.reorganised(ancestor);
    await aged(10);
    const again = started();
    expect(await again.settled(await latest())).to.be.true;
    expect(events().at(-1)).to.equal("forgotten");
    await again.send("pay", pay(5n));
    expect((await paid()) - before).to.equal(5n);
  });

  it("keeps to what an hour may cost", async function () {
    const sender = started({ weiPerHour: 21_000n * 10n * GWEI });
    const { fee } = await sender.send("pay", pay(1n));
    const tight = started({ weiPerHour: fee + 21_000n });
    const refused = await failure(tight.send("pay", pay(1n)));
    expect(refused).to.be.instanceOf(SpendingLimitError);
    expect((refused as Error).message).to.contain(`at most 21000 wei`);
    await aged(3_600);
    await started({ weiPerHour: 21_000n * 10n * GWEI }).send("pay", pay(1n));
  });

  it("only tries in a dry run, and says so once", async function () {
    const sender = started({ dryRun: true });
    const before = await paid();
    for (const value of [5n, 5n])
      expect(await failure(sender.send("pay", pay(value)))).to.be.instanceOf(DryRunError);
    expect(told.map(([event, { kind }]) => [event, kind])).to.deep.equal([["would send", "pay"]]);
    expect([await paid(), await provider.getTransactionCount(wallet.address)]).to.deep.equal([before, 0]);
  });

  it("waits as long as it is told to, for a command that sends and ends", async function () {
    await mining(false);
    const sending = started({ patienceSeconds: 30 }).send("pay", pay(5n));
    await sleep(700);
    await mine();
    expect((await sending).status).to.equal(1);
  });
});
