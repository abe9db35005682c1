import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";
import { z } from "zod/v4";

import { ChainFollower } from "../../agents/chain/follower.ts";
import type { Dispute } from "../../agents/chain/service-view.ts";
import { openSqliteReader, openSqliteStore } from "../../agents/store/sqlite.ts";
import { developmentKey } from "../../scripts/demo/cast.ts";
import {
  type Configurations,
  configurationsOf,
  disputedEpoch,
  type DisputedEpoch,
  expectLines,
  OPERATOR_KEY,
  pof,
  pofProcess,
  pofs,
  replaceOperator,
} from "./stage.ts";

const KEYS = { OPERATOR_KEY };

const listSchema = z.object({
  disputes: z.array(
    z.object({
      id: z.string(),
      waits: z.boolean(),
      status: z.string(),
      evidenceHash: z.string(),
      verdict: z.object({ rule: z.string() }),
    }),
  ),
});

describe("pof, for a party with an agent:", function () {
  this.timeout(180_000);

  const folder = mkdtempSync(join(tmpdir(), "pof-parties-"));
  let stage: DisputedEpoch;
  let configs: Configurations;
  let ids: { ruled: string; open: string };

  before(async function () {
    stage = await disputedEpoch();
    const { ruled, open } = stage;
    ids = { ruled: `${ruled.dispute.id}`, open: `${open.dispute.id}` };
    configs = configurationsOf(stage, folder);
  });

  after(async function () {
    rmSync(folder, { recursive: true });
    await stage.close();
  });

  const config = (party: keyof typeof configs): string[] => ["--config", configs[party]];

  /** A dispute as the chain has it now. */
  async function disputeOf(id: string): Promise<Dispute | undefined> {
    const connection = await stage.chain.link(developmentKey(9));
    const store = openSqliteStore(":memory:");
    try {
      const follower = new ChainFollower(connection, store, 0);
      await follower.follow();
      return follower.service.view.disputes.get(BigInt(id));
    } finally {
      await store.close();
      connection.close();
    }
  }

  describe("evidence", function () {
    it("writes all that the Operator heard, while its agent has the store open", async function () {
      const out = join(folder, "heard");
      const runs = [ids.ruled, ids.open].map((id) => [
        "evidence",
        ...config("operator"),
        "--dispute",
        id,
        "--out",
        out,
      ]);
      for (const { status, stderr } of await pofs(runs)) expect([status, stderr]).to.deep.equal([0, ""]);
      for (const id of [ids.ruled, ids.open]) {
        const names = readdirSync(join(stage.folder, id));
        expect(readdirSync(join(out, id))).to.deep.equal(names);
        for (const name of names) {
          expect(readFileSync(join(out, id, name), "utf8"), name).to.equal(
            readFileSync(join(stage.folder, id, name), "utf8"),
          );
        }
      }
    });

    it("writes a party's own bundle as it showed it to the Operator, without a key", async function () {
      const out = (party: string): string => join(folder, `of-${party}`);
      const parties = ["der", "aggregator"] as const;
      const runs = parties.map((party) => [
        "evidence",
        ...config(party),
        "--dispute",
        ids.ruled,
        "--out",
        out(party),
        "--json",
      ]);
      const outcomes = await pofs(runs);
      for (const [i, party] of parties.entries()) {
        const { status, stdout, stderr } = outcomes[i]!;
        expect(status, stderr).to.equal(0);
        expect(JSON.parse(stdout)).to.deep.equal({
          disputeId: ids.ruled,
          folder: join(out(party), ids.ruled),
          files: [`${party}.json`],
        });
        const own = readFileSync(join(out(party), ids.ruled, `${party}.json`), "utf8");
        expect(own).to.equal(stage.ruled.evidence[party]);
      }
    });

    it("says in one line that a bundle was never sealed", async function () {
      const store = join(folder, "unsealed.sqlite");
      const source = new DatabaseSync(stage.community.storeFile(stage.plants[0].name), { readOnly: true });
      source.prepare("VACUUM INTO ?").run(store);
      source.close();
      const copy = new DatabaseSync(store);
      copy.exec("DROP TRIGGER seals_no_delete; DELETE FROM seals");
      copy.close();
      const file = join(folder, "unsealed.json");
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(configs.der, "utf8")), store }));
      const args = ["evidence", "--config", file, "--dispute", ids.ruled, "--out", join(folder, "unsealed")];
      const says =
        /^der bundle of epoch \d+: expected a seal of bundle hash 0x\w{64} in the store, received none: let the agent run/;
      await expectLines(1, [[args, says]]);
      expect(existsSync(join(folder, "unsealed"))).to.be.false;
    });

    it("says in one line what it has not", async function () {
      const out = join(folder, "none");
      const args = (party: keyof typeof configs, id: string, ...more: string[]): string[] => [
        "evidence",
        ...config(party),
        "--dispute",
        id,
        "--out",
        out,
        ...more,
      ];
      const nobody = "0x000000000000000000000000000000000000dEaD";
      await expectLines(1, [
        [args("operator", "7"), /no hearing of dispute 7: the agent has not heard it yet/],
        [args("der", "7"), /the chain has no dispute 7/],
        [args("otherDer", ids.ruled), /no statement of meter 0x\w+ for epoch \d+: is this the DER's/],
        [args("operator", ids.ruled, "--aria", nobody), /the Registry has no ARIA at 0x0+dEaD/],
      ]);
      const used = join(folder, "heard", ids.ruled);
      await expectLines(2, [
        [
          ["evidence", ...config("operator"), "--dispute", ids.ruled, "--out", join(folder, "heard")],
          new RegExp(`${used} is not empty`),
        ],
        [["evidence", "--dispute", "7", "--out", out], /required option '--config <file>' not specified/],
        [
          ["evidence", "--config", "package.json", "--dispute", "7", "--out", out],
          /package\.json is no agent's configuration: expected one of the fields meterKey, meters, feeders/,
        ],
        [
          ["evidence", "--config", join(folder, "no.json"), "--dispute", "7", "--out", out],
          /no\.json cannot be read: ENOENT/,
        ],
      ]);
    });
  });

  describe("status", function () {
    const statusSchema = z.object({
      role: z.string(),
      address: z.string(),
      money: z.object({ account: z.string(), balance: z.string(), free: z.string(), locked: z.string() }),
      agreements: z.record(z.string(), z.union([z.string(), z.number()])),
      epochs: z.array(
        z.object({ epoch: z.number(), requestedWh: z.string(), creditedWh: z.string().nullable() }),
      ),
      disputes: z.array(z.object({ id: z.string(), status: z.string(), awardedWh: z.string() })),
      store: z.object({
        readable: z.boolean(),
        latestBlock: z.number(),
        bytes: z.number(),
        freeBytes: z.number(),
      }),
    });

    it("tells a DER how it stands, as the chain has it, while its agent runs", async function () {
      const { community, plants, chain, epoch } = stage;
      const [plant] = plants;
      const env = { DER_KEY: community.walletKeyOf(plant) };
      const { status, stdout, stderr } = await pof(["status", ...config("der"), "--json"], env);
      expect(status, stderr).to.equal(0);
      const told = statusSchema.parse(JSON.parse(stdout));
      expect(told).to.include({ role: "der", address: community.addressOf(plant) });
      const onlooker = await chain.link(developmentKey(9));
      const { vault } = onlooker;
      const account = await vault.accountOf(community.addressOf(plant));
      expect(told.money).to.include({
        account: `${account}`,
        balance: `${await vault.balanceOf(account)}`,
        free: `${await vault.freeOf(told.address)}`,
        locked: `${await vault.lockOf(told.address)}`,
      });
      onlooker.close();
      expect(told.agreements).to.include({ status: "active", powerW: "10000", price: "20000" });
      expect(told.disputes).to.deep.include({
        id: ids.ruled,
        status: "ruled",
        awardedWh: `${stage.ruled.verdict.awardedWh}`,
      });
      const swept = told.epochs.find((each) => each.epoch === epoch);
      expect(BigInt(swept?.requestedWh ?? "0") > BigInt(swept?.creditedWh ?? "0")).to.be.true;
      expect(told.store.readable).to.be.true;
      expect(told.store.bytes).to.be.at.least(statSync(community.storeFile(plant.name)).size);
      expect(told.store.freeBytes).to.be.above(0);
    });

    it("tells the Operator of all, in a table", async function () {
      const { status, stdout } = await pof(["status", ...config("operator")], KEYS);
      expect(status).to.equal(0);
      for (const words of ["active 3", ids.ruled, ids.open, "last reading at block", "requested Wh"]) {
        expect(stdout).to.contain(words);
      }
    });
  });

  describe("backup", function () {
    it("copies a store while its agent runs, and overwrites nothing", async function () {
      const { community, plants } = stage;
      const out = join(folder, "copy.sqlite");
      const args = ["backup", ...config("der"), "--out", out];
      const first = await pof(args, {});
      expect(first.status, first.stderr).to.equal(0);
      expect(first.stdout).to.match(/copy\.sqlite: [\d ,\u202f\u2009]+ bytes, checked\n$/u);
      const [reader, copy] = [community.storeFile(plants[0].name), out].map(openSqliteReader);
      expect(await copy!.latestBlock()).to.equal(await reader!.latestBlock());
      await reader!.close();
      await copy!.close();
      const again = await pof(args, {});
      expect(again).to.include({ status: 1, stdout: "" });
      expect(again.stderr).to.match(/copy\.sqlite: expected a name that nothing has yet/);
    });
  });

  describe("disputes", function () {
    it("lists what waits for a person, and all that was heard", async function () {
      const [waiting, all] = await pofs([
        ["disputes", "list", ...config("operator"), "--json"],
        ["disputes", "list", ...config("operator"), "--json", "--all"],
      ]);
      expect([waiting!.status, waiting!.stderr]).to.deep.equal([0, ""]);
      const queue = listSchema.parse(JSON.parse(waiting!.stdout)).disputes;
      expect(queue).to.have.length(1);
      expect(queue[0]).to.include({
        id: ids.open,
        waits: true,
        status: "open",
        evidenceHash: stage.open.evidenceHash,
      });
      const heard = listSchema.parse(JSON.parse(all!.stdout)).disputes;
      expect(heard.map(({ id }) => id).sort()).to.deep.equal([ids.open, ids.ruled].sort());
    });

    it("shows why one was left open, and what was heard", async function () {
      const [shown, listed] = await pofs([
        ["disputes", "show", ids.open, ...config("operator")],
        ["disputes", "list", ...config("operator")],
      ]);
      expect(shown!.status, shown!.stderr).to.equal(0);
      for (const words of [
        "no-third-meter",
        "waits for a person",
        "there is no feeder reading",
        "no evidence of the feeder",
        stage.open.evidenceHash,
      ]) {
        expect(shown!.stdout).to.contain(words);
      }
      expect(listed!.stdout).to.contain(ids.open).and.to.contain("waits");
    });

    it("refuses a ruling that cannot be, before anything is sent", async function () {
      const rule = (id: string, award: string, fault: string): string[] => [
        "disputes",
        "rule",
        id,
        ...config("operator"),
        "--award",
        award,
        "--fault",
        fault,
        "--yes",
      ];
      await expectLines(2, [
        [rule(ids.open, "1", "none"), /set the environment variable OPERATOR_KEY to a private key/],
        [
          rule(ids.open, "x", "none"),
          /--award <wh>' argument 'x' is invalid. It must be a whole number of Wh/,
        ],
        [rule(ids.open, "1", "nobody"), /Allowed choices are none, aggregator, der/],
        [
          ["disputes", "rule", ids.open, ...config("operator"), "--award", "1"],
          /required option '--fault <party>'/,
        ],
        [["disputes", "list", ...config("der")], /der\.json is not the Operator's configuration/],
        [
          ["disputes", "show", ...config("operator")],
          /missing required argument 'id' \(see: npm run pof -- disputes show --help\)/,
        ],
      ]);
      const inTime: [args: string[], status: number, says: RegExp][] = [
        [rule(ids.open, "99999", "none"), 2, /--award must be at most the claim of \d+ Wh, not 99999/],
        [rule(ids.open, "1", "der"), 2, /--award must be 0 where the DER is at fault/],
        [rule(ids.ruled, "1", "none"), 1, /is not open: it was ruled/],
        [rule(ids.open, "1", "none").slice(0, -1), 2, /no terminal to ask on: give --yes/],
      ];
      for (const [args, status, says] of inTime) {
        const outcome = await pof(args, KEYS);
        expect([outcome.status, outcome.stdout], outcome.stderr).to.deep.equal([status, ""]);
        expect(outcome.stderr)
          .to.match(/^[^\n]+\n$/)
          .and.to.match(says);
      }
      expect((await disputeOf(ids.open))?.status).to.equal("open");
    });

    it("is not heard anew when the agent is started again", async function () {
      await replaceOperator(stage, () => undefined);
      const { operator } = stage.community;
      await operator.advance();
      const [again, ...others] = operator.rulings;
      expect(others).to.be.empty; // the ruled one is over
      expect(again?.evidence).to.deep.equal(stage.open.evidence);
      expect(again?.verdict).to.deep.equal(stage.open.verdict);
      expect(again?.heardAt).to.equal(stage.open.heardAt);
    });

    it("is refused by the chain with another's key", async function () {
      const args = [
        "disputes",
        "rule",
        ids.open,
        ...config("operator"),
        "--award",
        "1",
        "--fault",
        "none",
        "--yes",
      ];
      const outcome = await pof(args, { OPERATOR_KEY: developmentKey(9) });
      expect(outcome.status).to.equal(1);
      expect(outcome.stderr).to.match(
        /^the ruling could not be sent: [^\n]*AccessControlUnauthorizedAccount[^\n]*\n$/,
      );
    });

    it("rules with the hash of the evidence that was heard, and the agent goes on", async function () {
      const { claimWh } = stage.open.dispute;
      const args = [
        "disputes",
        "rule",
        ids.open,
        ...config("operator"),
        "--award",
        `${claimWh - 1n}`,
        "--fault",
        "aggregator",
      ];
      const { status, stdout, stderr } = await pofProcess([...args, "--yes", "--json"], KEYS);
      expect([status, stderr]).to.deep.equal([0, ""]);
      const { evidenceHash } = stage.open;
      expect(JSON.parse(stdout)).to.include({
        disputeId: ids.open,
        awardedWh: `${claimWh - 1n}`,
        evidenceHash,
      });
      expect(await disputeOf(ids.open)).to.include({
        status: "ruled",
        fault: "aggregator",
        awardedWh: claimWh - 1n,
        evidenceHash,
      });
      await stage.community.operator.advance();
      const list = await pof(["disputes", "list", ...config("operator")]);
      expect(list.stdout).to.equal("Nothing waits for a person.\n");
    });
  });
});
