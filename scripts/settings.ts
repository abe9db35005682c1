import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { format, resolveConfig } from "prettier";
import type { z } from "zod/v4";

import { SCHEMAS } from "../agents/pof/party.ts";
import { agentSchema } from "../agents/runtime/config.ts";
import { type Setting, settingsOf } from "../agents/runtime/settings.ts";

/** The page with a table of all values of all configurations. */
export const OPERATIONS_FILE = fileURLToPath(new URL("../docs/operations.md", import.meta.url));

const COMMON = settingsOf(agentSchema).map(({ variable }) => variable);

/** The page, with the tables as the schemas have them: each stands between `<!-- settings NAME -->` and `<!-- end -->`. */
export async function withTables(page: string): Promise<string> {
  const tables: Record<string, string> = {
    all: tableOf(agentSchema, () => true),
    ...Object.fromEntries(
      Object.entries(SCHEMAS).map(([role, schema]) => [
        role,
        tableOf(schema, ({ variable }) => !COMMON.includes(variable)),
      ]),
    ),
  };
  const filled = page.replace(
    /(<!-- settings (\w+) -->)[^]*?(<!-- end -->)/g,
    (_, start: string, name: string, end: string) => `${start}\n\n${tables[name] ?? ""}\n\n${end}`,
  );
  return format(filled, { ...(await resolveConfig(OPERATIONS_FILE)), parser: "markdown" });
}

function tableOf(schema: z.ZodType, wanted: (setting: Setting) => boolean): string {
  const rows = settingsOf(schema)
    .filter(wanted)
    .map(({ path, variable, description, required, byDefault }) => {
      const otherwise = byDefault === undefined ? "" : `\`${JSON.stringify(byDefault)}\``;
      const cells = [
        `\`${path.join(".")}\``,
        `\`${variable}\``,
        description,
        required ? "needed" : otherwise,
      ];
      return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
    });
  return ["| field | environment | meaning | default |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(OPERATIONS_FILE, await withTables(readFileSync(OPERATIONS_FILE, "utf8")));
}
