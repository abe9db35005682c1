/** What ends a command early, in one line that says how to mend it. */
export class Failure extends Error {
  override readonly name = "Failure";
  /** 2: what was asked for cannot be read or done as it stands; 1: what it takes from outside failed. */
  readonly status: 1 | 2;

  constructor(status: 1 | 2, message: string, options?: ErrorOptions) {
    super(oneLine(message), options);
    this.status = status;
  }
}

/** An error in as few words as it has. The node's library adds whole requests to its messages. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ("shortMessage" in error && typeof error.shortMessage === "string") return error.shortMessage;
  if (error.message !== "") return error.message;
  return "code" in error ? String(error.code) : error.name;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}
