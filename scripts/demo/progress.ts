import { MultiBar, Presets } from "cli-progress";

import type { Audience } from "./day.ts";
import { timeOfDay } from "./timetable.ts";

/** Shows the day as it goes on standard error: a bar on a terminal, a line every tenth otherwise. */
export class Progress implements Audience {
  readonly #total: number;
  readonly #bars: MultiBar | undefined;
  readonly #bar: ReturnType<MultiBar["create"]> | undefined;
  #done = 0;

  constructor(total: number) {
    this.#total = total;
    if (!process.stderr.isTTY) return;
    const format = "{bar} {value}/{total} epochs  {time}";
    this.#bars = new MultiBar({ format, hideCursor: true, stream: process.stderr }, Presets.shades_classic);
    this.#bar = this.#bars.create(total, 0, { time: "joining" });
  }

  epoch(unixSeconds: number): void {
    this.#done += 1;
    this.#bar?.update(this.#done, { time: timeOfDay(unixSeconds) });
    const everyTenth = Math.ceil(this.#total / 10);
    if (this.#bars === undefined && (this.#done % everyTenth === 0 || this.#done === this.#total)) {
      process.stderr.write(`${timeOfDay(unixSeconds)}  ${this.#done} of ${this.#total} epochs\n`);
    }
  }

  says(unixSeconds: number, line: string): void {
    const text = `${timeOfDay(unixSeconds)}  ${line}\n`;
    if (this.#bars === undefined) process.stderr.write(text);
    else this.#bars.log(text);
  }

  close(): void {
    this.#bars?.stop();
  }
}
