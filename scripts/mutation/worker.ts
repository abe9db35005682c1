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
  /** Whether to tell which mutants each of mocha's tests comes by, in the workspace for that. */
  readonly traced?: boolean;
}

/** The first test that failed, if one did, and how long those took that passed, in milliseconds. */
export interface Verdict {
  readonly failed?: string;
  readonly reason?: string;
  readonly durations: Readonly<Record<string, number>>;
  /** The mutants that each test comes by, if they were traced. */
  readonly reached: Readonly<Record<string, number[]>>;
}

type Connection = NetworkConnection<string>;

const connections: { connection: Connection; snapshot: unknown }[] = [];

/** For any transaction: as much as a block has for one that deploys what is woven, and little enough for one without end. */
const [DEPLOYING, CALLING] = ["0x3938700", "0x17d7840"];

hre.hooks.registerHandlers("network", {
  newConnection: async (context, next) => {
    const connection = await next(context);
    connections.push({ connection, snapshot: await connection.provider.request({ method: "evm_snapshot" }) });
    return connection;
  },
  // Before a transaction is sent, its gas is asked for. Whether it fails is told by one call: how little it could do with, by many.
  onRequest: async (context, connection, request, next) => {
    if (request.method !== "eth_estimateGas" || !Array.isArray(request.params)) {
      return next(context, connection, request);
    }
    const [transaction] = request.params as [{ readonly to?: string }];
    const gas = transaction.to === undefined ? DEPLOYING : CALLING;
    const params = [{ ...transaction, gas }, "pending"];
    const answer = await next(context, connection, { ...request, method: "eth_call", params });
    return "error" in answer ? answer : { ...answer, result: gas };
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

async function mochaTests({ recipient, only, traced = false }: Order): Promise<Verdict> {
  const trace = traced ? new Trace() : undefined; // before the tests are loaded: they connect then
  const mocha = (loaded ??= await load());
  if (trace !== undefined) mocha.rootHooks({ beforeEach: setUpAnew });
  mocha.grep(only === undefined ? /^/ : new RegExp(`^(?:${only.map(escaped).join("|")})$`));
  await startAnew(recipient);
  const durations: Record<string, number> = {};
  let failure: Partial<Verdict> = {};
  await new Promise<unknown>((resolve) => {
    const runner = mocha.run(resolve);
    trace?.follow(runner);
    runner
      .on("pass", (test) => (durations[test.fullTitle()] = test.duration ?? 0))
      .on("fail", (test, error: unknown) => {
        if (isTimeout(error)) process.exit();
        failure = { failed: test.fullTitle(), reason: String(error) };
      });
  });
  return { ...failure, durations, reached: trace?.reached ?? {} };
}

/**
 * Keeps which mutants the tests come by. What a suite does before its tests counts for all of them.
 */
class Trace {
  /** Of the suites that are under way, the outermost first. */
  readonly #before: Set<number>[] = [];
  #now = new Set<number>();
  #ofTest: Set<number> | undefined;
  readonly #tests = new Map<string, Set<number>>();

  constructor() {
    hre.hooks.registerHandlers("network", {
      onCoverageData: (_context, tags) => {
        for (const tag of tags) this.#now.add(Number.parseInt(tag, 16));
        return Promise.resolve();
      },
    });
  }

  follow(runner: Mocha.Runner): void {
    runner
      .on("suite", () => {
        this.#now = new Set();
        this.#before.push(this.#now);
      })
      .on("suite end", () => {
        this.#before.pop();
        this.#now = this.#before.at(-1) ?? new Set();
      })
      .on("test", () => (this.#now = this.#ofTest = new Set()))
      .on("test end", (test) => {
        this.#tests.set(
          test.fullTitle(),
          new Set([...this.#before.flatMap((set) => [...set]), ...(this.#ofTest ?? [])]),
        );
        this.#now = this.#before.at(-1) ?? new Set();
      });
  }

  get reached(): Record<string, number[]> {
    return Object.fromEntries([...this.#tests].map(([test, mutants]) => [test, [...mutants]]));
  }
}

/** So that each test sets up its chain anew, on top of what was there: many deployments must not make gas dear. */
async function setUpAnew(): Promise<void> {
  for (const { connection } of connections) {
    connection.networkHelpers.clearSnapshots();
    await connection.networkHelpers.setNextBlockBaseFeePerGas(1);
  }
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
    if (!result.success) return { failed: folder, durations, reached: {} };
    durations[folder] = Date.now() - started;
  }
  return { durations, reached: {} };
}
