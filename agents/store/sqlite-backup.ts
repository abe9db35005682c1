import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync } from "node:fs";
import { dirname } from "node:path";

import { diskError, openToRead } from "./sqlite-file.ts";
import { StoreFileError } from "./store.ts";

/**
 * Copies a store as it stands at one moment, whether or not its agent runs and writes to it meanwhile. The copy is checked
 * and on disk before it gets its name, so that whatever has the name is whole.
 * @param to a file that is not there yet, in a folder that is
 * @throws {StoreFileError} when the store cannot be read, or something has the name already.
 * @throws {StoreDiskError} when the disk is full.
 */
export function backUpSqliteStore(path: string, to: string): void {
  refuseExisting(to);
  const part = `${to}.part`;
  const store = openToRead(path);
  try {
    rmSync(part, { force: true }); // of a back-up that was cut short
    store.database.prepare("VACUUM INTO ?").run(part);
    openToRead(part).close();
    sync(part);
    refuseExisting(to);
    linkSync(part, to); // unlike a renaming, it overwrites nothing
    sync(dirname(to));
  } catch (error) {
    throw diskError(to, error);
  } finally {
    store.close();
    rmSync(part, { force: true });
  }
}

function refuseExisting(to: string): void {
  if (existsSync(to)) throw new StoreFileError(to, "a name that nothing has yet", "a file that is there");
}

function sync(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
