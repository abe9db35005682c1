// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @dev Energy of up to eight successive epochs, in Wh, as it lies in calldata: the earliest epoch first.
///
///      255     224 223     192                         31       0
///     +-----------+-----------+--- ... ---+-----------+----------+
///     |  epoch 0  |  epoch 1  |           |  epoch 6  |  epoch 7 |
///     +-----------+-----------+--- ... ---+-----------+----------+
///
/// Sums and comparisons work on all lanes at once. To leave room for carries, the eight 32-bit lanes are first spread
/// over two words of four 64-bit lanes: epochs 1, 3, 5, 7 (`odds`) and 0, 2, 4, 6 (`evens`).
type EnergyLanes is uint256;

using EnergyLanesLibrary for EnergyLanes global;

uint256 constant ENERGY_BYTES = 4;
uint256 constant LANES_PER_WORD = 8;

library EnergyLanesLibrary {
    uint256 private constant LOW_HALVES = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant ONES = 0x0000000000000001000000000000000100000000000000010000000000000001;
    uint256 private constant TOP_BITS = 0x8000000000000000800000000000000080000000000000008000000000000000;

    /// @dev The lanes that start at byte `offset` of `data`: at most eight, fewer if `lanes` is less; the rest is zero.
    function load(
        bytes calldata data,
        uint256 offset,
        uint256 lanes
    ) internal pure returns (EnergyLanes loaded) {
        uint256 word;
        assembly ("memory-safe") {
            word := calldataload(add(data.offset, offset))
        }
        if (lanes < LANES_PER_WORD) {
            uint256 unused = (LANES_PER_WORD - lanes) * 32;
            word = (word >> unused) << unused;
        }
        return EnergyLanes.wrap(word);
    }

    /// @dev The energy in one lane, 0 (earliest) to 7, in Wh.
    function lane(EnergyLanes lanes, uint256 index) internal pure returns (uint256) {
        return uint32(EnergyLanes.unwrap(lanes) >> (224 - 32 * index));
    }

    function isZero(EnergyLanes lanes) internal pure returns (bool) {
        return EnergyLanes.unwrap(lanes) == 0;
    }

    /// @dev Epochs 0, 2, 4, 6 in four 64-bit lanes.
    function evens(EnergyLanes lanes) internal pure returns (uint256) {
        return (EnergyLanes.unwrap(lanes) >> 32) & LOW_HALVES;
    }

    /// @dev Epochs 1, 3, 5, 7 in four 64-bit lanes.
    function odds(EnergyLanes lanes) internal pure returns (uint256) {
        return EnergyLanes.unwrap(lanes) & LOW_HALVES;
    }

    /// @dev The sum of all lanes, in Wh. A multiplication by ones adds all 64-bit lanes up in the highest.
    function sum(EnergyLanes lanes) internal pure returns (uint256) {
        unchecked {
            return ((evens(lanes) + odds(lanes)) * ONES) >> 192;
        }
    }

    /// @dev Whether any lane is above `limit`, a uint32. With its top bit set, a 64-bit lane of `limit` keeps that bit
    /// under subtraction exactly when what is subtracted does not exceed it.
    function anyAbove(EnergyLanes lanes, uint256 limit) internal pure returns (bool) {
        unchecked {
            uint256 limits = (limit * ONES) | TOP_BITS;
            uint256 kept = (limits - evens(lanes)) & (limits - odds(lanes)) & TOP_BITS;
            return kept != TOP_BITS;
        }
    }

    // The same figures in memory, where they are written as well: entry `index` of a list of 4 bytes each.

    function read(bytes memory list, uint256 index) internal pure returns (uint256 energyWh) {
        assembly ("memory-safe") {
            energyWh := shr(224, mload(add(add(list, 32), mul(index, 4))))
        }
    }

    function write(bytes memory list, uint256 index, uint256 energyWh) internal pure {
        assembly ("memory-safe") {
            let at := add(add(list, 32), mul(index, 4))
            mstore(at, or(shl(224, energyWh), shr(32, shl(32, mload(at)))))
        }
    }
}
