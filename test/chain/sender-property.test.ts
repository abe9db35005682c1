import { expect } from "chai";
import fc from "fast-check";
import { Transaction, Wallet } from "ethers";

import { NotSentError } from "../../agents/chain/not-sent.ts";
import { Sender } from "../../agents/chain/sender.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { PaperNode } from "./paper-node.ts";

const TO = "0x000000000000000000000000000000000000dEaD";
const RULES = { bumpAfterSeconds: 45, patienceSeconds: -1, dryRun: false };
/** Debts, each to be paid once. */
const DEBTS = [1n, 2n, 3n, 4n];
/** What somebody else sends with the key. */
const FOREIGN = 99n;

type Move =
  | { readonly kind: "look"; readonly debt: number }
  | { readonly kind: "mine" | "lose the pool" | "restart" | "foreign" }
  | { readonly kind: "time"; readonly seconds: number }
  | { readonly kind: "turn up"; readonly which: number }
  | { readonly kind: "fate"; readonly fate: PaperNode["fate"] }
  | { readonly kind: "reorganise"; readonly depth: number; readonly back: boolean };

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("look" as const), debt: fc.nat(DEBTS.length - 1) }) },
  { weight: 4, arbitrary: fc.constant({ kind: "mine" as const }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { kind: "lose the pool" as const },
      { kind: "restart" as const },
      { kind: "foreign" as const },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("time" as const), seconds: fc.constantFrom(1, 6, 50) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("turn up" as const), which: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("fate" as const),
      fate: fc.constantFrom("taken, and not told" as const, "lost" as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("reorganise" as const), depth: fc.nat(4), back: fc.boolean() }),
  },
);

/** A party that pays its debts: each time it looks, it pays one that its view of the chain does not show as paid. */
class Debtor {
  readonly node = new PaperNode();
  readonly #store = openSqliteStore(":memory:");
  readonly #wallet = new Wallet(developmentKey(77));
  readonly #confirmations: number;
  #sender: Sender;
  #time = 1_000_000;

  constructor(confirmations: number) {
    this.#confirmations = confirmations;
    this.#sender = this.#started();
  }

  async make(step: Move): Promise<void> {
    const { node } = this;
    switch (step.kind) {
      case "look":
        await this.#look(step.debt);
        break;
      case "mine":
        node.mine();
        break;
      case "lose the pool":
        node.losePool();
        break;
      case "restart":
        this.#sender = this.#started();
        break;
      case "foreign":
        node.mineForeign(await this.#signed(FOREIGN));
        break;
      case "time":
        this.#time += step.seconds;
        break;
      case "turn up":
        this.#offer(node.heard[step.which]);
        break;
      case "fate":
        node.fate = step.fate;
        break;
      case "reorganise": {
        const depth = Math.min(step.depth, this.#confirmations, node.tip);
        node.reorganise(depth, step.back);
        await this.#sender.reorganised(node.tip);
        break;
      }
    }
  }

  async #look(first: number): Promise<void> {
    const head = this.node.tip - this.#confirmations;
    if (head < 0 || !(await this.#sender.settled(head))) return;
    const paid = new Set(this.node.minedUpTo(head).map(({ value }) => value));
    const debt = [...DEBTS.slice(first), ...DEBTS.slice(0, first)].find((each) => !paid.has(each));
    if (debt === undefined) return;
    try {
      await this.#sender.send("pay", { to: TO, data: "0x", value: debt });
    } catch (error) {
      if (!(error instanceof NotSentError || (error instanceof Error && "code" in error))) throw error;
    }
  }

  #offer(transaction: Transaction | undefined): void {
    try {
      if (transaction !== undefined) this.node.offer(transaction);
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error; // refused, as it should be
    }
  }

  #started(): Sender {
    const { provider } = this.node;
    const store = this.#store.transactions;
    return new Sender({
      wallet: this.#wallet,
      provider,
      store,
      rules: RULES,
      chainId: 1n,
      now: () => this.#time,
    });
  }

  async #signed(value: bigint): Promise<Transaction> {
    const nonce = this.node.count();
    const fees = { gasLimit: 21_000n, maxFeePerGas: 100n, maxPriorityFeePerGas: 10n };
    return Transaction.from(
      await this.#wallet.signTransaction({ type: 2, chainId: 1n, to: TO, value, nonce, ...fees }),
    );
  }
}

const look: Move = { kind: "look", debt: 0 };

/** What was given up turns up and is mined, but not as deep yet as decisions rest on. */
const RETURN: Move[] = [
  { kind: "mine" },
  look,
  { kind: "lose the pool" },
  { kind: "time", seconds: 6 },
  look,
  { kind: "lose the pool" },
  { kind: "turn up", which: 0 },
  { kind: "mine" },
  look,
  look,
  { kind: "mine" },
  { kind: "mine" },
];

describe("A sender on a node that fails in every way", function () {
  this.timeout(60_000);

  const day = fc.record({
    confirmations: fc.nat(3),
    moves: fc.array(move, { minLength: 10, maxLength: 60 }),
  });

  it("never pays twice, as long as reorganisations are no deeper than it waits", async function () {
    await fc.assert(
      fc.asyncProperty(day, async ({ confirmations, moves }) => {
        const debtor = new Debtor(confirmations);
        for (const each of moves) {
          await debtor.make(each);
          const paid = debtor.node.minedUpTo(debtor.node.tip).map(({ value }) => value);
          const debts = paid.filter((value) => value !== FOREIGN);
          expect(new Set(debts).size, `paid ${debts.join(", ")}`).to.equal(debts.length);
        }
      }),
      { numRuns: 60, seed: 0x9f10, examples: [[{ confirmations: 1, moves: RETURN }]] },
    );
  });

  it("pays all in the end, whatever happened before", async function () {
    await fc.assert(
      fc.asyncProperty(day, async ({ confirmations, moves }) => {
        const debtor = new Debtor(confirmations);
        for (const each of moves) await debtor.make(each);
        debtor.node.fate = "taken";
        for (let i = 0; i < 20; i += 1) {
          await debtor.make({ kind: "time", seconds: 50 });
          await debtor.make({ kind: "look", debt: 0 });
          for (let block = 0; block <= confirmations; block += 1) await debtor.make({ kind: "mine" });
        }
        const paid = debtor.node.minedUpTo(debtor.node.tip).map(({ value }) => value);
        expect(paid).to.include.members(DEBTS);
      }),
      { numRuns: 20, seed: 0x9f10 },
    );
  });
});
