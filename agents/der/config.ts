import { z } from "zod/v4";

import { agentSchema, amount, KEY_HELP, keySourceSchema, listenSchema } from "../runtime/config.ts";
import { meterSpec } from "./meter.ts";

/** A DER's configuration file. */
export const derSchema = agentSchema.extend({
  meterKey: keySourceSchema.meta({
    description: `the meter's private key: ${KEY_HELP}`,
    example: "METER_KEY",
  }),
  powerW: amount.meta({ description: "W that can be injected", example: 8_000 }),
  price: amount.meta({ description: "units of the Vault asked per kWh", example: 28_000 }),
  leaveAtEpoch: z.number().int().nonnegative().optional().meta({
    description: "leave once this epoch has begun; stay when omitted",
    example: 2_000_000,
  }),
  source: meterSpec.meta({
    description: "the meter: a device, a recording or simulated; see docs/meters.md",
    example: { kind: "wind", ratedW: 8_000, meanSpeed: 6.5, seed: 7 },
  }),
  listen: listenSchema.prefault({}),
});

export type DerConfig = z.output<typeof derSchema>;
