/** Measurement files for the tests of the replay, written to a folder that is removed after them. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { energyWs } from "../../agents/metering/source.ts";
import { loadReplay, type Replay, type ReplayOptions } from "../../agents/metering/sources/replay.ts";

export const folder = mkdtempSync(join(tmpdir(), "replay-"));
const file = join(folder, "plant.csv");

// Not a hook: files of tests that share a process share this folder.
process.once("exit", () => {
  rmSync(folder, { recursive: true });
});

/** Writes the text to a file and replays it; the columns are called t and p unless said otherwise. */
export function replay(text: string, options: Partial<ReplayOptions> = {}): Replay {
  writeFileSync(file, text);
  return loadReplay({ file, column: "p", unit: "W", ...options });
}

/** A file of quarter-hours from noon UTC on 20 June 2026, one per value. */
export function quarterHours(...values: readonly (string | number)[]): string {
  const start = Date.UTC(2026, 5, 20, 12);
  const rows = values.map((value, index) => `${new Date(start + index * 900_000).toISOString()},${value}`);
  return ["t,p", ...rows].join("\n");
}

export const unix = (iso: string): number => Date.parse(iso) / 1000;
export const noon = unix("2026-06-20T12:00:00Z");

/** Powers of the replay in its first steps from noon. */
export function powers({ source }: Replay, steps: number): number[] {
  return Array.from({ length: steps }, (_, step) => Number(source.powerW(noon + step * 900)));
}

export function wholeEnergyWs({ source, report }: Replay): bigint {
  return energyWs(source, unix(report.first) - 3600, unix(report.last) + report.stepSeconds + 3600);
}
