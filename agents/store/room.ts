import { statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** What room a store takes, and what is left for it. */
export interface Room {
  /** Of its file and its log together; 0 before it is made. */
  readonly storeBytes: number;
  /** On the disk it is on, for whoever asks. */
  readonly freeBytes: number;
}

/** @throws {Error} of the system when the folder is not there */
export function roomOf(path: string): Room {
  const { bavail, bsize } = statfsSync(dirname(path));
  return { storeBytes: sizeOf(path) + sizeOf(`${path}-wal`), freeBytes: bavail * bsize };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
