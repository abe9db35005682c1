import type { Command } from "commander";

import { roomOf } from "../store/room.ts";
import { backUpSqliteStore } from "../store/sqlite-backup.ts";
import { partyOf } from "./party.ts";
import type { Shell } from "./shell.ts";
import { grouped } from "./words.ts";

/** `pof backup`: a copy of a party's store. */
export function addBackup(program: Command, shell: Shell): void {
  program
    .command("backup")
    .description("Copies a party's store as it stands, also while its agent runs, and checks the copy.")
    .requiredOption("--config <file>", "the party's configuration")
    .requiredOption("--out <file>", "the copy; a file that is there is not overwritten")
    .addHelpText(
      "after",
      "\nHow to go back to a copy, and what to mind then: docs/operations.md.\n\nExample:\n  npm run pof -- backup --config der.yaml --out der-2026-06-20.sqlite",
    )
    .action(({ config, out }: { readonly config: string; readonly out: string }) => {
      backUpSqliteStore(partyOf(config, shell.env).config.store, out);
      shell.stdout.write(`${out}: ${grouped(BigInt(roomOf(out).storeBytes))} bytes, checked\n`);
    });
}
