import type {
  ArgumentType,
  CallableContractFuture,
  IgnitionModuleBuilder,
  ModuleParameterRuntimeValue,
  StaticCallFuture,
} from "@nomicfoundation/ignition-core";

/**
 * What the owner does where the owner is a timelock, OpenZeppelin's TimelockController: an operation is a batch of calls
 * that its proposer schedules, and that anybody may execute once the delay is over.
 */

type Builder = IgnitionModuleBuilder;
type Contract = CallableContractFuture<string>;
type Call = readonly [contract: Contract, method: string, args: readonly ArgumentType[]];
type OperationId = string | StaticCallFuture<string, string>;

/** Operations differ by what they call: they need no salt, and may come first. */
const NONE = `0x${"00".repeat(32)}`;

/** The arguments of `scheduleBatch` (and then the delay), `executeBatch` and `hashOperationBatch`. */
type Operation = [
  targets: ArgumentType[],
  values: bigint[],
  payloads: ArgumentType[],
  OperationId,
  salt: string,
];

interface Owned {
  readonly registry: Contract;
  readonly vault: Contract;
}

/** The timelock takes the ownership that was offered to it. */
export function acceptance(m: Builder, { registry, vault }: Owned): Operation {
  return operation(m, "accept", [
    [registry, "acceptOwnership", []],
    [vault, "acceptOwnership", []],
  ]);
}

/** The next ARIA is announced, which starts the exit window, and the present one retires. */
export function announcement(
  m: Builder,
  { vault }: Owned,
  present: Contract,
  next: ArgumentType,
  lastEpoch: ModuleParameterRuntimeValue<number>,
): Operation {
  return operation(m, "announce", [
    [vault, "announceHandOver", [next]],
    [present, "retire", [lastEpoch]],
  ]);
}

/** The announced ARIA takes the Vault over and is registered. It can be executed once the exit window is over. */
export function takeOver(
  m: Builder,
  { registry, vault }: Owned,
  next: ArgumentType,
  announced: StaticCallFuture<string, string>,
): Operation {
  const calls: Call[] = [
    [vault, "handOver", []],
    [registry, "register", [next]],
  ];
  return operation(m, "takeOver", calls, announced);
}

function operation(m: Builder, name: string, calls: readonly Call[], after: OperationId = NONE): Operation {
  const payloads = calls.map(([contract, method, args], i) =>
    m.encodeFunctionCall(contract, method, [...args], { id: `${name}_${i}` }),
  );
  return [calls.map(([contract]) => contract), calls.map(() => 0n), payloads, after, NONE];
}
