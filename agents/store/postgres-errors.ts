import { DatabaseError } from "pg";

import { ConflictError, StoreConnectionError, StoreDiskError, StoreFileError } from "./store.ts";

const UNIQUE_VIOLATION = "23505";
const UNDEFINED_TABLE = "42P01";
const DUPLICATE_TABLE = "42P07";
/** Classes of codes: no room for what was asked, and failures outside PostgreSQL. */
const [INSUFFICIENT_RESOURCES, SYSTEM_ERROR, OPERATOR_INTERVENTION] = ["53", "58", "57"];

/** What PostgreSQL refused, as an error of the store; any other error as it is. */
export function refusalOf(place: string, error: unknown): unknown {
  if (!(error instanceof DatabaseError)) return isOfConnection(error) ? connectionError(place, error) : error;
  const { code = "", message, detail = message } = error;
  if (code === UNIQUE_VIOLATION)
    return new ConflictError(place, "one writer of each meter's readings", detail, { cause: error });
  if (code === UNDEFINED_TABLE || code === DUPLICATE_TABLE)
    return new StoreFileError(place, "a Proof of Flow store", message, { cause: error });
  const kind = code.slice(0, 2);
  if (kind === OPERATOR_INTERVENTION) return connectionError(place, error);
  if (kind === INSUFFICIENT_RESOURCES || kind === SYSTEM_ERROR)
    return new StoreDiskError(place, "a disk that works and has room", message, { cause: error });
  return error;
}

export function connectionError(place: string, error: unknown): StoreConnectionError {
  const reason = error instanceof Error && error.message !== "" ? error.message : String(error);
  return new StoreConnectionError(place, "a PostgreSQL server that lets us in", reason, { cause: error });
}

/** pg has no type for a connection that was lost. Whatever is neither the database's error nor ours is of that kind. */
function isOfConnection(error: unknown): boolean {
  return error instanceof Error && error.constructor === Error;
}
