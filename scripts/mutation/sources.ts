import { readFileSync } from "node:fs";

import hre from "hardhat";
import { z } from "zod/v4";

import { isNode, type Node } from "./ast.ts";
import { hashOf, type Source } from "./fates.ts";
import { type Modifiers, modifiersOf, mutantsOf } from "./mutants.ts";
import { filesIn } from "../workspace.ts";
import { WorkspaceError } from "./workspace.ts";

const outputSchema = z.object({
  output: z.object({ sources: z.record(z.string(), z.object({ ast: z.custom<Node>(isNode) })) }),
});
const inputSchema = z.object({
  input: z.object({ sources: z.record(z.string(), z.object({ content: z.string() })) }),
});

/** The contracts' sources as they were last built, with what can be changed in them. */
export async function allSources(): Promise<Source[]> {
  const ids = new Set<string>();
  for (const name of await hre.artifacts.getAllFullyQualifiedNames()) {
    if (name.startsWith("contracts/")) ids.add((await hre.artifacts.getBuildInfoId(name)) ?? "");
  }
  const trees = new Map<string, { ast: Node; text: Buffer }>();
  for (const id of ids) {
    const { output } = outputSchema.parse(json(await hre.artifacts.getBuildInfoOutputPath(id)));
    const { input } = inputSchema.parse(json(await hre.artifacts.getBuildInfoPath(id)));
    for (const [name, { ast }] of Object.entries(output.sources)) {
      const { content = "" } = input.sources[name] ?? {};
      // What was compiled before its source changed last may have seen an older one.
      const path = name.replace(/^project\//, "");
      if (name === path || content === readFileSync(path, "utf8"))
        trees.set(name, { ast, text: Buffer.from(content) });
    }
  }
  const modifiers: Modifiers = new Map(
    [...trees.values()].flatMap(({ ast, text }) => [...modifiersOf(text, ast)]),
  );
  const files = filesIn("contracts", ".sol").filter((file) => !/^contracts\/(interfaces|test)\//.test(file));
  return files.map((file) => {
    const tree = trees.get(`project/${file}`);
    if (tree === undefined) throw new WorkspaceError(`${file} is not built as it is: run npm run build`);
    const mutants = mutantsOf(tree.text, tree.ast, modifiers);
    return { file, text: tree.text, mutants, id: `${file} ${hashOf(tree.text, JSON.stringify(mutants))}` };
  });
}

function json(path: string | undefined): unknown {
  if (path === undefined) throw new WorkspaceError("the contracts are not built: run npm run build");
  return JSON.parse(readFileSync(path, "utf8"));
}
