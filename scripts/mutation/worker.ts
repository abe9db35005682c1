import { basename, dirname } from "node:path";

import hre from "hardhat";
import type { NetworkConnection } from "hardhat/types/network";
import Mocha from "mocha";
import { z } from "zod/v4";

import { filesIn } from "../workspace.ts";

/** The process in which tests run, with one mutant after the other: started by tester.ts, in the workspace. */

export interface Order {
  readonly suite: "mocha" | "solidity";
  /** Which mutant lives. */
  readonly recipient: string;
  /** The only tests to run: mocha's by their full titles, Solidity's by their folders; all without it. */
  readonly only?: readonly string[];
}

/** The first test that failed, if one did, and how long those took that passed, in milliseconds. */
export interface Verdict {
  readonly failed?: string;
  readonly reason?: string;
  readonly durations: Readonly<Record<string, number>>;
}

type Connection = NetworkConnection<string>;

const connections: { connection: Connection; snapshot: unknown }[] = [];

hre.hooks.registerHandlers("network", {
  newConnection: async (context, next) => {
    const connection = await next(context);
    connections.push({ connection, snapshot: await connection.provider.request({ method: "evm_snapshot" }) });
    return connection;
  },
});

/** What a test task answers. */
const resultSchema = z.object({ success: z.boolean() });

let loaded: Mocha | undefined;

process.on("message", (order: Order) => {
  void (order.suite === "mocha" ? mochaTests(order) : solidityTests(order)).then((verdict) =>
    process.send?.(verdict),
  );
});

async function mochaTests({ recipient, only }: Order): Promise<Verdict> {
  const mocha = (loaded ??= await load());
  mocha.grep(only === undefined ? /^/ : new RegExp(`^(?:${only.map(escaped).join("|")})$`));
  await startAnew(recipient);
  const durations: Record<string, number> = {};
  let failure: Partial<Verdict> = {};
  await new Promise<unknown>((resolve) => {
    mocha
      .run(resolve)
      .on("pass", (test) => (durations[test.fullTitle()] = test.duration ?? 0))
      .on("fail", (test, error: unknown) => {
        if (isTimeout(error)) process.exit();
        failure = { failed: test.fullTitle(), reason: String(error) };
      });
  });
  return { ...failure, durations };
}

/** Whether a test with a limit of its own came to it: under load that tells nothing yet. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_MOCHA_TIMEOUT";
}

/** Only tests with a limit of their own are stopped by a clock. */
async function load(): Promise<Mocha> {
  const mocha = new Mocha({ bail: true, timeout: 0, reporter: Mocha.reporters.Base });
  mocha.cleanReferencesAfterRun(false);
  for (const file of filesIn("test/contracts", ".test.ts")) mocha.addFile(file);
  await mocha.loadFilesAsync();
  return mocha;
}

/** Puts every chain back to where it was when it was made, with this fee recipient from now on. */
async function startAnew(recipient: string): Promise<void> {
  for (const each of connections) {
    const { provider, networkHelpers } = each.connection;
    await provider.request({ method: "evm_revert", params: [each.snapshot] });
    each.snapshot = await provider.request({ method: "evm_snapshot" });
    await networkHelpers.setCoinbase(recipient);
    networkHelpers.clearSnapshots();
  }
}

function escaped(title: string): string {
  return title.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** Folder by folder: reading the artifacts takes longer than most files. */
async function solidityTests({ recipient, only }: Order): Promise<Verdict> {
  for (const profile of Object.values(hre.config.test.solidity.profiles)) profile.coinbase = recipient;
  const files = filesIn("test/solidity", "Test.sol");
  const durations: Record<string, number> = {};
  for (const folder of only ?? ["types", "libraries", "vectors", "vault", "system"]) {
    const testFiles = files.filter((file) => basename(dirname(file)) === folder);
    const started = Date.now();
    const result = resultSchema.parse(
      await hre.tasks.getTask(["test", "solidity"]).run({ noCompile: true, testFiles }),
    );
    if (!result.success) return { failed: folder, durations };
    durations[folder] = Date.now() - started;
  }
  return { durations };
}
