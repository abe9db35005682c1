import type { Part } from "../part.ts";
import { measure } from "./measure.ts";

/**
 * What the contracts cost, in gas used by whole transactions on Hardhat's simulated chain. The situation is a fleet
 * that has been settled before, a tenth of it short; what is "per DER" is the transaction divided by its DERs and epochs.
 */
export const gas: Part = {
  name: "gas",
  targets: {
    sweepEpochGasPerDer100: { atMost: 2_000 },
    sweepEpochGasPerDer1000: { atMost: 1_500 },
    sweepDayGasPerDerEpoch: { atMost: 200 },
    requestDayGasPerDerEpoch: { atMost: 150 },
    joinGas: { atMost: 110_000 },
    disputeGas: { atMost: 200_000 },
    handOverGas10: { atMost: 120_000 },
    handOverGas1000: { atMost: 120_000 },
  },
  async measure() {
    return measure();
  },
};
