import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";

import type { Command } from "commander";
import { computeAddress, formatEther } from "ethers";

import { connect, type Connection } from "../chain/connection.ts";
import { lagOf } from "../chain/endpoints.ts";
import { nodeAt } from "../chain/node.ts";
import { termsOf } from "../chain/service-terms.ts";
import { ConfigError } from "../runtime/config.ts";
import { openKey } from "../runtime/keys.ts";
import { networkOf } from "../runtime/link.ts";
import { isOnServer, openReader } from "../store/open.ts";
import { roomOf } from "../store/room.ts";
import { StoreConnectionError, StoreError, StoreFileError } from "../store/store.ts";
import type { DerConfig } from "../der/config.ts";
import { reasonOf } from "./failure.ts";
import { type Party, partyOf } from "./party.ts";
import type { Shell } from "./shell.ts";
import { jsonText } from "./words.ts";

/** How one thing stands, and how to mend it. */
interface Finding {
  readonly check: string;
  readonly outcome: "ok" | "warning" | "failure";
  readonly says: string;
  readonly mend: string;
}

const MARKS: Record<Finding["outcome"], string> = { ok: "✓", warning: "!", failure: "✗" };
/** The newest block may be this old before it is told; slow testnets have one in some 15 s. */
const OLD_BLOCK_SECONDS = 120;
/** A block from further in the future shows that the own clock is slow. */
const CLOCK_AHEAD_SECONDS = 15;
/** What an agent sends in a busy hour, roughly: the gas that must be paid for. */
const GAS_RESERVE = 2_000_000n;
const FREE_BYTES = 2 ** 30;

/** `pof doctor`: whether all is in place for an agent. */
export function addDoctor(program: Command, shell: Shell): void {
  program
    .command("doctor")
    .description(
      "Checks what an agent needs: node, chain, clock, keys, addresses, gas, disk; says how to mend it.",
    )
    .requiredOption("--config <file>", "the agent's configuration")
    .option("--json", "print one JSON document on standard output, and nothing else")
    .addHelpText(
      "after",
      "\nExit status: 0 if nothing stands in the way, warnings or not; 1 if something does; 2 for a bad configuration.\n\nExamples:\n  npm run pof -- doctor --config der.yaml\n  npm run --silent pof -- doctor --config der.yaml --json",
    )
    .action(async ({ config, json }: { readonly config: string; readonly json?: boolean }) => {
      const findings = await examine(partyOf(config, shell.env), shell);
      const ok = findings.every(({ outcome }) => outcome !== "failure");
      shell.stdout.write(`${json ? jsonText({ ok, findings }) : findings.map(line).join("\n")}\n`);
      shell.done(ok ? 0 : 1);
    });
}

function line({ check, outcome, says, mend }: Finding): string {
  const found = `${MARKS[outcome]} ${check.padEnd(10)}${says}`;
  return outcome === "ok" ? found : `${found}\n${" ".repeat(12)}${mend}`;
}

async function examine(party: Party, shell: Shell): Promise<Finding[]> {
  const key = await keyFindings(party, shell);
  const nodes = await nodesFindings(party);
  const chain =
    nodes.usable && key.privateKey !== undefined ? await chainFindings(party, key.privateKey) : [];
  return [...nodes.findings, ...key.findings, ...chain, ...(await diskFindings(party))];
}

const ok = (check: string, says: string): Finding => ({ check, outcome: "ok", says, mend: "" });
const failure = (check: string, says: string, mend: string): Finding => ({
  check,
  outcome: "failure",
  says,
  mend,
});
const warning = (check: string, says: string, mend: string): Finding => ({
  check,
  outcome: "warning",
  says,
  mend,
});

// ----------------------------------------------------------------------------------------------------------- The nodes

/** What a node says, or why it says nothing. The rest of its URL may be a secret. */
type NodeState = { readonly host: string } & (
  | { readonly error: Error }
  | { readonly chainId: bigint; readonly number: number; readonly timestamp: number; readonly code: string }
);
type Answering = Extract<NodeState, { chainId: bigint }>;

/** Whether the agent has a node to ask; and of each one that it is told of, what keeps it from being asked. */
async function nodesFindings({ config }: Party): Promise<{ findings: Finding[]; usable: boolean }> {
  const { chainId: wanted, maxLagBlocks, maxHeadAgeSeconds, registry } = config;
  const urls = [config.rpcUrl, ...config.otherRpcUrls];
  const states = await Promise.all(urls.map((url) => stateOf(url, registry)));
  const answering = states.filter((state): state is Answering => "chainId" in state);
  const chainId = wanted === undefined ? answering[0]?.chainId : BigInt(wanted);
  const highest = Math.max(...answering.map(({ number }) => number));
  const faultOf = (state: Answering): string | undefined =>
    lagOf(state, highest, { maxLagBlocks, maxHeadAgeSeconds });
  const inOrder = answering.filter((state) => state.chainId === chainId && faultOf(state) === undefined);
  const [first] = inOrder;
  // Another one is asked meanwhile.
  const unasked = first === undefined ? failure : warning;
  const findings = states.flatMap((state) => {
    if ("error" in state) {
      const mend = "start the node, or set rpcUrl (POF_RPC_URL) or otherRpcUrls to those that run";
      return [unasked("node", `${state.host}: ${reasonOf(state.error)}`, mend)];
    }
    const fault = faultOf(state);
    return [
      fault === undefined
        ? ok("node", `${state.host} answers`)
        : unasked("node", `${state.host}: ${fault}`, "see that it is in step with its chain"),
      chainFinding(state, chainId, wanted === undefined, unasked),
      clockFinding(state),
      registryFinding(state, registry),
    ];
  });
  return { findings, usable: inOrder.some(({ code }) => code !== "0x") };
}

async function stateOf(url: string, registry: string): Promise<NodeState> {
  const { host } = new URL(url);
  const node = nodeAt(url);
  try {
    const { chainId } = await node.getNetwork();
    const { number = 0, timestamp = 0 } = (await node.getBlock("latest")) ?? {};
    return { host, chainId, number, timestamp, code: await node.getCode(registry) };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { host, error };
  } finally {
    node.destroy();
  }
}

function chainFinding(
  { host, chainId }: Answering,
  wanted: bigint | undefined,
  isOpen: boolean,
  unasked: typeof failure,
): Finding {
  if (wanted !== chainId) {
    const mend = "set rpcUrl and otherRpcUrls to nodes of the right chain";
    return unasked("chain", `${host}: expected chain ${wanted}, received ${chainId}`, mend);
  }
  const says = `${host} is of chain ${chainId}`;
  if (!isOpen) return ok("chain", says);
  return warning(
    "chain",
    `${says}, and any other would do`,
    `set chainId: ${chainId} if it is the right one`,
  );
}

function registryFinding({ host, code }: Answering, registry: string): Finding {
  if (code !== "0x") return ok("registry", `${host} has a contract at ${registry}`);
  const mend = "set registry to the address that the deployment printed";
  return failure("registry", `${host} has no contract at ${registry}`, mend);
}

function clockFinding({ host, timestamp }: Answering): Finding {
  const age = Math.floor(Date.now() / 1000) - timestamp;
  const newest = `the newest block of ${host}`;
  if (age > OLD_BLOCK_SECONDS) {
    const mend = "see that the node is in step with its chain, and that this machine's clock is not fast";
    return warning("clock", `${newest} is ${age} s old by this clock`, mend);
  }
  if (age < -CLOCK_AHEAD_SECONDS) {
    const mend = "let this machine's clock be set from the network (timedatectl set-ntp true)";
    return warning("clock", `${newest} is ${-age} s in the future of this clock`, mend);
  }
  return ok("clock", `${newest} is ${age} s from this clock`);
}

// ------------------------------------------------------------------------------------------------------------ The keys

async function keyFindings(
  { role, config }: Party,
  shell: Shell,
): Promise<{ findings: Finding[]; privateKey: string | undefined }> {
  const findings: Finding[] = [];
  let privateKey: string | undefined;
  const sources = {
    walletKey: config.walletKey,
    ...(role === "der" ? { meterKey: (config as DerConfig).meterKey } : {}),
  };
  for (const [name, source] of Object.entries(sources) as [
    "walletKey" | "meterKey",
    typeof config.walletKey,
  ][]) {
    try {
      const key = await openKey(name, source, shell);
      if (name === "walletKey") privateKey = key;
      findings.push(ok(name, `of ${computeAddress(key)}`));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      findings.push(failure(name, error.message, "see docs/operations.md, Keys"));
    }
  }
  return { findings, privateKey };
}

// ----------------------------------------------------------------------------------------------------------- The chain

async function chainFindings(party: Party, privateKey: string): Promise<Finding[]> {
  const { registry } = party.config;
  let connection: Connection | undefined;
  try {
    connection = await connect({ ...networkOf(party.config), privateKey });
    return [await roleFinding(party, connection), await gasFinding(connection)];
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const says = `${registry} is no Registry with an ARIA: ${reasonOf(error)}`;
    return [failure("registry", says, "set registry to the address that the deployment printed")];
  } finally {
    connection?.close();
  }
}

async function roleFinding({ role }: Party, connection: Connection): Promise<Finding> {
  const { operatorAccount, aggregatorAccount } = await termsOf(
    connection.ariaAt(await connection.registry.current()),
  );
  const account = await connection.vault.accountOf(connection.wallet.address);
  const named = { operator: operatorAccount, aggregator: aggregatorAccount };
  const mend = "use the key of the address that was named at deployment";
  if (role !== "der") {
    return account === named[role]
      ? ok("role", `the wallet is the ${role}'s`)
      : failure("role", `the wallet ${connection.wallet.address} is not the ${role}'s`, mend);
  }
  return Object.values(named).includes(account)
    ? failure("role", "the wallet is the Operator's or the Aggregator's", "use another key for a DER")
    : ok("role", account === 0n ? "the wallet has no account yet; joining opens one" : `account ${account}`);
}

async function gasFinding({ provider, wallet }: Connection): Promise<Finding> {
  const [balance, { maxFeePerGas, gasPrice }] = await Promise.all([
    provider.getBalance(wallet.address),
    provider.getFeeData(),
  ]);
  const needed = (maxFeePerGas ?? gasPrice ?? 0n) * GAS_RESERVE;
  const mend = `send coins to ${wallet.address}: ${formatEther(needed)} pay for ${GAS_RESERVE} gas now`;
  if (balance === 0n) return failure("gas", "the wallet has no coins", mend);
  if (balance < needed) return warning("gas", `the wallet has ${formatEther(balance)} coins`, mend);
  return ok("gas", `the wallet has ${formatEther(balance)} coins`);
}

// ------------------------------------------------------------------------------------------------------------ The disk

async function diskFindings({ config: { store } }: Party): Promise<Finding[]> {
  if (isOnServer(store)) return [await storeFinding(store)];
  const folder = dirname(store);
  try {
    accessSync(folder, constants.W_OK);
    const { freeBytes: free } = roomOf(store);
    const says = `${(free / 2 ** 30).toFixed(1)} GiB are free in ${folder}`;
    const disk =
      free < FREE_BYTES ? warning("disk", says, "make room: a full disk ends the agent") : ok("disk", says);
    return [disk, await storeFinding(store)];
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return [failure("disk", reasonOf(error), `make the folder ${folder}, and let this user write there`)];
  }
}

async function storeFinding(file: string): Promise<Finding> {
  try {
    const store = await openReader(file);
    const latest = await store.latestBlock();
    await store.close();
    return ok(
      "store",
      latest === undefined ? `${file} has no reading yet` : `${file}: last reading at block ${latest}`,
    );
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error instanceof StoreFileError && error.received === "no file")
      return ok("store", `${file} will be made`);
    if (error instanceof StoreConnectionError)
      return failure(
        "store",
        error.message,
        "start the server, or set store and PGPASSWORD to what it takes",
      );
    return failure(
      "store",
      error.message,
      "restore it from a back-up, or name another file; see docs/operations.md",
    );
  }
}
