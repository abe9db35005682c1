import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

import { Interface, type JsonFragment } from "ethers";
import { z } from "zod/v4";

/**
 * What others rely on of each contract: its ABI, and where its storage lies. Kept in contracts/surface.json, so that no
 * change of it goes unseen; `npm run surface` writes it anew.
 */

const CONTRACTS = ["ARIA", "aria/Annex", "Registry", "Vault"];
const ROOT = new URL("../", import.meta.url);
export const SURFACE_FILE = new URL("contracts/surface.json", ROOT);

const outputSchema = z.object({
  errors: z.array(z.object({ severity: z.string(), formattedMessage: z.string() })).default([]),
  contracts: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        abi: z.array(z.custom<JsonFragment>((entry) => typeof entry === "object")),
        storageLayout: z.object({
          storage: z.array(
            z.object({ label: z.string(), slot: z.string(), offset: z.number(), type: z.string() }),
          ),
          types: z
            .record(
              z.string(),
              z.object({
                members: z
                  .array(
                    z.object({ label: z.string(), slot: z.string(), offset: z.number(), type: z.string() }),
                  )
                  .optional(),
              }),
            )
            .nullable(),
        }),
      }),
    ),
  ),
});

export interface Surface {
  readonly abi: readonly string[];
  /** `slot:offset label type`; after the variables, the members of the structs among them */
  readonly storage: readonly string[];
}

/** The surface of each contract, from its source. */
export function surface(): Record<string, Surface> {
  const { errors, contracts } = outputSchema.parse(JSON.parse(compile(sources())));
  const failed = errors.filter(({ severity }) => severity === "error");
  if (failed.length > 0) throw new Error(failed.map((each) => each.formattedMessage).join("\n"));
  return Object.fromEntries(
    CONTRACTS.map((path) => {
      const name = path.split("/").at(-1) ?? path;
      const compiled = contracts[`contracts/${path}.sol`]?.[name];
      if (!compiled) throw new Error(`contracts/${path}.sol has no contract ${name}`);
      const { storage, types } = compiled.storageLayout;
      const members = Object.entries(types ?? {}).flatMap(([type, { members: fields }]) =>
        (fields ?? []).map((field) => ({ ...field, label: `${withoutIds(type)}.${field.label}` })),
      );
      const lines = [...storage, ...members].map(
        ({ slot, offset, label, type }) => `${slot}:${offset.toString()} ${label} ${withoutIds(type)}`,
      );
      return [name, { abi: Interface.from(compiled.abi).format().sort(), storage: lines }];
    }),
  );
}

/** The compiler numbers the types of a source: the numbers change with any line of it. */
function withoutIds(type: string): string {
  return type.replaceAll(/\)\d+/g, ")");
}

function sources(): Record<string, { content: string }> {
  const files = readdirSync(new URL("contracts", ROOT), { recursive: true, encoding: "utf8" });
  const paths = files.filter((file) => file.endsWith(".sol")).map((file) => `contracts/${file}`);
  return Object.fromEntries(
    paths.map((path) => [path, { content: readFileSync(new URL(path, ROOT), "utf8") }]),
  );
}

function compile(files: Record<string, { content: string }>): string {
  const require = createRequire(import.meta.url);
  const solc = require("solc") as {
    compile(input: string, callbacks: { import(path: string): { contents: string } }): string;
  };
  const outputSelection = { "*": { "*": ["abi", "storageLayout"] } };
  const settings = { evmVersion: "osaka", viaIR: true, outputSelection };
  const input = JSON.stringify({ language: "Solidity", sources: files, settings });
  return solc.compile(input, {
    import: (path) => ({ contents: readFileSync(require.resolve(path), "utf8") }),
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(SURFACE_FILE, `${JSON.stringify(surface(), null, 2)}\n`);
}
