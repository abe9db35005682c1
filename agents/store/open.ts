import { openPostgresReader, openPostgresStore } from "./postgres.ts";
import { openSqliteReader, openSqliteStore } from "./sqlite.ts";
import type { ReadingStore, StoreReader } from "./store.ts";

/** Whether a store's place, as configurations name it, is a database of a PostgreSQL server rather than a file. */
export function isOnServer(place: string): boolean {
  return /^postgres(ql)?:\/\//.test(place);
}

/** Opens the store at its place to write to it, alone. */
export async function openStore(place: string): Promise<ReadingStore> {
  return isOnServer(place) ? openPostgresStore(place) : openSqliteStore(place);
}

/** Opens the store at its place to read it, also while its agent writes to it. */
export async function openReader(place: string): Promise<StoreReader> {
  return isOnServer(place) ? openPostgresReader(place) : openSqliteReader(place);
}
