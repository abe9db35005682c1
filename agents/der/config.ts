import { z } from "zod/v4";

import { agentSchema, amount, keyVariableSchema, listenSchema } from "../runtime/config.ts";
import { meterSpec } from "./meter.ts";

/** A DER's configuration file. */
export const derSchema = agentSchema.extend({
  meterKey: keyVariableSchema,
  /** W that can be injected. */
  powerW: amount,
  /** Units of the Vault asked per kWh. */
  price: amount,
  leaveAtEpoch: z.number().int().nonnegative().optional(),
  source: meterSpec,
  /** Where evidence is served to the Operator. */
  listen: listenSchema,
});
