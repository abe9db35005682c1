import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { NOBODY, recipientOf } from "./weave.ts";
import type { Order, Verdict } from "./worker.ts";
import { TRACING, WorkspaceError, WOVEN } from "./workspace.ts";

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));

/** A run without end takes this many times as long as one without a mutant, and this long at least. */
const TIMES_AS_LONG = 10;
const LEAST_LIMIT_MS = 300_000;

/** After so many mutants noticed, all tests that did must pass without one: the runs leave nothing behind. */
const CONTROL_EVERY = 100;

/** What noticed a mutant that makes the tests go on for ever, or ends their process. */
export const NO_END = "(no end)";

/** Tests, with what each takes without a mutant, in milliseconds. */
export type Durations = Readonly<Record<string, number>>;

/** Runs tests with one mutant after the other, in a process that is kept. */
export class Tester {
  readonly #suite: Order["suite"];
  readonly #workspace: string;
  readonly #limitMs: number;
  #child: ChildProcess | undefined;
  #noticed = 0;
  readonly #noticedBy = new Set<string>();

  constructor(suite: Order["suite"], durations: Durations, workspace = WOVEN) {
    this.#suite = suite;
    this.#workspace = workspace;
    const sum = Object.values(durations).reduce((total, each) => total + each, 0);
    this.#limitMs = Math.max(LEAST_LIMIT_MS, TIMES_AS_LONG * sum);
  }

  /** What all tests of a suite take. @throws {WorkspaceError} when they do not pass without a mutant */
  static async measure(suite: Order["suite"]): Promise<Durations> {
    const tester = new Tester(suite, {});
    try {
      return tester.#mustPass(await tester.#ask({ recipient: NOBODY }, Infinity)).durations;
    } finally {
      tester.stop();
    }
  }

  /** The mutants that each of mocha's tests comes by. @throws {WorkspaceError} when they do not pass without a mutant */
  static async trace(): Promise<Verdict["reached"]> {
    const tester = new Tester("mocha", {}, TRACING);
    try {
      return tester.#mustPass(await tester.#ask({ recipient: NOBODY, traced: true }, Infinity)).reached;
    } finally {
      tester.stop();
    }
  }

  /** Which of the tests fails with this mutant, if one does; the likely ones among them are tried first. */
  async whatNotices(
    index: number,
    likely: readonly string[],
    tests: readonly string[],
  ): Promise<string | undefined> {
    const others = tests.filter((test) => !likely.includes(test));
    const recipient = recipientOf(index);
    for (let tries = 0; tries < 2; ++tries) {
      let verdict: Verdict | undefined = { durations: {}, reached: {} };
      for (const only of [likely, others]) {
        if (only.length > 0 && verdict !== undefined && verdict.failed === undefined)
          verdict = await this.#ask({ recipient, only });
      }
      if (verdict === undefined) continue;
      if (verdict.failed !== undefined) await this.#control(verdict.failed);
      return verdict.failed;
    }
    return NO_END;
  }

  stop(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }

  /** A test that notices something for the first time must pass alone, and all that noticed something after a while. */
  async #control(failed: string): Promise<void> {
    const isNew = !this.#noticedBy.has(failed);
    this.#noticedBy.add(failed);
    const due = ++this.#noticed % CONTROL_EVERY === 0;
    if (!isNew && !due) return;
    const only = due ? [...this.#noticedBy] : [failed];
    this.#mustPass(await this.#ask({ recipient: NOBODY, only }));
  }

  #mustPass(verdict: Verdict | undefined): Verdict {
    if (verdict?.failed === undefined && verdict !== undefined) return verdict;
    const what =
      verdict === undefined ? "do not end" : `fail: ${verdict.failed ?? ""}: ${verdict.reason ?? ""}`;
    throw new WorkspaceError(`without a mutant, the ${this.#suite} tests ${what}`);
  }

  /** Nothing if the process ended, or had to be ended. */
  async #ask(order: Omit<Order, "suite">, limitMs = this.#limitMs): Promise<Verdict | undefined> {
    const child = (this.#child ??= fork(WORKER, {
      cwd: this.#workspace,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    }));
    const ended = new AbortController();
    const timer = limitMs === Infinity ? undefined : setTimeout(() => child.kill("SIGKILL"), limitMs);
    const answer = once(child, "message", ended).then(([verdict]) => verdict as Verdict);
    const exit = once(child, "exit", ended).then(() => undefined);
    child.send({ suite: this.#suite, ...order });
    try {
      const verdict = await Promise.race([answer, exit]);
      if (verdict === undefined) this.#child = undefined;
      return verdict;
    } finally {
      clearTimeout(timer);
      ended.abort();
      await Promise.allSettled([answer, exit]);
    }
  }
}
