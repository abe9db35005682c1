import { z } from "zod/v4";

import { sourceSpec } from "../metering/sources/spec.ts";
import { addressSchema, agentSchema, listenSchema } from "../runtime/config.ts";

/** The Aggregator's configuration file. */
export const aggregatorSchema = agentSchema.extend({
  epochsPerSweep: z.number().int().min(1).max(10_000).default(1).meta({
    description: "epochs that are requested, and later swept, together; 1 to 10,000",
  }),
  figuresPerRequest: z.number().int().min(1).default(20_000).meta({
    description: "figures (DERs times epochs) that one transaction may carry",
  }),
  promisedPercent: z.number().int().min(0).max(100).default(80).transform(BigInt).meta({
    description: "share of the forecast that is promised, 0 to 100",
  }),
  meters: z.array(z.strictObject({ der: addressSchema, source: sourceSpec })).meta({
    description: "the DERs at whose connection it has a meter, and what flows there, and by it the forecast",
    example: [
      {
        der: "0x0000000000000000000000000000000000000000",
        source: { kind: "wind", ratedW: 8_000, meanSpeed: 6.5, seed: 7 },
      },
    ],
  }),
  listen: listenSchema.prefault({}),
});

export type AggregatorConfig = z.output<typeof aggregatorSchema>;
