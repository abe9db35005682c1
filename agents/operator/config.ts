import { z } from "zod";

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
  /** What flows through the feeder meter: the sources of all DERs behind it. */
  feeder: z.array(sourceSpec).min(1),
  /** How far the feeder meter and the sum of the DERs' may differ, parts per million. */
  feederPpm: amount.default(1_000),
  /** Meters that were inspected and may be commissioned, or "all". */
  inspected: z.union([z.literal("all"), z.array(addressSchema)]),
  /** Where parties serve their evidence. */
  evidence: z.array(
    z.strictObject({
      party: addressSchema,
      url: z
        .string()
        .url()
        .regex(/^https?:/i, "must be an http or https address"),
    }),
  ),
});
