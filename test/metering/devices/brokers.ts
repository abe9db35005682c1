/** Real MQTT brokers for the tests: aedes in this process, and mosquitto where the system has it. */

import { execFileSync, type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer as createTlsServer } from "node:tls";

import { Aedes } from "aedes";
import { generate } from "selfsigned";

export const USER = "meter-7";
export const PASSWORD = "correct horse";

/** Certificates in PEM, made for one run of the tests. */
export interface Certificates {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

export async function makeCertificates(): Promise<Certificates> {
  const strong = { keyType: "ec", algorithm: "sha256" } as const;
  const authority = await generate([{ name: "commonName", value: "Test authority" }], {
    ...strong,
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const signed = async (name: string): Promise<{ cert: string; key: string }> => {
    const pair = await generate([{ name: "commonName", value: name }], {
      ...strong,
      ca: { key: authority.private, cert: authority.cert },
      extensions: [
        { name: "keyUsage", digitalSignature: true, critical: true },
        { name: "extKeyUsage", serverAuth: true, clientAuth: true },
        { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] },
      ],
    });
    return { cert: pair.cert, key: pair.private };
  };
  return { ca: authority.cert, server: await signed("127.0.0.1"), client: await signed(USER) };
}

/**
 * A broker with two doors on the loopback address: one open to all, and one by TLS to whoever has a certificate of the
 * authority and the password.
 */
export interface Broker {
  readonly openPort: number;
  readonly tlsPort: number;
  start(): Promise<void>;
  /** Stops it; its connections are cut. It can be started again. */
  stop(): Promise<void>;
}

export const BROKERS: { name: string; isHere: boolean; make: (files: Certificates) => Promise<Broker> }[] = [
  { name: "aedes", isHere: true, make: aedes },
  { name: "mosquitto", isHere: hasMosquitto(), make: mosquitto },
];

function hasMosquitto(): boolean {
  try {
    execFileSync("sh", ["-c", "command -v mosquitto && command -v mosquitto_passwd"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

async function aedes({ ca, server }: Certificates): Promise<Broker> {
  const [openPort, tlsPort] = [await freePort(), await freePort()];
  let running: { broker: Aedes; servers: Server[]; sockets: Set<Socket> } | undefined;
  return {
    openPort,
    tlsPort,
    async start() {
      const broker = await Aedes.createBroker();
      const sockets = new Set<Socket>();
      const strangers = new WeakSet<object>();
      broker.authenticate = (client, username, password, done) => {
        const isRight = username === USER && password?.toString() === PASSWORD;
        const refused = Object.assign(new Error("not authorised"), { returnCode: 5 });
        if (!strangers.has(client.conn) || isRight) done(null, true);
        else done(refused, false);
      };
      const handle = (socket: Socket): void => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket)).on("error", () => undefined);
        broker.handle(socket);
      };
      const tls = { ...server, ca, requestCert: true, rejectUnauthorized: true };
      const servers = [
        createServer(handle),
        createTlsServer(tls, (socket) => {
          strangers.add(socket);
          handle(socket);
        }),
      ] as const;
      await listening(servers[0], openPort);
      await listening(servers[1], tlsPort);
      running = { broker, servers: [...servers], sockets };
    },
    async stop() {
      if (running === undefined) return;
      const { broker, servers, sockets } = running;
      running = undefined;
      const closed = servers.map((each) => once(each.close(), "close"));
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        broker.close(resolve);
      });
      await Promise.all(closed);
    },
  };
}

async function listening(server: Server, port: number): Promise<void> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
}

async function mosquitto({ ca, server }: Certificates): Promise<Broker> {
  const [openPort, tlsPort] = [await freePort(), await freePort()];
  let running: { process: ChildProcess; folder: string } | undefined;
  return {
    openPort,
    tlsPort,
    async start() {
      const folder = mkdtempSync(join(tmpdir(), "mosquitto-"));
      const file = (name: string, content: string): string => {
        const path = join(folder, name);
        writeFileSync(path, content);
        return path;
      };
      const passwords = join(folder, "passwords");
      execFileSync("mosquitto_passwd", ["-b", "-c", passwords, USER, PASSWORD]);
      const settings = file(
        "mosquitto.conf",
        [
          "per_listener_settings true",
          // Else it becomes another user when root starts it, who may not read these files.
          ...(process.getuid?.() === 0 ? ["user root"] : []),
          `listener ${openPort} 127.0.0.1`,
          "allow_anonymous true",
          `listener ${tlsPort} 127.0.0.1`,
          "allow_anonymous false",
          `password_file ${passwords}`,
          `cafile ${file("ca.pem", ca)}`,
          `certfile ${file("server.pem", server.cert)}`,
          `keyfile ${file("server.key", server.key)}`,
          "require_certificate true",
        ].join("\n"),
      );
      const child = spawn("mosquitto", ["-c", settings], { stdio: ["ignore", "ignore", "pipe"] });
      let said = "";
      child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      running = { process: child, folder };
      for (let waited = 0; !/mosquitto version \S+ running/.test(said); waited += 20) {
        if (waited > 10_000 || child.exitCode !== null) throw new Error(`mosquitto does not run: ${said}`);
        await sleep(20);
      }
    },
    async stop() {
      if (running === undefined) return;
      const { process: child, folder } = running;
      running = undefined;
      const exited = child.exitCode === null ? once(child, "exit") : undefined;
      child.kill("SIGKILL");
      await exited;
      rmSync(folder, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await listening(server, 0);
  const { port } = server.address() as AddressInfo;
  await once(server.close(), "close");
  return port;
}
