#!/usr/bin/env node
import { pof } from "./program.ts";

process.exitCode = await pof(process.argv.slice(2), process);
