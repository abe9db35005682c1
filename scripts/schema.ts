import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { z } from "zod/v4";

import { BUNDLE_FORMAT, BUNDLE_VERSION, bundleSchema } from "../agents/evidence/format.ts";

/** Where the schema of a bundle stands, for programs in other languages. */
export const SCHEMA_FILE = fileURLToPath(new URL("../schemas/bundle.schema.json", import.meta.url));

/** The JSON Schema of a bundle, made from the one that the programs read it by. */
export function bundleJsonSchema(): string {
  const { $schema, ...schema } = z.toJSONSchema(bundleSchema, { io: "input" });
  const title = `${BUNDLE_FORMAT}, version ${BUNDLE_VERSION}`;
  return `${JSON.stringify({ $schema, title, ...schema }, null, 2)}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(SCHEMA_FILE, bundleJsonSchema());
