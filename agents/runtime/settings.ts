/** What can be set in a configuration, from its schema: for the environment, the documents, and new files. */

import { z } from "zod/v4";

/** A value of a configuration. */
export interface Setting {
  /** Where it stands in the file. */
  readonly path: readonly string[];
  /** The environment variable that sets it as well. */
  readonly variable: string;
  readonly description: string;
  readonly required: boolean;
  /** As it stands in the file; undefined if it has none. */
  readonly byDefault: unknown;
  /** As it might stand in the file. */
  readonly example: unknown;
  /** Whether it can be text, so that what is in the environment is taken as it is. */
  readonly text: boolean;
}

/** The part of JSON Schema that is looked at here. */
interface Node {
  readonly type?: string;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Node[];
  readonly description?: string;
  readonly default?: unknown;
  readonly example?: unknown;
}

/** All that can be set by itself, in the order of the schema. A list or a choice of forms is one setting. */
export function settingsOf(schema: z.ZodType): Setting[] {
  return leavesOf(z.toJSONSchema(schema, { io: "input" }) as Node, []);
}

function leavesOf(node: Node, above: readonly string[], requiredAbove = true): Setting[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, part]) => {
    const path = [...above, name];
    const required = requiredAbove && (node.required?.includes(name) ?? false);
    if (part.properties !== undefined) return leavesOf(part, path, required || part.default !== undefined);
    return [
      {
        path,
        variable: variableOf(path),
        description: part.description ?? "",
        required,
        byDefault: part.default,
        example: part.example,
        text: isText(part),
      },
    ];
  });
}

/** `funds.minimum` is set by `POF_FUNDS_MINIMUM`. */
export function variableOf(path: readonly string[]): string {
  const words = path.map((name) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
  return ["POF", ...words].join("_");
}

function isText({ type, const: constant, anyOf = [] }: Node): boolean {
  return type === "string" || typeof constant === "string" || anyOf.some(isText);
}
