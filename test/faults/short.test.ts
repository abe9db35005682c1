import { expect } from "chai";

import { pof } from "../pof/stage.ts";
import { anvilProgram } from "./anvil.ts";
import { World } from "./world.ts";

describe("A day of programs on a node that is not the one they were written with", function () {
  this.timeout(240_000);

  let world: World;

  before(async function () {
    if (anvilProgram() === undefined) {
      process.stderr.write("SKIPPED: there is no anvil for this platform, so no fault tests\n");
      this.skip();
    }
    world = new World(2);
    await world.open();
  });

  after(async function () {
    if (anvilProgram() !== undefined) await world.close();
  });

  it("settles, though agents are killed as they send, the chain is reorganised, and a node is flaky", async function () {
    killWhenSending(world, "aggregator", 2, "after");
    await world.begin();
    let asked = 0;
    world.node("der1").manner = () => ((asked += 1) % 4 === 0 ? "broken" : undefined);
    killWhenSending(world, "operator", 1, "before");
    await world.play(world.epochs[0]!, () => world.anvil.ask("anvil_reorg", 2, []));
    await world.play(world.epochs[1]!);
    await world.end();
    await world.expectSettled();
    expect(world.agent("aggregator").starts).to.equal(2);
  });

  it("a second instance with the same key and store is refused, in a line", async function () {
    const { status, stderr } = await pof(["der", "--config", world.configOf("der1")], world.envOf("der1"));
    expect(status).to.equal(1);
    expect(stderr).to.match(
      /^[^\n]*der1\.sqlite: expected a store nobody has open to write, received one that is locked\n$/,
    );
  });
});

/** Kills an agent at a transaction: before the node has it, or after, but before the agent hears of it. */
function killWhenSending(
  world: World,
  name: Parameters<World["node"]>[0],
  which: number,
  when: "before" | "after",
): void {
  const node = world.node(name);
  let sent = 0;
  node.manner = async ({ method, params }) => {
    if (method !== "eth_sendRawTransaction" || (sent += 1) !== which) return undefined;
    if (when === "after") await world.anvil.ask(method, ...params);
    world.agent(name).kill();
    return "broken";
  };
}
