import type { Part } from "../part.ts";
import { figuresOf } from "../program.ts";

/** What evidence costs a computer: to check a day of it, and to commit to a day of a thousand DERs. */
export const evidence: Part = {
  name: "evidence",
  targets: {
    verifySeconds: { atMost: 2 },
    commitSeconds: { atMost: 60 },
    commitPeakMiB: { atMost: 1_024 },
  },
  async measure() {
    const [verify, commit] = [new URL("verify.ts", import.meta.url), new URL("commit.ts", import.meta.url)];
    return { ...(await figuresOf(verify)), ...(await figuresOf(commit)) };
  },
};
