import { z } from "zod/v4";

import { sourceSpec } from "../metering/sources/spec.ts";
import { addressSchema, agentSchema, listenSchema } from "../runtime/config.ts";

/** The Aggregator's configuration file. */
export const aggregatorSchema = agentSchema.extend({
  /** How many epochs are requested, and later swept, together. */
  epochsPerSweep: z.number().int().min(1).max(10_000).default(1),
  /** How many figures (DERs times epochs) one transaction may carry. */
  figuresPerRequest: z.number().int().min(1).default(20_000),
  /** Share of the forecast that is promised. */
  promisedPercent: z.number().int().min(0).max(100).default(80).transform(BigInt),
  /** The DERs at whose connection it has a meter, and what flows through it. */
  meters: z.array(z.strictObject({ der: addressSchema, source: sourceSpec })),
  /** Where evidence is served to DERs and the Operator. */
  listen: listenSchema,
});
