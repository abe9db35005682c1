/** `npm run test:faults`: days on which everything fails that can, with the real programs on a real node. */

import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "chai";

import { anvilProgram } from "../../test/faults/anvil.ts";
import { type Name, World } from "../../test/faults/world.ts";
import type { Answer, Manner } from "../../test/chain/faulty-node.ts";

const EPOCHS = 3;
const NAMES: readonly Name[] = ["operator", "aggregator", "der1", "der2"];

describe("A day of programs settles, each kWh once, though", function () {
  this.timeout(900_000);

  let world: World;

  beforeEach(async function () {
    if (anvilProgram() === undefined) {
      process.stderr.write("SKIPPED: there is no anvil for this platform, so no fault tests\n");
      this.skip();
    }
    world = new World(EPOCHS);
    await world.open();
  });

  afterEach(async function () {
    if (anvilProgram() !== undefined) await world.close();
  });

  function eachNode(mannerOf: (name: Name) => Manner): void {
    for (const name of NAMES) world.node(name).manner = mannerOf(name);
  }

  /** Kills an agent whenever it asks something for the first time that `keyOf` names. */
  function killingAt(
    keyOf: (method: string, params: readonly unknown[]) => string | undefined,
    passOn: boolean,
  ) {
    return (name: Name): Manner => {
      const seen = new Set<string>();
      return async ({ method, params }) => {
        const key = keyOf(method, params);
        if (key === undefined || seen.has(key)) return undefined;
        seen.add(key);
        if (passOn) await world.anvil.ask(method, ...params);
        world.agent(name).kill();
        return "broken";
      };
    };
  }

  /** Every transaction, by what is signed of it: raised or sent again, it is another one. */
  const rawOf = (method: string, [raw]: readonly unknown[]): string | undefined =>
    method === "eth_sendRawTransaction" ? String(raw).slice(0, 300) : undefined;

  const deaths: [when: string, manner: () => (name: Name) => Manner][] = [
    ["it sends a transaction, before the node has it", () => firstBids(false)],
    ["it sends a transaction, after the node has it", () => firstBids(true)],
    ["it first looks for what became of one", () => killingAt(receiptOf, true)],
    ["it asks a question of some kind for the first time in an epoch", () => killingAt(kindOf, true)],
  ];

  /** Each first transaction of a nonce: one that was lost is signed again, and may pass then. */
  function firstBids(passOn: boolean): (name: Name) => Manner {
    return (name) => {
      const inner = killingAt(rawOf, passOn)(name);
      let turn = 0;
      return (question, request) => {
        if (question.method !== "eth_sendRawTransaction") return undefined;
        turn += 1;
        return turn % 2 === 1 ? inner(question, request) : undefined;
      };
    };
  }

  const kindOf = (method: string): string => `${method} ${world.epoch}`;

  const receiptOf = (method: string, [hash]: readonly unknown[]): string | undefined =>
    method === "eth_getTransactionReceipt" ? String(hash) : undefined;

  for (const [when, manner] of deaths) {
    it(`each agent is killed each time ${when}`, async function () {
      eachNode(manner());
      await world.day();
      await world.expectSettled();
      const starts = NAMES.map((name) => world.agent(name).starts);
      expect(Math.min(...starts), starts.join()).to.be.above(1);
    });
  }

  it("the node is stopped and started again in each epoch", async function () {
    await world.begin();
    for (const epoch of world.epochs) {
      await world.play(epoch, async () => {
        await world.anvil.stop();
        await sleep(1_500);
        await world.anvil.start();
      });
    }
    await world.end();
    await world.expectSettled();
    for (const name of NAMES) expect(world.agent(name).starts, "nobody ended for it").to.equal(1);
  });

  it("the chain is reorganised in each epoch, by 2, 8 and 64 blocks", async function () {
    await world.begin();
    const depths = [2, 8, 64];
    for (const epoch of world.epochs) {
      await world.play(epoch, () => world.reorganise(depths.shift() ?? 0));
    }
    await world.end();
    await world.expectSettled();
    expect(world.agent("aggregator").told("reorganised")).to.equal(EPOCHS);
  });

  /** Every so many requests are answered like this. */
  const every =
    (count: number, answer: () => Answer | Promise<Answer | undefined>) =>
    (): Manner =>
    (_question, request) => (request % count === 0 ? answer() : undefined);

  const manners: [what: string, mannerOf: (name: Name) => Manner][] = [
    ["slow", every(1, () => sleep(200 + Math.random() * 400, undefined))],
    ["flaky: every third connection breaks", every(3, () => "broken")],
    ["overloaded: every fourth request is answered 429", every(4, () => ({ status: 429 }))],
    ["wrong: every seventh answer is nothing", every(7, () => ({ result: null }))],
    ["wrong: every seventh answer is nonsense", every(7, () => ({ status: 200, body: "<html>" }))],
    [
      "of another chain now and then",
      () =>
        ({ method }) =>
          method === "eth_chainId" && Math.random() < 0.5 ? { result: "0x1" } : undefined,
    ],
  ];

  for (const [what, mannerOf] of manners) {
    it(`all nodes are ${what}`, async function () {
      eachNode(mannerOf);
      await world.day();
      await world.expectSettled();
    });
  }

  it("a DER's disk is full for a while", async function () {
    await world.begin();
    await world.limit("der1", "ulimit -f 60");
    const [first = 0, ...rest] = world.epochs;
    await world.play(first, async () => {
      await world.anvil.ask("anvil_mine", 280, 1); // a reading at each
      await world.agent("der1").untilSays("expected a disk");
    });
    await world.limit("der1", undefined);
    for (const epoch of rest) await world.play(epoch);
    await world.end();
    await world.expectSettled();
  });
});
