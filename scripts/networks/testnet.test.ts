import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { expect } from "chai";
import { computeAddress } from "ethers";
import { parseDocument } from "yaml";
import { z } from "zod/v4";

import { connect, type Connection } from "../../agents/chain/connection.ts";
import { type Onlooker, lookAt } from "../../agents/chain/onlooker.ts";
import { developmentKey } from "../demo/cast.ts";
import { TimelockController__factory } from "../../types/index.ts";
import { HONEST } from "../../test/chain/faulty-node.ts";
import { anvilProgram } from "../../test/faults/anvil.ts";
import { Supervised } from "../../test/faults/supervised.ts";
import { pof } from "../../test/pof/stage.ts";
import { type Parameters, Testnet } from "./testnet.ts";

const OWNER_KEY = developmentKey(0);
const NOBODY = "0x0000000000000000000000000000000000000000";
const COINS = `0x${(1_000n * 10n ** 18n).toString(16)}`;
const DELAY_SECONDS = 60;
const EPOCH_SECONDS = 60;
const POWER_W = 7_200;
const WAIT_MS = 120_000;
/** Epochs that are settled before the upgrade, and after it: `TESTNET_EPOCHS=4` for a quick look. */
const EPOCHS = Number(process.env["TESTNET_EPOCHS"] ?? "96");
const EPOCHS_AFTER = 2;

const NAMES = ["operator", "aggregator", "der"] as const;
type Name = (typeof NAMES)[number];
const KEYS: Readonly<Record<Name, string>> = {
  operator: developmentKey(1),
  aggregator: developmentKey(2),
  der: developmentKey(101),
};
const METER_KEY = developmentKey(201);
const ROLES = {
  operator: computeAddress(KEYS.operator),
  aggregator: computeAddress(KEYS.aggregator),
  guardian: NOBODY,
  criteria: {
    minPowerW: 1_000,
    maxPowerW: 100_000,
    maxPrice: 45_000,
    depositPerKw: "100000n",
    depositFloorBps: 5_000,
    maxProspective: 100,
  },
  rules: {
    epochSeconds: EPOCH_SECONDS,
    sweepWindowSeconds: 240,
    disputeWindowSeconds: 60,
    rulingWindowSeconds: 240,
    deliveryToleranceBps: 1_000,
    meterToleranceBps: 200,
    toleranceFloorWh: 10,
    penaltyBps: 5_000,
    feeBps: 300,
    aggregatorBond: "5000000n",
    disputeBond: "50000n",
    misreportFine: "200000n",
  },
};
const COMMUNITY: Parameters = {
  ProofOfFlow: { asset: NOBODY, unit: "1000000000n", exitWindowSeconds: 600, ...ROLES },
  Timelock: { delaySeconds: `${DELAY_SECONDS}n` },
};

const statusSchema = z.object({
  chain: z.object({ aria: z.string(), version: z.coerce.number() }),
  money: z.object({ account: z.coerce.number(), balance: z.coerce.bigint(), free: z.coerce.bigint() }),
  epochs: z.array(
    z.object({ epoch: z.number(), requestedWh: z.coerce.bigint(), creditedWh: z.coerce.bigint().nullable() }),
  ),
});

describe("On a public testnet", function () {
  this.bail(true);
  this.timeout(300_000 + EPOCHS * 30_000);

  let testnet: Testnet;
  let auditor: Connection;
  const links: Connection[] = [];
  const agents = new Map<Name, Supervised>();

  before(async function () {
    if (anvilProgram() === undefined) {
      process.stderr.write("SKIPPED: there is no anvil for this platform, so no tests of a testnet\\n");
      this.skip();
    }
    testnet = await Testnet.open(OWNER_KEY);
    for (const key of [OWNER_KEY, ...Object.values(KEYS)])
      await testnet.anvil.ask("anvil_setBalance", computeAddress(key), COINS);
  });

  after(async function () {
    if (anvilProgram() === undefined) return;
    for (const agent of agents.values()) await agent.stop();
    for (const link of links) link.close();
    await testnet.close();
  });

  it("a deployment that was interrupted is resumed, and nothing deployed twice", async function () {
    let [sent, looked] = [0, 0];
    testnet.node.manner = ({ method }) => {
      if (method === "eth_sendRawTransaction") sent += 1;
      if (method === "eth_getTransactionReceipt" && sent === 3) looked += 1;
      if (looked < 4) return undefined; // all three are known to be sent by then
      testnet.interrupt();
      return "broken";
    };
    expect((await testnet.deploy("Timelock", COMMUNITY)).status).to.equal(null);

    // In the moment of sending, the transaction's hash is not known yet: Ignition asks for it.
    let hash = "";
    testnet.node.manner = async ({ method, params }) => {
      if (method !== "eth_sendRawTransaction") return undefined;
      hash = await testnet.anvil.ask<string>(method, ...params);
      testnet.interrupt();
      return "broken";
    };
    expect((await testnet.deploy("Timelock", COMMUNITY)).status).to.equal(null);
    testnet.node.manner = HONEST;
    const before = testnet.addresses;
    expect(Object.keys(before)).to.include("ProofOfFlow#Registry");
    await deployed("Timelock", COMMUNITY, /ignition track-tx/);
    const tracked = await testnet.track(hash);
    expect(tracked.status, tracked.stdout + tracked.stderr).to.equal(0);

    await deployed("Timelock", COMMUNITY);
    expect(testnet.addresses).to.include(before);
    // Four contracts, three calls that put the ARIA in charge, and three that offer ownership.
    const owner = computeAddress(OWNER_KEY);
    const count = await testnet.anvil.ask<string>("eth_getTransactionCount", owner, "latest");
    expect(Number(count)).to.equal(10);
  });

  it("the timelock owns Registry and Vault once its delay is over", async function () {
    await passed(DELAY_SECONDS);
    await deployed("AcceptOwnership", COMMUNITY);
    auditor = await connect({
      rpcUrl: testnet.anvil.url,
      registry: address("ProofOfFlow#Registry"),
      privateKey: developmentKey(9),
    });
    links.push(auditor);
    const owners = [await auditor.registry.owner(), await auditor.vault.owner()];
    expect(owners).to.deep.equal([
      address("Timelock#TimelockController"),
      address("Timelock#TimelockController"),
    ]);
  });

  it("agents that know the deployment's folder settle epoch after epoch, and stop and start as one likes", async function () {
    for (const name of NAMES) agents.set(name, new Supervised(name, await initiated(name), envOf(name)));
    for (const agent of agents.values()) agent.start();
    for (let swept = 1; swept < EPOCHS; swept += 1) {
      await until(
        `${swept} epochs are swept`,
        ({ follower }) => sweptOf(follower.service.view.requests) >= swept,
      );
      const restarted = agents.get(NAMES[swept % NAMES.length] ?? "der");
      await restarted?.stop();
      restarted?.start();
    }
    const onlooker = await until(
      `${EPOCHS} epochs are swept`,
      ({ follower }) => sweptOf(follower.service.view.requests) >= EPOCHS,
    );
    const requests = [...onlooker.follower.service.view.requests.values()];
    const epochs = requests.flatMap(({ firstEpoch, count }) =>
      Array.from({ length: count }, (_, i) => firstEpoch + i),
    );
    expect(epochs, "no epoch is asked for twice").to.deep.equal(
      [...new Set(epochs)].sort((one, other) => one - other),
    );
    await expectAgreement(1);
  });

  it("an upgrade goes through the timelock, and the agents follow it", async function () {
    const parameters = { $global: await upgrade() };
    await deployed("ScheduleUpgrade", parameters);
    const timelock = TimelockController__factory.connect(
      address("Timelock#TimelockController"),
      auditor.provider,
    );
    await passed(Number(await timelock.getMinDelay()));
    await deployed("ExecuteAnnouncement", parameters);
    await until("the first ARIA is retired", () => auditor.ariaAt(address("ProofOfFlow#ARIA")).retired());
    await until(
      "the exit window is over",
      async () => (await testnet.now()) > Number((await auditor.vault.pendingHandOver())[1]),
    );
    const held = await total();
    await deployed("ExecuteTakeOver", parameters);
    expect(await total(), "no money moves").to.equal(held);
    expect(await auditor.registry.current()).to.equal(address("ScheduleUpgrade#ARIA"));
    await until(
      "the second ARIA settles",
      ({ follower }) =>
        follower.service.version === 2 && sweptOf(follower.service.view.requests) >= EPOCHS_AFTER,
    );
    await expectAgreement(2);
  });

  // -------------------------------------------------------------------------------------------------------- The owner

  function address(name: string): string {
    return testnet.addresses[name] ?? expect.fail(`${name} is not deployed`);
  }

  /** @param refusal what it says when it cannot */
  async function deployed(module: string, parameters: Parameters, refusal?: RegExp): Promise<void> {
    const { status, stdout, stderr } = await testnet.deploy(module, parameters);
    expect(status, stdout + stderr).to.equal(refusal === undefined ? 0 : 1);
    if (refusal !== undefined) expect(stdout + stderr).to.match(refusal);
  }

  async function upgrade(): Promise<Record<string, unknown>> {
    return {
      ...ROLES,
      timelock: address("Timelock#TimelockController"),
      registry: address("ProofOfFlow#Registry"),
      vault: address("ProofOfFlow#Vault"),
      present: address("ProofOfFlow#ARIA"),
      delaySeconds: `${DELAY_SECONDS}n`,
      // Later than any that is requested when the announcement is executed.
      lastEpoch: Math.floor((await testnet.now()) / EPOCH_SECONDS) + 20,
    };
  }

  // ------------------------------------------------------------------------------------------------------- The agents

  /** A configuration as `pof init` makes it, with the lines edited that it says are to be. */
  async function initiated(name: Name): Promise<string> {
    const file = join(testnet.folder, `${name}.yaml`);
    const args = ["--rpc-url", testnet.anvil.url, "--registry", testnet.deployment, "--out", file];
    const { status, stderr } = await pof(["init", name, ...args]);
    expect(status, stderr).to.equal(0);
    const source = {
      kind: "battery",
      capacityWh: POWER_W * 24,
      dischargeW: POWER_W,
      windowStartSeconds: 0,
      windowEndSeconds: 86_400,
    };
    const own = {
      operator: {
        feeders: [{ ders: "all", sources: [source] }],
        inspected: "all",
        baselinePercent: 100,
        epochsPerOrder: 2,
      },
      aggregator: { meters: [{ der: computeAddress(KEYS.der), source }] },
      der: { source },
    };
    const document = parseDocument(readFileSync(file, "utf8"));
    const edits = { store: join(testnet.folder, `${name}.sqlite`), pollSeconds: 0.2, ...own[name] };
    for (const [field, value] of Object.entries(edits)) document.set(field, value);
    writeFileSync(file, document.toString());
    return file;
  }

  function envOf(name: Name): Record<string, string> {
    return { WALLET_KEY: KEYS[name], METER_KEY };
  }

  // -------------------------------------------------------------------------------------------------------- The chain

  async function passed(seconds: number): Promise<void> {
    const from = await testnet.now();
    while ((await testnet.now()) < from + seconds) await sleep(100);
  }

  /** Waits until the chain shows it, and looks at it then. */
  async function until(
    what: string,
    holds: (onlooker: Onlooker) => boolean | Promise<boolean>,
  ): Promise<Onlooker> {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const outlook = { rpcUrl: testnet.anvil.url, registry: address("ProofOfFlow#Registry"), fromBlock: 0 };
      const onlooker = await lookAt(outlook);
      await onlooker.close();
      if (await holds(onlooker)) return onlooker;
      if (Date.now() > deadline) {
        const said = [...agents]
          .map(([name, { output }]) => `--- ${name}\\n${output.slice(-1_500)}`)
          .join("\\n");
        expect.fail(`it did not come to this: ${what}\\n${said}`);
      }
      await sleep(500);
    }
  }

  function sweptOf(requests: ReadonlyMap<bigint, { readonly sweep?: unknown }>): number {
    return [...requests.values()].filter(({ sweep }) => sweep !== undefined).length;
  }

  async function total(): Promise<bigint> {
    const count = Number(await auditor.vault.accountCount());
    let sum = 0n;
    for (let account = 1; account <= count; account += 1) sum += await auditor.vault.balanceOf(account);
    return sum;
  }

  /** The agents stop, and `pof status` of each says what the chain says, to the unit. */
  async function expectAgreement(version: number): Promise<void> {
    for (const agent of agents.values()) await agent.stop();
    let held = 0n;
    for (const name of NAMES) {
      const { status, stdout, stderr } = await pof(
        ["status", "--json", "--config", join(testnet.folder, `${name}.yaml`)],
        envOf(name),
      );
      expect(status, stderr).to.equal(0);
      const { chain, money, epochs } = statusSchema.parse(JSON.parse(stdout));
      expect([chain.aria, chain.version]).to.deep.equal([await auditor.registry.current(), version]);
      expect(money.balance, name).to.equal(await auditor.vault.balanceOf(money.account));
      expect(money.free, name).to.equal(await auditor.vault.freeOf(computeAddress(KEYS[name])));
      for (const { requestedWh, creditedWh } of epochs)
        expect(creditedWh ?? requestedWh).to.equal(requestedWh);
      held += money.balance;
    }
    const escrowAccount = await auditor.ariaAt(await auditor.registry.current()).escrowAccount();
    expect(held + (await auditor.vault.balanceOf(escrowAccount))).to.equal(await total());
    const assets = BigInt(await testnet.anvil.ask<string>("eth_getBalance", auditor.vaultAddress, "latest"));
    expect((await total()) * auditor.unit).to.equal(assets);
    for (const agent of agents.values()) agent.start();
  }
});
