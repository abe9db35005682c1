#!/usr/bin/env node
// The command line as an installed program: the sources are TypeScript, which tsx loads.
import { register } from "tsx/esm/api";

register();
await import("../agents/pof/main.ts");
