/** A terminal at which somebody types, as a program sees it. */

import { PassThrough } from "node:stream";

import type { Terminal } from "../../agents/runtime/terminal.ts";

export class Typist implements Terminal {
  readonly stdin: PassThrough & { readonly isTTY: boolean };
  readonly stdout = Object.assign(new PassThrough(), { isTTY: true });
  readonly stderr = Object.assign(new PassThrough(), { isTTY: true });
  readonly env: Readonly<Record<string, string>>;
  /** All that the terminal showed. */
  shown = "";

  /** @param isTTY whether what is read comes from a terminal at all */
  constructor(env: Readonly<Record<string, string>> = {}, isTTY = true) {
    this.stdin = Object.assign(new PassThrough(), { isTTY });
    this.env = env;
    for (const stream of [this.stdout, this.stderr])
      stream.on("data", (chunk: Buffer) => (this.shown += chunk.toString()));
  }

  /** Types this when the terminal shows those words. */
  async answers(words: string, keys: string): Promise<void> {
    while (!this.shown.includes(words)) await new Promise((resolve) => setImmediate(resolve));
    for (const key of keys) this.stdin.write(key);
  }
}

export const ENTER = "\r";
export const CONTROL_C = "\u0003";
