import { z } from "zod/v4";

import { sourceSpec } from "../metering/sources/spec.ts";
import { addressSchema, agentSchema, amount } from "../runtime/config.ts";

/** The Operator's configuration file. */
export const operatorSchema = agentSchema.extend({
  /** Units in its account under which it is filled up, and to which. */
  funds: z
    .strictObject({ minimum: amount, target: amount })
    .refine(({ minimum, target }) => target >= minimum, "target must not be below minimum"),
  /** How many epochs are ordered at a time. */
  epochsPerOrder: z.number().int().min(1).max(10_000).default(96),
  /** The first epoch to order; the next one when omitted. */
  firstEpoch: z.number().int().nonnegative().default(0),
  /** No epoch from this one on is ordered. */
  untilEpoch: z.number().int().positive().optional(),
  /** What the grid needs: a share of what the DERs on the feeder are expected to deliver. */
  baselinePercent: z.number().int().min(0).max(100).default(60).transform(BigInt),
  /** The feeder meters: what flows through each, which is the sources of all DERs behind it, and which DERs those are. */
  feeders: z
    .array(
      z.strictObject({
        sources: z.array(sourceSpec).min(1),
        ders: z.union([z.literal("all"), z.array(addressSchema)]),
      }),
    )
    .min(1),
  /** Meters that were inspected and may be commissioned, or "all". */
  inspected: z.union([z.literal("all"), z.array(addressSchema)]),
  /** Where parties serve their evidence. */
  evidence: z.array(
    z.strictObject({
      party: addressSchema,
      url: z.url({ protocol: /^https?$/, error: "must be an http or https address" }),
    }),
  ),
});
