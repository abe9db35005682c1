import hre from "hardhat";

/**
 * The local chain of the demo, as a program of its own: a JSON-RPC server on loopback that says when it listens. It is
 * what `hardhat node` runs, without its log of every request, which would take longer than the requests.
 */
const port = Number(process.argv[2]);
const server = await hre.network.createServer(
  { network: "node", override: { loggingEnabled: false } },
  "127.0.0.1",
  port,
);
await server.listen();
process.stdout.write("listening\n");
