import { z } from "zod/v4";

import { sourceSpec } from "../metering/sources/spec.ts";
import { addressSchema, agentSchema, amount } from "../runtime/config.ts";

/** The Operator's configuration file. */
export const operatorSchema = agentSchema.extend({
  funds: z
    .strictObject({
      minimum: amount.meta({
        description: "units in its account under which it is filled up",
        example: 20_000_000,
      }),
      target: amount.meta({
        description: "units to which it is filled up; not less than the minimum",
        example: 80_000_000,
      }),
    })
    .refine(({ minimum, target }) => target >= minimum, "target must not be below minimum"),
  epochsPerOrder: z.number().int().min(1).max(10_000).default(96).meta({
    description: "epochs ordered at a time, 1 to 10,000",
  }),
  firstEpoch: z.number().int().nonnegative().default(0).meta({
    description: "first epoch to order, in unix time / epochSeconds; the next one if it has begun",
  }),
  untilEpoch: z.number().int().positive().optional().meta({
    description: "no epoch from this one on is ordered; no end when omitted",
    example: 3_000_000,
  }),
  baselinePercent: z.number().int().min(0).max(100).default(60).transform(BigInt).meta({
    description: "what the grid needs, as a share of what the feeders are forecast to carry, 0 to 100",
  }),
  feeders: z
    .array(
      z.strictObject({
        sources: z.array(sourceSpec).min(1),
        ders: z.union([z.literal("all"), z.array(addressSchema)]),
      }),
    )
    .min(1)
    .meta({
      description: 'the feeder meters: the sources of all DERs behind each, and their addresses or "all"',
      example: [{ ders: "all", sources: [{ kind: "wind", ratedW: 8_000, meanSpeed: 6.5, seed: 7 }] }],
    }),
  inspected: z.union([z.literal("all"), z.array(addressSchema)]).meta({
    description: 'addresses of meters that were inspected and may be commissioned, or "all"',
    example: [],
  }),
  evidence: z
    .array(
      z.strictObject({
        party: addressSchema,
        url: z.url({ protocol: /^https?$/, error: "must be an http or https address" }),
      }),
    )
    .meta({
      description: "where DERs and the Aggregator serve their evidence; a party that is not here shows none",
      example: [],
    }),
});

export type OperatorConfig = z.output<typeof operatorSchema>;
