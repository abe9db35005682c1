import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";
import { computeAddress, Wallet } from "ethers";
import { z } from "zod/v4";

import { ChainFollower } from "../../agents/chain/follower.ts";
import { fieldsIn, loadConfig } from "../../agents/runtime/config-file.ts";
import { SCHEMAS } from "../../agents/pof/party.ts";
import { openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import { type Chain, COIN, startChain } from "../agents/community-stage.ts";
import { expectLines, OPERATOR_KEY, type Outcome, pof } from "./stage.ts";

const WALLET_KEY = developmentKey(310);
const METER_KEY = developmentKey(311);
const KEYS = { WALLET_KEY, METER_KEY };
const DER = computeAddress(WALLET_KEY);

const doctorSchema = z.object({
  ok: z.boolean(),
  findings: z.array(z.object({ check: z.string(), outcome: z.string(), says: z.string(), mend: z.string() })),
});

describe("pof, for whoever runs an agent:", function () {
  this.timeout(180_000);

  const folder = mkdtempSync(join(tmpdir(), "pof-running-"));
  let chain: Chain;
  let der: string;
  let operator: string;

  before(async function () {
    chain = await startChain();
    await chain.clock.endow(computeAddress(OPERATOR_KEY), 1_000n * COIN);
    der = await initiated("der");
    operator = await initiated("operator");
  });

  after(async function () {
    rmSync(folder, { recursive: true });
    await chain.close();
  });

  /** A configuration as `pof init` makes it for this chain. */
  async function initiated(role: string): Promise<string> {
    const file = join(folder, `${role}.yaml`);
    const args = ["--rpc-url", chain.node.url, "--registry", chain.addresses.registry, "--out", file];
    const { status, stderr } = await pof(["init", role, ...args]);
    expect(status, stderr).to.equal(0);
    writeFileSync(
      file,
      readFileSync(file, "utf8").replace(/^store: .*$/m, `store: ${folder}/${role}.sqlite`),
    );
    return file;
  }

  async function balance(): Promise<{ held: bigint; free: bigint; locked: bigint }> {
    const onlooker = await chain.link(developmentKey(9));
    const { vault } = onlooker;
    const account = await vault.accountOf(DER);
    const [held, free, locked] = [
      await vault.balanceOf(account),
      await vault.freeOf(DER),
      await vault.lockOf(DER),
    ];
    onlooker.close();
    return { held, free, locked };
  }

  describe("init", function () {
    for (const role of ["der", "aggregator", "operator"] as const) {
      it(`writes a configuration of the ${role} that holds, with a comment on every value`, async function () {
        const { status, stdout } = await pof(["init", role]);
        expect(status).to.equal(0);
        const file = join(folder, `plain-${role}.yaml`);
        writeFileSync(file, stdout);
        expect(() => loadConfig(file, SCHEMAS[role], {})).to.not.throw();
        const fields = Object.keys(z.toJSONSchema(SCHEMAS[role], { io: "input" }).properties ?? {});
        for (const field of fields) expect(stdout, field).to.match(new RegExp(`^#?${field}:`, "m"));
        // What stands there as a comment is a value that holds as well.
        writeFileSync(file, stdout.replaceAll(/^( *)#(\w+:)/gm, "$1$2"));
        expect(Object.keys(fieldsIn(file))).to.have.members(fields);
        expect(() => loadConfig(file, SCHEMAS[role], {})).to.not.throw();
      });
    }

    it("never writes over a file, and knows three roles", async function () {
      await expectLines(2, [
        [["init", "der", "--out", der], /der\.yaml cannot be written: EEXIST/],
        [["init", "owner"], /Allowed choices are der, aggregator, operator/],
      ]);
    });
  });

  describe("key", function () {
    it("makes a keystore that the agents open, and never over one that is there", async function () {
      const file = join(folder, "wallet.json");
      const args = ["key", file, "--import", "WALLET_KEY"];
      const env = { ...KEYS, POF_KEY_PASSWORD: "long enough" };
      const made = await pof(args, env);
      expect([made.status, made.stdout, made.stderr]).to.deep.equal([0, `${file}: the key of ${DER}\n`, ""]);
      const opened = await Wallet.fromEncryptedJson(readFileSync(file, "utf8"), "long enough");
      expect(opened.privateKey).to.equal(WALLET_KEY);
      const again = await pof(args, env);
      expect([again.status, again.stderr]).to.deep.equal([
        2,
        `${file} cannot be written: EEXIST: file already exists, open '${file}'\n`,
      ]);
      const short = await pof(["key", join(folder, "short.json")], { POF_KEY_PASSWORD: "short" });
      expect([short.status, short.stderr]).to.deep.equal([
        2,
        "the password must have at least 8 characters\n",
      ]);
    });
  });

  describe("doctor", function () {
    async function findings(env: Record<string, string>): Promise<[Outcome["status"], Map<string, string>]> {
      const { status, stdout, stderr } = await pof(["doctor", "--config", der, "--json"], env);
      const { ok, findings: found } = doctorSchema.parse(JSON.parse(stdout || `"${stderr}"`));
      expect(ok).to.equal(status === 0);
      for (const { outcome, mend } of found) expect(mend === "").to.equal(outcome === "ok");
      return [status, new Map(found.map(({ check, outcome }) => [check, outcome]))];
    }

    it("finds a wallet without coins, and says how to mend it", async function () {
      const [status, found] = await findings(KEYS);
      expect(status).to.equal(1);
      expect([...found].filter(([, outcome]) => outcome === "failure")).to.deep.equal([["gas", "failure"]]);
      const { stdout } = await pof(["doctor", "--config", der], KEYS);
      expect(stdout).to.match(new RegExp(`✗ gas +the wallet has no coins\n +send coins to ${DER}: `));
    });

    it("has nothing to say where all is in place but of the chain's clock", async function () {
      await chain.clock.endow(DER, 100n * COIN);
      const [status, found] = await findings({ ...KEYS, POF_CHAIN_ID: "31337" });
      expect(status).to.equal(0);
      expect([...found].filter(([, outcome]) => outcome !== "ok")).to.deep.equal([["clock", "warning"]]);
    });

    it("finds another chain, another's key, a missing key or folder, and a node that is down", async function () {
      const cases: [env: Record<string, string>, check: string][] = [
        [{ ...KEYS, POF_CHAIN_ID: "1" }, "chain"],
        [{ ...KEYS, WALLET_KEY: OPERATOR_KEY }, "role"],
        [{ WALLET_KEY }, "meterKey"],
        [{ ...KEYS, POF_STORE: "/no/such/der.sqlite" }, "disk"],
        [{ ...KEYS, POF_STORE: der }, "store"],
        [{ ...KEYS, POF_RPC_URL: "http://127.0.0.1:1" }, "node"],
        [{ ...KEYS, POF_REGISTRY: DER }, "registry"],
        [{ ...KEYS, POF_REGISTRY: chain.addresses.vault }, "registry"],
      ];
      for (const [env, check] of cases) {
        const [status, found] = await findings(env);
        expect([status, found.get(check)], check).to.deep.equal([1, "failure"]);
      }
    });
  });

  describe("one transaction each:", function () {
    async function done(args: readonly string[], env: Record<string, string> = KEYS): Promise<string> {
      const { status, stdout, stderr } = await pof(args, env);
      expect([status, stderr]).to.deep.equal([0, ""]);
      return stdout;
    }

    it("join, after a dry run that sends nothing", async function () {
      const tried = await done(["join", "--config", der, "--dry-run"]);
      expect(tried)
        .to.contain("Not sent, to join with 8,000 W at 28,000 units per kWh:\n")
        .and.to.contain("gas");
      expect((await balance()).held).to.equal(0n);
      expect(await done(["join", "--config", der])).to.match(
        /^Sent, to join .*: transaction 0x\w{64} in block/,
      );
      const { held, locked } = await balance();
      expect(locked > 0n && held > locked).to.be.true;
    });

    it("top-up by what is missing, or by what is asked", async function () {
      expect(await done(["top-up", "--config", der])).to.equal("Nothing is missing.\n");
      const { held } = await balance();
      expect(await done(["top-up", "7", "--config", der])).to.contain("deposit 7 units");
      expect((await balance()).held).to.equal(held + 7n);
    });

    it("withdraw of what is free", async function () {
      const { free, locked } = await balance();
      const outcome = await pof(["withdraw", `${free + 1n}`, "--config", der], KEYS);
      expect([outcome.status, outcome.stderr]).to.deep.equal([
        1,
        `expected at most the ${free} units that are free, received ${free + 1n}\n`,
      ]);
      const json = JSON.parse(await done(["withdraw", "--config", der, "--json"])) as object;
      expect(json).to.have.property("dryRun", false);
      expect(await balance()).to.deep.equal({ held: locked, free: 0n, locked });
    });

    const env = { WALLET_KEY: OPERATOR_KEY };

    async function refused(args: readonly string[], reason: string): Promise<void> {
      const { status, stdout, stderr } = await pof([...args, "--config", operator], env);
      expect([status, stdout, stderr]).to.deep.equal([1, "", `${reason}\n`]);
    }

    it("reject, for the Operator: what was locked is free, and the DER may apply anew", async function () {
      expect(await done(["reject", DER, "--config", operator], env)).to.contain(
        `Sent, to turn away the DER ${DER}`,
      );
      const { held, free } = await balance();
      expect(free).to.equal(held);
      await refused(["reject", DER], `the agreement of ${DER} is closed: expected one that is prospective`);
      await done(["join", "--config", der]);
    });

    it("commission, for the Operator: of the meter that the DER applied with, and of one that replaces it", async function () {
      const commission = ["commission", DER, "--config", operator];
      const [first, second] = [METER_KEY, developmentKey(312)].map((key) => computeAddress(key));
      expect(await done([...commission, "--dry-run"], env)).to.contain(`commission(${DER},${first})`);
      expect(await done(commission, env)).to.contain(
        `Sent, to put the meter ${first} of the DER ${DER} in charge`,
      );
      await refused(
        ["commission", DER],
        `the agreement of ${DER} is active: name the meter that is to replace its own by --meter`,
      );
      expect(await done([...commission, "--meter", second!], env)).to.contain(`put the meter ${second} of`);
      const onlooker = await chain.link(developmentKey(9));
      const store = openSqliteStore(":memory:");
      const follower = new ChainFollower(onlooker, store, 0);
      await follower.follow();
      const { meters, since } = follower.service.view.agreements.get(follower.ledger.accountOf(DER)!)!;
      expect(meters.map(({ key }) => key)).to.deep.equal([first, second]);
      expect(since).to.equal(follower.epoch + 1);
      await store.close();
      onlooker.close();
    });

    it("neither of them for one that never applied", async function () {
      const nobody = computeAddress(developmentKey(313));
      const says = `${nobody} has no agreement with the ARIA at ${chain.addresses.aria}`;
      await refused(["reject", nobody], says);
      await refused(["commission", nobody], says);
      await expectLines(2, [
        [
          ["commission", "0x12", "--config", operator],
          /'0x12' is invalid for argument 'der'\. It must be an address/,
        ],
        [["reject", "--config", operator], /missing required argument 'der'/],
      ]);
    });

    it("leave, once", async function () {
      expect(await done(["leave", "--config", der])).to.contain("Sent, to leave");
      const again = await pof(["leave", "--config", der], KEYS);
      expect(again.status).to.equal(1);
      expect(again.stderr).to.match(/^could not be sent, to leave: [^\n]*refused: \w+\([^\n]*\)\n$/);
    });

    it("fund and order, for the Operator", async function () {
      expect(await done(["fund", "--config", operator], env)).to.contain("deposit 80,000,000 units");
      expect(await done(["fund", "--config", operator], env)).to.equal("Nothing is missing.\n");
      const order = ["order", "--config", operator, "--epochs", "4", "--wh", "1000"];
      expect(await done([...order, "--dry-run"], env)).to.contain("orderBaseline(");
      expect(await done(order, env)).to.contain("Sent, to order 4,000 Wh for 4 epochs from ");
    });

    it("is refused to another role", async function () {
      const outcome = await pof(["order", "--config", der], KEYS);
      expect([outcome.status, outcome.stderr]).to.deep.equal([
        2,
        `${der} is the configuration of the der: this is for operator\n`,
      ]);
    });
  });

  it("explains each command with examples", async function () {
    const commands = [
      "init",
      "key",
      "doctor",
      "status",
      "join",
      "leave",
      "withdraw",
      "top-up",
      "fund",
      "order",
      "commission",
      "reject",
    ];
    for (const command of commands) {
      const { status, stdout } = await pof([command, "--help"]);
      expect(status).to.equal(0);
      expect(stdout).to.match(/Examples:\n +npm run (--silent )?pof -- /);
    }
  });
});
