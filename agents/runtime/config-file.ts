import { readFileSync } from "node:fs";

import { parseDocument, type Tags } from "yaml";
import type { z } from "zod/v4";

import { ConfigError } from "./config.ts";
import { type Setting, settingsOf } from "./settings.ts";
import type { Environment } from "./terminal.ts";

/** The fields of a configuration before they are checked. */
export type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads and checks a configuration: YAML, of which JSON is a part. What an environment variable sets counts before what
 * the file says, and that before the default.
 * @throws {ConfigError}
 */
export function loadConfig<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
  env: Environment,
): z.output<Schema> {
  const settings = settingsOf(schema);
  const parsed = schema.safeParse(withEnvironment(fieldsIn(file), settings, env));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => {
    const name = path.join(".");
    const setting = settings.find((candidate) => candidate.path.join(".") === name);
    const from = setting && env[setting.variable] !== undefined ? ` (from ${setting.variable})` : "";
    return `${name || "file"}${from}: ${message}`;
  });
  throw new ConfigError(`${file}: ${problems.join("; ")}`);
}

/** The fields of a file, unchecked. @throws {ConfigError} if it cannot be read */
export function fieldsIn(file: string): Fields {
  const fields = parseYaml(textOf(file), file);
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw new ConfigError(
      `${file} is no configuration: expected fields with values, such as "rpcUrl: http://..."`,
    );
  }
  return fields as Fields;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(
      `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** An address such as 0x12... is text, with or without quotes: YAML would take it for a number. */
const withoutHex = (tags: Tags): Tags =>
  tags.filter(
    (tag) => typeof tag === "string" || tag.format === undefined || !/^(HEX|OCT)$/.test(tag.format),
  );

function parseYaml(text: string, name: string): unknown {
  const document = parseDocument(text, { customTags: withoutHex, prettyErrors: true });
  const [error] = document.errors;
  if (error === undefined) return document.toJS();
  const [line] = error.message.split("\n");
  throw new ConfigError(`${name} cannot be read as YAML or JSON: ${(line ?? "").replace(/:$/, "")}`);
}

/** The fields, with those in their place that the environment sets. */
function withEnvironment(fields: Fields, settings: readonly Setting[], env: Environment): Fields {
  const changed = structuredClone(fields) as Record<string, unknown>;
  for (const setting of settings) {
    const text = env[setting.variable];
    if (text === undefined || text === "") continue;
    put(changed, setting.path, valueOf(text, setting));
  }
  return changed;
}

/** Lists and what has fields are written as in the file; so is a number. */
function valueOf(text: string, { variable, text: isText }: Setting): unknown {
  return isText && !/^\s*[[{]/.test(text) ? text : parseYaml(text, variable);
}

function put(fields: Record<string, unknown>, [name, ...below]: readonly string[], value: unknown): void {
  if (name === undefined) return;
  if (below.length === 0) {
    fields[name] = value;
    return;
  }
  const part = fields[name];
  const inner = typeof part === "object" && part !== null ? (part as Record<string, unknown>) : {};
  fields[name] = inner;
  put(inner, below, value);
}
