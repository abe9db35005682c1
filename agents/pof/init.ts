import { writeFileSync } from "node:fs";

import { Argument, type Command } from "commander";
import { Document } from "yaml";

import { type Setting, settingsOf } from "../runtime/settings.ts";
import { Failure, reasonOf } from "./failure.ts";
import { type PartyRole, SCHEMAS } from "./party.ts";
import type { Shell } from "./shell.ts";

interface InitOptions {
  readonly out?: string;
  readonly rpcUrl?: string;
  readonly registry?: string;
}

/** `pof init`: a configuration to begin with. */
export function addInit(program: Command, shell: Shell): void {
  program
    .command("init")
    .description("Writes a configuration with a comment on every value.")
    .addArgument(new Argument("<role>", "whose it is").choices(Object.keys(SCHEMAS)))
    .option("--out <file>", "where to write it, if not to standard output; never over a file that is there")
    .option("--rpc-url <url>", "the node's JSON-RPC address to write there")
    .option("--registry <address>", "the Registry's address to write there")
    .addHelpText(
      "after",
      "\nThen edit what is marked, and ask whether all is in place: npm run pof -- doctor --config der.yaml\n\nExamples:\n  npm run pof -- init der --out der.yaml\n  npm run --silent pof -- init operator > operator.yaml",
    )
    .action((role: PartyRole, { out, ...known }: InitOptions) => {
      const text = configurationOf(role, { store: `${role}.sqlite`, ...known });
      if (out === undefined) shell.stdout.write(text);
      else {
        writeNew(out, text);
        shell.stdout.write(`${out}: edit it, then: npm run pof -- doctor --config ${out}\n`);
      }
    });
}

/** A configuration with a comment on every value. @param known what to write there, by the name of the field */
export function configurationOf(role: PartyRole, known: Readonly<Record<string, string>>): string {
  const lines = [
    `# Configuration of the agent "${role}". Each value can be set as well by the environment variable that is`,
    "# named with it, which counts before this file. Lines that begin with #name: show defaults or examples.",
  ];
  let group = "";
  for (const setting of settingsOf(SCHEMAS[role])) {
    const { path, description, variable, required } = setting;
    const [first = "", name] = path;
    const [label, indent] = name === undefined ? [first, ""] : [name, "  "];
    if (indent === "" || group !== first) lines.push("");
    if (indent !== "" && group !== first) lines.push(`${first}:`);
    group = indent === "" ? "" : first;
    const value = known[path.join(".")] ?? setting.byDefault ?? setting.example;
    lines.push(`${indent}# ${description} (${variable})${required ? "; edit this" : ""}`);
    lines.push(`${indent}${isWritten(setting) ? "" : "#"}${label}: ${inYaml(value)}`);
  }
  return `${lines.join("\n")}\n`;
}

/** What has no default, and the port, as another one each time would be of no use, stand there ready to be edited. */
function isWritten({ required, byDefault, path }: Setting): boolean {
  return required || (path.length > 1 && byDefault !== undefined);
}

function inYaml(value: unknown): string {
  return new Document(value)
    .toString({ collectionStyle: "flow", lineWidth: 0, flowCollectionPadding: true })
    .trim();
}

function writeNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: "wx" });
  } catch (error) {
    throw new Failure(2, `${file} cannot be written: ${reasonOf(error)}`, { cause: error });
  }
}
