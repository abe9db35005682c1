import { concat, dataSlice, getAddress, keccak256, toBeHex } from "ethers";

/**
 * The number of a meter that a party keeps: in the form of an address, derived from the keeper's and that of the place
 * where it is, so that its readings cannot be passed off as another's. Statements about it are signed by its keeper.
 * @param at address of the DER at whose connection it is
 */
export function keptMeterId(keeper: string, at: string): string {
  return getAddress(dataSlice(keccak256(concat([keeper, at])), 12));
}

/** The number of the meter that an Operator keeps at one of its feeders. */
export function feederMeterId(operator: string, feeder: number): string {
  return keptMeterId(operator, toBeHex(feeder, 20));
}
