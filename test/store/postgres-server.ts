import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { Client } from "pg";

/** Where Debian and its relatives put the server's programs, off the PATH. */
const DEBIAN = "/usr/lib/postgresql";

/** The folder of PostgreSQL's server programs; undefined where it is not installed. */
export const POSTGRES_PROGRAMS: string | undefined = [
  ...(process.env["PATH"] ?? "").split(delimiter),
  ...(existsSync(DEBIAN) ? readdirSync(DEBIAN).map((version) => join(DEBIAN, version, "bin")) : []),
].find((folder) => existsSync(join(folder, "initdb")));

export const WITHOUT_POSTGRES =
  POSTGRES_PROGRAMS === undefined
    ? " (skipped: no PostgreSQL on this machine; scripts/postgres.sh installs it)"
    : "";

/** A server of its own in a temporary folder, to be reached by a socket there and by nobody else. */
export interface PostgresServer {
  /** A new, empty schema. @returns its URL */
  newStore(): Promise<string>;
  /** Ends all connections to the server at once, as when it is restarted. */
  dropConnections(): Promise<void>;
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "pof-postgres-"));
  const data = join(folder, "data");
  const owner = ownerOf(folder);
  const program = (name: string): string => join(POSTGRES_PROGRAMS ?? "", name);
  const setUp = ["-D", data, "--username=pof", "--auth=trust", "--no-sync", "--no-instructions"];
  execFileSync(program("initdb"), setUp, { ...owner, cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  // Only tests may do without the disk: what they lose with the machine's power, they make anew.
  const quick = ["fsync=off", "listen_addresses=", `unix_socket_directories=${folder}`];
  const args = ["-D", data, ...quick.flatMap((setting) => ["-c", setting])];
  const server = spawn(program("postgres"), args, { ...owner, cwd: folder, stdio: "ignore" });
  const url = `postgres://pof@localhost/postgres?host=${encodeURIComponent(folder)}`;
  const stop = async (): Promise<void> => {
    const ended = once(server, "exit");
    if (server.exitCode === null && server.kill("SIGINT")) await ended;
    rmSync(folder, { recursive: true });
  };
  try {
    await answering(url);
  } catch (error) {
    await stop();
    throw error;
  }
  let stores = 0;
  return {
    stop,
    dropConnections: () =>
      ask(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'proof-of-flow'",
      ),
    async newStore() {
      stores += 1;
      const schema = `store_${stores}`;
      await ask(url, `CREATE SCHEMA ${schema}`);
      return `${url}&options=${encodeURIComponent(`-c search_path=${schema}`)}`;
    },
  };
}

/** PostgreSQL refuses to run as root: then it is the user's whom the package made, as is the folder. */
function ownerOf(folder: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = ["-u", "-g"].map((of) =>
    Number(execFileSync("id", [of, "postgres"], { encoding: "utf8" })),
  );
  if (uid === undefined || gid === undefined) return {};
  chownSync(folder, uid, gid);
  return { uid, gid };
}

async function ask(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function answering(url: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      await ask(url, "SELECT 1");
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(50);
    }
    await sleep(50);
  }
}
