import type { Readable, Writable } from "node:stream";

/** What a program is told by its surroundings, by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a program is given: what it reads, writes and is told by. `process` is one. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly env: Environment;
}
