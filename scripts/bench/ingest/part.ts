import type { Part } from "../part.ts";
import { figuresOf } from "../program.ts";

/** How fast readings come to rest on disk, and how many DERs an Aggregator can meter every second by that. */
export const ingest: Part = {
  name: "ingest",
  targets: {
    readingsPerSecond: { atLeast: 100_000 },
    shareOfRawInserts: { atLeast: 0.2 },
    aggregatorDers1Hz: { atLeast: 1_000 },
  },
  async measure() {
    const [readings, fleet] = [new URL("readings.ts", import.meta.url), new URL("fleet.ts", import.meta.url)];
    return { ...(await figuresOf(readings)), ...(await figuresOf(fleet)) };
  },
};
