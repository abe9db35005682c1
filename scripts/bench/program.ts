import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import type { Figures } from "./part.ts";

/** Runs a program of a part in a process of its own, so that its memory is its own and no run warms up another. */
export async function figuresOf(program: URL): Promise<Figures> {
  const path = fileURLToPath(program);
  const child = fork(path, { stdio: ["ignore", 2, 2, "ipc"] });
  const exit = once(child, "exit") as Promise<[number | null]>;
  let figures: Figures | undefined;
  child.on("message", (message) => (figures = message as Figures));
  const [status] = await exit;
  if (figures === undefined) throw new Error(`${path} ended with status ${status} and without figures`);
  return figures;
}

/** Hands the figures to the process that started this one, or shows them to a person who did. */
export function report(figures: Figures): void {
  if (process.send === undefined) console.log(figures);
  else process.send(figures);
}
