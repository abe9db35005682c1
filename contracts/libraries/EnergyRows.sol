// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {ENERGY_BYTES, EnergyLanes, EnergyLanesLibrary, LANES_PER_WORD} from "../types/EnergyLanes.sol";
import {FlowRows} from "./FlowRows.sol";

/// @title EnergyRows: the two loops that go over every figure of a request, eight figures at a time.
/// @notice In assembly because they are most of what a long request or sweep computes. The tests hold both against plain
/// loops over single figures.
/// @dev Requested figures are less than 2^31. So the top bit of a lane is free: where it is set, it stays set under subtraction
/// exactly when what is subtracted is not larger.
library EnergyRows {
    /// @dev The top bits of all eight lanes.
    uint256 private constant TOPS = 0x8000000080000000800000008000000080000000800000008000000080000000;
    uint256 private constant ONES = 0x0000000100000001000000010000000100000001000000010000000100000001;
    /// @dev Every other lane, with 64 bits to itself: sums over a row of less than 2^16 figures stay within.
    uint256 private constant EVENS = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant EVEN_ONES = 0x0000000000000001000000000000000100000000000000010000000000000001;

    /// @dev What a DER delivered of what was asked of it.
    /// @param toleranceBps at most 10,000. @param toleranceFloorWh a uint32.
    /// @return creditedWh asked and not missing.
    /// @return excessWh missing beyond the tolerance, summed over the epochs.
    /// @return refused whether more is missing than was asked in an epoch; then the sums are of no use.
    function delivery(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 row,
        uint256 count,
        uint256 toleranceBps,
        uint256 toleranceFloorWh
    ) internal pure returns (uint256 creditedWh, uint256 excessWh, bool refused) {
        uint256 askedAt = FlowRows.requestedAt(row, 0, count);
        uint256 missingAt = FlowRows.missingAt(row, 0, count);
        assembly ("memory-safe") {
            askedAt := add(rows.offset, askedAt)
            missingAt := add(shortfalls.offset, missingAt)
            let end := add(missingAt, mul(count, ENERGY_BYTES))
            let missingWh
            for {} lt(missingAt, end) {
                askedAt := add(askedAt, 32)
                missingAt := add(missingAt, 32)
            } {
                let asked := calldataload(askedAt)
                let missing := calldataload(missingAt)
                let left := sub(end, missingAt)
                if lt(left, 32) {
                    let unused := shl(3, sub(32, left))
                    asked := shl(unused, shr(unused, asked))
                    missing := shl(unused, shr(unused, missing))
                }
                creditedWh := add(creditedWh, add(and(shr(32, asked), EVENS), and(asked, EVENS)))
                // The few lanes with something missing, one by one from the highest.
                for {} missing {} {
                    let shift := and(sub(255, clz(missing)), 0xe0)
                    let short := shr(shift, missing)
                    let wh := and(shr(shift, asked), 0xffffffff)
                    missing := xor(missing, shl(shift, short))
                    missingWh := add(missingWh, short)
                    refused := or(refused, gt(short, wh))
                    let allowed := div(mul(wh, toleranceBps), 10000)
                    if lt(allowed, toleranceFloorWh) {
                        allowed := toleranceFloorWh
                    }
                    if gt(short, allowed) {
                        excessWh := add(excessWh, sub(short, allowed))
                    }
                }
            }
            // A multiplication by ones adds all lanes up in the highest.
            creditedWh := sub(shr(192, mul(creditedWh, EVEN_ONES)), missingWh)
        }
    }

    /// @dev Takes a row off what is left for its epochs. The limit, once for each word of a row, must have 32 bits.
    /// @param left what is left of each epoch (see `open`)
    /// @param limitWh the most there may be in an epoch, less than 2^31
    /// @return energyWh the sum of the row.
    /// @return beyondLimit whether a figure is above the limit; then nothing else is of use.
    function draw(
        uint256[] memory left,
        bytes calldata rows,
        uint256 row,
        uint256 count,
        uint256 limitWh
    ) internal pure returns (uint256 energyWh, bool beyondLimit) {
        uint256 at = FlowRows.requestedAt(row, 0, count);
        assembly ("memory-safe") {
            at := add(rows.offset, at)
            let end := add(at, mul(count, ENERGY_BYTES))
            let limits := or(mul(limitWh, ONES), TOPS)
            let column := add(left, 32)
            let seen
            let within := TOPS
            // Two words at a time, as long as there are two.
            for {
                let lastTwo := sub(end, 63)
            } lt(at, lastTwo) {
                at := add(at, 64)
                column := add(column, 64)
            } {
                let asked := calldataload(at)
                let next := calldataload(add(at, 32))
                seen := or(seen, or(asked, next))
                within := and(within, and(sub(limits, asked), sub(limits, next)))
                energyWh := add(energyWh, add(asked, next))
                mstore(column, sub(mload(column), asked))
                mstore(add(column, 32), sub(mload(add(column, 32)), next))
            }
            for {} lt(at, end) {
                at := add(at, 32)
                column := add(column, 32)
            } {
                let asked := calldataload(at)
                if lt(sub(end, at), 32) {
                    let unused := shl(3, sub(32, sub(end, at)))
                    asked := shl(unused, shr(unused, asked))
                }
                seen := or(seen, asked)
                within := and(within, sub(limits, asked))
                energyWh := add(energyWh, asked)
                mstore(column, sub(mload(column), asked))
            }
            beyondLimit := iszero(eq(and(within, not(seen)), TOPS))
            energyWh := add(and(shr(32, energyWh), EVENS), and(energyWh, EVENS))
            energyWh := shr(192, mul(energyWh, EVEN_ONES))
        }
    }

    /// @dev What is left of `count` epochs of a baseline, from the one at `offset` on: eight to a word, each with its top bit set.
    function open(
        bytes memory baseline,
        uint256 offset,
        uint256 count
    ) internal pure returns (uint256[] memory left) {
        left = new uint256[](FlowRows.wordCount(count));
        for (uint256 i; i < left.length; ++i) {
            uint256 first = i * LANES_PER_WORD;
            EnergyLanes lanes = EnergyLanesLibrary.read(baseline, offset + first, count - first);
            left[i] = EnergyLanes.unwrap(lanes) | TOPS;
        }
    }

    /// @dev Writes what is left back to where it was read from.
    /// @return enough whether there was enough for every epoch, if less than 2^31 was drawn on each.
    function close(
        uint256[] memory left,
        bytes memory baseline,
        uint256 offset,
        uint256 count
    ) internal pure returns (bool enough) {
        uint256 all = TOPS;
        for (uint256 i; i < left.length; ++i) {
            all &= left[i];
            uint256 first = i * LANES_PER_WORD;
            EnergyLanes lanes = EnergyLanes.wrap(left[i] & ~TOPS);
            EnergyLanesLibrary.write(baseline, offset + first, count - first, lanes);
        }
        return all == TOPS;
    }

    /// @dev Whether each figure of a list is less than 2^31.
    function areModest(bytes calldata list) internal pure returns (bool) {
        uint256 all;
        for (uint256 at; at < list.length; at += 32) {
            all |= EnergyLanes.unwrap(EnergyLanesLibrary.load(list, at, (list.length - at) / ENERGY_BYTES));
        }
        return all & TOPS == 0;
    }
}
