import Table from "cli-table3";
import { Command } from "commander";

import { measure } from "./measure.ts";

/**
 * What the contracts cost, in gas used by whole transactions on Hardhat's simulated chain. The situation is a fleet
 * that has been settled before, a tenth of it short; what is "per DER" is the transaction divided by its DERs and epochs.
 */

/** What each figure is to stay under. Those without one are there to compare with. */
const TARGETS: Readonly<Record<string, number>> = {
  sweepEpochGasPerDer100: 2_000,
  sweepEpochGasPerDer1000: 1_500,
  sweepDayGasPerDerEpoch: 200,
  requestDayGasPerDerEpoch: 150,
  joinGas: 110_000,
  disputeGas: 200_000,
  handOverGas10: 120_000,
  handOverGas1000: 120_000,
};

const { json } = new Command("bench/gas")
  .description("Measures the gas of what happens often, and compares it with the targets.")
  .option("--json", "print one JSON object")
  .parse()
  .opts<{ json?: boolean }>();

const figures = await measure();
if (json) {
  console.log(JSON.stringify(figures));
} else {
  const table = new Table({
    head: ["figure", "gas", "target"],
    colAligns: ["left", "right", "right"],
    style: { head: [], compact: true },
  });
  const shown = (gas: number | undefined) => gas?.toLocaleString("en") ?? "";
  for (const [name, gas] of Object.entries(figures)) table.push([name, shown(gas), shown(TARGETS[name])]);
  console.log(table.toString());
}
