import { z } from "zod/v4";

import type { RuleName, Verdict } from "./adjudicate.ts";
import { toJson } from "./json.ts";

/** A verdict as it is stored. */

const verdictSchema = z.strictObject({
  by: z.enum(["rules", "person"]),
  fault: z.enum(["none", "aggregator", "der"]),
  awardedWh: z
    .string()
    .regex(/^\d{1,20}$/, { abort: true })
    .transform(BigInt),
  rule: z.string().transform((name) => name as RuleName),
  reasons: z.array(z.string()),
});

/** A verdict as JSON text. */
export function verdictText(verdict: Verdict): string {
  return toJson(verdict);
}

/** Reads what `verdictText` wrote. @throws ZodError or SyntaxError for anything else. */
export function parseVerdict(text: string): Verdict {
  return verdictSchema.parse(JSON.parse(text));
}
