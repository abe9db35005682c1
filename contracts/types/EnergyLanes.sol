// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @dev Energy of up to eight successive epochs, in Wh, as it lies in calldata: the earliest epoch first.
///
///      255     224 223     192                         31       0
///     +-----------+-----------+--- ... ---+-----------+----------+
///     |  epoch 0  |  epoch 1  |           |  epoch 6  |  epoch 7 |
///     +-----------+-----------+--- ... ---+-----------+----------+
///
/// What goes over all figures of a row, eight at a time, is in EnergyRows.
type EnergyLanes is uint256;

using EnergyLanesLibrary for EnergyLanes global;

uint256 constant ENERGY_BYTES = 4;
uint256 constant LANES_PER_WORD = 8;

library EnergyLanesLibrary {
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
            unchecked {
                uint256 unused = (LANES_PER_WORD - lanes) * 32;
                word = (word >> unused) << unused;
            }
        }
        return EnergyLanes.wrap(word);
    }

    /// @dev The energy in one lane, 0 (earliest) to 7, in Wh.
    function lane(EnergyLanes lanes, uint256 index) internal pure returns (uint256) {
        return uint32(EnergyLanes.unwrap(lanes) >> (224 - 32 * index));
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
