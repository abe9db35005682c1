/** A node of solc's syntax tree: what it is, and where its text lies, in bytes. */
export interface Node {
  readonly nodeType: string;
  /** "offset:length:file" */
  readonly src: string;
  readonly [field: string]: unknown;
}

/** A stretch of a source, in bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "nodeType" in value && "src" in value;
}

export function spanOf({ src }: Node): Span {
  const [start = 0, length = 0] = src.split(":").map(Number);
  return { start, end: start + length };
}

/** The nodes right below one, in the order of the tree. */
export function childrenOf(node: Node): Node[] {
  return Object.values(node).flatMap((value) => (Array.isArray(value) ? value : [value]).filter(isNode));
}

/** A node's field that holds a node. */
export function childOf(node: Node, field: string): Node {
  const child = node[field];
  if (!isNode(child)) throw new TypeError(`expected a node in ${field} of ${node.nodeType} at ${node.src}`);
  return child;
}

/** A node's field that holds a list of nodes; none if there is no list. */
export function listOf(node: Node, field: string): Node[] {
  const list = node[field];
  return Array.isArray(list) ? list.filter(isNode) : [];
}
