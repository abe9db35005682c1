import { writeFileSync } from "node:fs";

import { VECTORS, type VectorFile, vectorText } from "./files.ts";

/** Writes vectors/*.json; `npm run vectors`. */

for (const file of Object.keys(VECTORS) as VectorFile[]) {
  writeFileSync(new URL(`../../vectors/${file}`, import.meta.url), await vectorText(file));
  console.log(`vectors/${file}`);
}
