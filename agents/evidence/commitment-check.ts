import { Commitment, provesLeaf } from "./commitment.ts";
import type { Bundle } from "./format.ts";
import { differs, type Fault } from "./checks.ts";

/** Checks that a bundle's statement is the one its party committed to, as far as can be seen without a chain. */
export function commitmentFaults(bundle: Bundle): Fault[] {
  const { commitment, role } = bundle;
  if (commitment === null) {
    const bare = role === "aggregator" && bundle.leaves !== null;
    return bare ? [differs("commitment", "a sweep that the leaves are of", "none")] : [];
  }
  const expected = { der: "dispute", aggregator: "sweep", feeder: "none" }[role];
  if (commitment.kind !== expected) return [differs("commitment", expected, commitment.kind)];
  if (commitment.kind === "dispute") return [];
  const { flowRoot, leaf, proof } = commitment;
  const { statement } = bundle;
  const committed = `${leaf.energyWh} Wh in epoch ${leaf.epoch}, readings ${leaf.readingsRoot}`;
  const stated = `${statement.energyWh} Wh in epoch ${statement.epoch}, readings ${statement.readingsRoot}`;
  if (committed !== stated) return [differs("commitment", committed, stated)];
  if (!provesLeaf(flowRoot, leaf, proof)) return [differs("commitment", `a leaf of ${flowRoot}`, "another")];
  return bundle.role === "aggregator" ? leavesFaults(bundle, flowRoot, leaf) : [];
}

/** All leaves, shown to the Operator, are those of the root; the one of this bundle is among them. */
function leavesFaults(
  { leaves }: Extract<Bundle, { role: "aggregator" }>,
  flowRoot: string,
  leaf: { account: bigint; epoch: number; salt: string },
): Fault[] {
  if (leaves === null) return [];
  const commitment = new Commitment(leaves);
  if (commitment.root !== flowRoot) return [differs("commitment", flowRoot, commitment.root)];
  const places = new Set(leaves.map(({ account, epoch }) => `${account} ${epoch}`));
  if (places.size !== leaves.length) return [differs("commitment", "one leaf an account and epoch", "more")];
  return commitment.leafOf(leaf.account, leaf.epoch)?.salt === leaf.salt
    ? []
    : [differs("commitment", "this bundle's leaf among all", "none")];
}
