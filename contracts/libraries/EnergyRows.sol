// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {FlowRows} from "./FlowRows.sol";

/// @title EnergyRows: the two loops that go over every figure of a request, eight figures at a time.
/// @notice In assembly because they are most of what a long request or sweep computes: in Solidity a request of a day took
/// a third more gas. The tests hold both against plain loops over single figures.
/// @dev Eight 32-bit lanes of a word (see EnergyLanes) are spread over two words of four 64-bit lanes, evens and odds.
/// With its top bit set, a lane keeps that bit under subtraction exactly when what is subtracted is not larger.
/// No sum of lanes overflows: a row has fewer than 2^16 figures of 32 bits, and calldata holds far fewer than 2^32 rows.
library EnergyRows {
    uint256 private constant LOW_HALVES = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant ONES = 0x0000000000000001000000000000000100000000000000010000000000000001;
    uint256 private constant TOP_BITS = 0x8000000000000000800000000000000080000000000000008000000000000000;
    /// @dev Every other 64-bit lane, which leaves each figure 128 bits to be multiplied in.
    uint256 private constant ALTERNATE = 0x000000000000000000000000ffffffff000000000000000000000000ffffffff;
    /// @dev For any v up to 2^32 * 10,000, v / 10,000 rounded down is v * RECIPROCAL / 2^59 rounded down:
    /// RECIPROCAL * 10,000 - 2^59 = 6,512, and v * 6,512 < 2^59.
    uint256 private constant RECIPROCAL = 57646075230343;

    /// @dev What a DER delivered of what was asked of it.
    /// @param toleranceBps at most 10,000. @param toleranceFloorWh a uint32.
    /// @return creditedWh asked and not missing.
    /// @return excessWh missing beyond the tolerance, summed over the epochs.
    /// @return refused the first epoch of the word in which more is missing than was asked; `count` if there is none.
    // solhint-disable-next-line function-max-lines
    function delivery(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 row,
        uint256 count,
        uint256 toleranceBps,
        uint256 toleranceFloorWh
    ) internal pure returns (uint256 creditedWh, uint256 excessWh, uint256 refused) {
        uint256 askedAt = FlowRows.requestedAt(row, 0, count);
        uint256 missingAt = FlowRows.missingAt(row, 0, count);
        assembly ("memory-safe") {
            askedAt := add(rows.offset, askedAt)
            missingAt := add(shortfalls.offset, missingAt)
            let factor := mul(toleranceBps, RECIPROCAL)
            let floors := mul(toleranceFloorWh, ONES)
            refused := count
            for {
                let left := count
            } sgt(left, 0) {
                left := sub(left, 8)
            } {
                let asked := calldataload(askedAt)
                let missing := calldataload(missingAt)
                if lt(left, 8) {
                    let unused := shl(5, sub(8, left))
                    asked := shl(unused, shr(unused, asked))
                    missing := shl(unused, shr(unused, missing))
                }
                creditedWh := add(creditedWh, add(and(shr(32, asked), LOW_HALVES), and(asked, LOW_HALVES)))
                if missing {
                    // Evens, then odds.
                    for {
                        let shift := 32
                    } lt(shift, 33) {
                        shift := sub(shift, 32)
                    } {
                        let energy := and(shr(shift, asked), LOW_HALVES)
                        let short := and(shr(shift, missing), LOW_HALVES)
                        if sub(and(sub(or(energy, TOP_BITS), short), TOP_BITS), TOP_BITS) {
                            refused := sub(count, left)
                            break
                        }
                        creditedWh := sub(creditedWh, short)
                        // The share of the energy, rounded down: two lanes at a time.
                        let allowed := or(
                            and(shr(59, mul(and(energy, ALTERNATE), factor)), ALTERNATE),
                            shl(64, and(shr(59, mul(and(shr(64, energy), ALTERNATE), factor)), ALTERNATE))
                        )
                        // At least the floor: what the share is beyond it, or nothing, and the floor.
                        allowed := sub(or(allowed, TOP_BITS), floors)
                        let kept := and(allowed, TOP_BITS)
                        allowed := add(floors, and(allowed, sub(kept, shr(63, kept))))
                        // What is missing beyond that, or nothing.
                        short := sub(or(short, TOP_BITS), allowed)
                        kept := and(short, TOP_BITS)
                        excessWh := add(excessWh, and(short, sub(kept, shr(63, kept))))
                    }
                    if lt(refused, count) {
                        break
                    }
                }
                askedAt := add(askedAt, 32)
                missingAt := add(missingAt, 32)
            }
            // A multiplication by ones adds all lanes up in the highest.
            creditedWh := shr(192, mul(creditedWh, ONES))
            excessWh := shr(192, mul(excessWh, ONES))
        }
    }

    /// @dev Adds a row to the columns of its epochs, unless a figure is above the limit.
    /// @param columns evens and odds of each word, as many words as a row has
    /// @param limitWh less than 2^63
    /// @return energyWh the sum of the row, or a value beyond any sum if a figure is above the limit.
    function addTo(
        uint256[] memory columns,
        bytes calldata rows,
        uint256 row,
        uint256 count,
        uint256 limitWh
    ) internal pure returns (uint256 energyWh) {
        uint256 at = FlowRows.requestedAt(row, 0, count);
        assembly ("memory-safe") {
            at := add(rows.offset, at)
            let limits := or(mul(limitWh, ONES), TOP_BITS)
            let column := add(columns, 32)
            for {
                let left := count
            } sgt(left, 0) {
                left := sub(left, 8)
            } {
                let asked := calldataload(at)
                if lt(left, 8) {
                    let unused := shl(5, sub(8, left))
                    asked := shl(unused, shr(unused, asked))
                }
                let odds := and(asked, LOW_HALVES)
                asked := and(shr(32, asked), LOW_HALVES)
                if sub(and(and(sub(limits, asked), sub(limits, odds)), TOP_BITS), TOP_BITS) {
                    energyWh := not(0)
                    break
                }
                energyWh := add(energyWh, add(asked, odds))
                mstore(column, add(mload(column), asked))
                column := add(column, 32)
                mstore(column, add(mload(column), odds))
                column := add(column, 32)
                at := add(at, 32)
            }
            if add(energyWh, 1) {
                energyWh := shr(192, mul(energyWh, ONES))
            }
        }
    }
}
