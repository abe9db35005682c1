import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import type { Figures, Part } from "../part.ts";

/** What evidence costs a computer: to check a day of it, and to commit to a day of a thousand DERs. */
export const evidence: Part = {
  name: "evidence",
  targets: {
    verifySeconds: { atMost: 2 },
    commitSeconds: { atMost: 60 },
    commitPeakMiB: { atMost: 1_024 },
  },
  async measure() {
    return { ...(await figuresOf("verify.ts")), ...(await figuresOf("commit.ts")) };
  },
};

/** Each in a process of its own, so that its memory is its own and no run warms up another. */
async function figuresOf(program: string): Promise<Figures> {
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), { stdio: ["ignore", 2, 2, "ipc"] });
  const exit = once(child, "exit") as Promise<[number | null]>;
  let figures: Figures | undefined;
  child.on("message", (message) => (figures = message as Figures));
  const [status] = await exit;
  if (figures === undefined) throw new Error(`${program} ended with status ${status} and without figures`);
  return figures;
}
