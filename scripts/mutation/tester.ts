import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { NOBODY, recipientOf } from "./weave.ts";
import type { Order, Verdict } from "./worker.ts";
import { WORKSPACE, WorkspaceError } from "./workspace.ts";

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));

/** A run without end takes this many times as long as one without a mutant, and this long at least. */
const TIMES_AS_LONG = 10;
const LEAST_LIMIT_MS = 300_000;

/** After so many mutants noticed, the tests that did must pass without one: the runs leave nothing behind. */
const CONTROL_EVERY = 25;

/** What noticed a mutant that makes the tests go on for ever, or ends their process. */
export const NO_END = "(no end)";

/** Runs one suite with one mutant after the other, in a process that is kept. */
export class Tester {
  readonly #suite: Order["suite"];
  #child: ChildProcess | undefined;
  #limitMs = Infinity;
  #noticedBy: string[] = [];

  constructor(suite: Order["suite"]) {
    this.#suite = suite;
  }

  /** What fails with this mutant, if anything does; the likely tests are tried first. */
  async whatNotices(index: number, likely: readonly string[]): Promise<string | undefined> {
    const recipient = recipientOf(index);
    for (let tries = 0; tries < 2; ++tries) {
      if (this.#child === undefined) await this.#start();
      let verdict = likely.length > 0 ? await this.#ask({ recipient, only: likely }) : {};
      if (verdict !== undefined && verdict.failed === undefined) verdict = await this.#ask({ recipient });
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

  async #start(): Promise<void> {
    this.#child = fork(WORKER, { cwd: WORKSPACE, stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#limitMs = Infinity;
    const started = Date.now();
    this.#mustPass(await this.#ask({ recipient: NOBODY }));
    this.#limitMs = Math.max(LEAST_LIMIT_MS, TIMES_AS_LONG * (Date.now() - started));
  }

  async #control(failed: string): Promise<void> {
    if (this.#noticedBy.push(failed) < CONTROL_EVERY) return;
    this.#mustPass(await this.#ask({ recipient: NOBODY, only: [...new Set(this.#noticedBy)] }));
    this.#noticedBy = [];
  }

  #mustPass(verdict: Verdict | undefined): void {
    if (verdict?.failed === undefined && verdict !== undefined) return;
    const what =
      verdict === undefined ? "do not end" : `fail: ${verdict.failed ?? ""}: ${verdict.reason ?? ""}`;
    throw new WorkspaceError(`without a mutant, the ${this.#suite} tests ${what}`);
  }

  /** Nothing if the process ended, or had to be ended. */
  async #ask(order: Omit<Order, "suite">): Promise<Verdict | undefined> {
    const child = this.#child;
    if (child === undefined) return undefined;
    const ended = new AbortController();
    const timer =
      this.#limitMs === Infinity ? undefined : setTimeout(() => child.kill("SIGKILL"), this.#limitMs);
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
