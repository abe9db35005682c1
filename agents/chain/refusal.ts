import { Interface, isError } from "ethers";

import { Annex__factory, ARIA__factory, Registry__factory, Vault__factory } from "../../types/index.ts";

/** A contract said no. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly kind: string;
  /** Name of the contract's custom error. */
  readonly reason: string;
  readonly args: readonly unknown[];

  constructor(kind: string, reason: string, args: readonly unknown[], options?: ErrorOptions) {
    super(`${kind} refused: ${reason}(${args.map(String).join(", ")})`, options);
    this.kind = kind;
    this.reason = reason;
    this.args = args;
  }
}

/** A call to ARIA may fail in any of these, so their errors are looked up together. */
const ERRORS = new Interface(
  [ARIA__factory, Annex__factory, Vault__factory, Registry__factory].flatMap((factory) =>
    factory.abi.filter((entry) => entry.type === "error"),
  ),
);

/** The contracts' own reason in an error of the library, if there is one. */
export function refusalIn(kind: string, error: unknown): RefusedError | undefined {
  if (!isError(error, "CALL_EXCEPTION") || error.data === null) return undefined;
  const parsed = ERRORS.parseError(error.data);
  if (parsed === null) return undefined;
  return new RefusedError(kind, parsed.name, parsed.args.toArray(), { cause: error });
}
