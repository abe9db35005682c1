import type { Readable, Writable } from "node:stream";

/** Where a command line is given: what it reads, writes and is told by. `process` is one. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a command works in. */
export interface Shell extends Terminal {
  /** Sets the exit status: 0 if all is well, 1 if a check fails or what is needed cannot be had, 2 for wrong usage. */
  done(status: number): void;
}
