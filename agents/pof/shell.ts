import type { Terminal } from "../runtime/terminal.ts";

/** What a command works in. */
export interface Shell extends Terminal {
  /** Sets the exit status: 0 if all is well, 1 if a check fails or what is needed cannot be had, 2 for wrong usage. */
  done(status: number): void;
}
