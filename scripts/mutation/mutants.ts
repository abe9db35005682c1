import { z } from "zod/v4";

import { childOf, childrenOf, listOf, type Node, type Span, spanOf } from "./ast.ts";

const typeSchema = z.object({ typeString: z.string() });

/** Where in the language a change stands, which decides how it is woven in. */
export type Place = "expression" | "statement" | "assembly expression" | "assembly statement" | "modifier";

/** One change of one source. An empty replacement leaves the text out. */
export interface Mutant extends Span {
  readonly place: Place;
  readonly line: number;
  /** The function or modifier that is changed. */
  readonly within: string;
  readonly before: string;
  readonly after: string;
  /** Of a modifier that is left out: what it checks. */
  readonly checks?: Checks;
}

/** Statements that a modifier runs before a function. */
export interface Checks {
  readonly text: string;
  /** Where they stand, if in the source of the function. */
  readonly span?: Span;
  /** What is given for each parameter. */
  readonly values: Readonly<Record<string, string>>;
  /** Where the body of the function begins. */
  readonly at: number;
}

/** A modifier of the form `modifier m(...) { checks; _; }`. */
interface Modifier {
  readonly source: Buffer;
  readonly parameters: readonly string[];
  readonly span: Span;
}

/** The modifiers, by name. */
export type Modifiers = ReadonlyMap<string, Modifier>;

const BINARY: Readonly<Record<string, readonly string[]>> = {
  "+": ["-"],
  "-": ["+"],
  "*": ["/"],
  "/": ["*"],
  "%": ["*"],
  "<<": [">>"],
  ">>": ["<<"],
  "&": ["|"],
  "|": ["&"],
  "^": ["|"],
  "&&": ["||"],
  "||": ["&&"],
  "==": ["!="],
  "!=": ["=="],
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
};

const ASSIGNMENT: Readonly<Record<string, string>> = {
  "+=": "-=",
  "-=": "+=",
  "*=": "/=",
  "/=": "*=",
  "|=": "&=",
  "&=": "|=",
  "<<=": ">>=",
  ">>=": "<<=",
};

const ASSEMBLY: Readonly<Record<string, string>> = {
  add: "sub",
  sub: "add",
  mul: "add",
  div: "mul",
  mod: "mul",
  lt: "gt",
  gt: "lt",
  slt: "sgt",
  sgt: "slt",
  eq: "lt",
  and: "or",
  or: "and",
  xor: "and",
  shl: "shr",
  shr: "shl",
  sar: "shr",
};

/** Every change of one source: each operator, bound, condition, modifier and statement, one at a time. */
export function mutantsOf(source: Buffer, unit: Node, modifiers: Modifiers): Mutant[] {
  const found: Mutant[] = [];
  const textOf = ({ start, end }: Span): string => source.subarray(start, end).toString();
  const lineOf = (at: number): number => textOf({ start: 0, end: at }).split("\n").length;

  let within = "";
  const add = (place: Place, node: Node, after: string): void => {
    const { start, end } = spanOf(node);
    // solc's statements end before their semicolon.
    const span = { start, end: place === "statement" ? source.indexOf(";", end) + 1 : end };
    found.push({ ...span, place, line: lineOf(start), within, before: textOf(span), after });
  };

  /** Between two operands, their text untouched. */
  const between = (node: Node, operator: string): string => {
    const left = textOf(
      spanOf(childOf(node, node.nodeType === "Assignment" ? "leftHandSide" : "leftExpression")),
    );
    const right = textOf(
      spanOf(childOf(node, node.nodeType === "Assignment" ? "rightHandSide" : "rightExpression")),
    );
    return `${left} ${operator} ${right}`;
  };

  const addModifier = (definition: Node, invocation: Node): void => {
    const modifier = modifiers.get(nameOf(childOf(invocation, "modifierName")));
    if (modifier === undefined) return;
    const given = listOf(invocation, "arguments").map((each) => textOf(spanOf(each)));
    const span = spanOf(invocation);
    found.push({
      ...span,
      place: "modifier",
      line: lineOf(span.start),
      within,
      before: textOf(span),
      after: "",
      checks: {
        text: modifier.source.subarray(modifier.span.start, modifier.span.end).toString(),
        ...(modifier.source === source && { span: modifier.span }),
        values: Object.fromEntries(modifier.parameters.map((name, i) => [name, given[i] ?? ""])),
        at: spanOf(childOf(definition, "body")).start + 1,
      },
    });
  };

  const heads = new Set<unknown>();
  const visit = (node: Node): void => {
    switch (node.nodeType) {
      case "VariableDeclaration": // a constant's value must stay one
        if (node["constant"] === true) return;
        break;
      case "ModifierDefinition":
        within = nameOf(node);
        break;
      case "FunctionDefinition":
        within = nameOf(node) || String(node["kind"]);
        for (const each of listOf(node, "modifiers")) addModifier(node, each);
        break;
      case "ForStatement": // its head has no room for a statement
        for (const part of ["initializationExpression", "loopExpression"]) heads.add(node[part]);
        break;
      case "BinaryOperation":
        if (isLiteral(node)) return;
        for (const operator of BINARY[String(node["operator"])] ?? [])
          add("expression", node, between(node, operator));
        break;
      case "UnaryOperation":
        if (node["operator"] === "!") add("expression", node, textOf(spanOf(childOf(node, "subExpression"))));
        break;
      case "IfStatement":
        add("expression", childOf(node, "condition"), "false");
        break;
      case "ExpressionStatement": {
        if (heads.has(node)) break;
        const expression = childOf(node, "expression");
        if (!isPointer(expression)) add("statement", node, "");
        const operator = expression.nodeType === "Assignment" && ASSIGNMENT[String(expression["operator"])];
        if (typeof operator === "string") add("statement", node, `${between(expression, operator)};`);
        break;
      }
      case "EmitStatement":
        add("statement", node, "");
        break;
      case "InlineAssembly":
        visitAssembly(childOf(node, "AST"));
        return;
    }
    for (const child of childrenOf(node)) visit(child);
  };

  const visitAssembly = (node: Node): void => {
    if (node.nodeType === "YulExpressionStatement") add("assembly statement", node, "");
    if (node.nodeType === "YulFunctionCall") {
      const name = textOf(spanOf(childOf(node, "functionName")));
      const other = ASSEMBLY[name];
      if (other !== undefined)
        add("assembly expression", node, other + textOf(spanOf(node)).slice(name.length));
    }
    for (const child of childrenOf(node)) visitAssembly(child);
  };

  visit(unit);
  return found;
}

/** The modifiers that a source defines as checks before the function. */
export function modifiersOf(source: Buffer, unit: Node): Modifiers {
  const found = new Map<string, Modifier>();
  const visit = (node: Node): void => {
    if (node.nodeType === "ModifierDefinition") {
      const statements = listOf(childOf(node, "body"), "statements");
      const placeholder = statements.at(-1);
      if (placeholder?.nodeType === "PlaceholderStatement") {
        const start = spanOf(childOf(node, "body")).start + 1;
        const parameters = listOf(childOf(node, "parameters"), "parameters").map(nameOf);
        found.set(nameOf(node), { source, parameters, span: { start, end: spanOf(placeholder).start } });
      }
    }
    for (const child of childrenOf(node)) visit(child);
  };
  visit(unit);
  return found;
}

/** Whether an expression is a reference to storage: the compiler refuses code that may use one that is not set. */
function isPointer({ typeDescriptions }: Node): boolean {
  const { typeString } = typeSchema.parse(typeDescriptions);
  return typeString.endsWith(" storage pointer");
}

function nameOf(node: Node): string {
  return String(node["name"]);
}

/** Whether an expression is of literals alone: the compiler computes it, and gives it a type of its own. */
function isLiteral(node: Node): boolean {
  if (node.nodeType === "Literal") return true;
  const operands = childrenOf(node);
  const composed = ["BinaryOperation", "UnaryOperation", "TupleExpression"].includes(node.nodeType);
  return composed && operands.length > 0 && operands.every(isLiteral);
}
