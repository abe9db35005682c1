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
        uint256 unused = _unusedBits(lanes);
        return EnergyLanes.wrap((word >> unused) << unused);
    }

    /// @dev The energy in one lane, 0 (earliest) to 7, in Wh.
    function lane(EnergyLanes lanes, uint256 index) internal pure returns (uint256) {
        return uint32(EnergyLanes.unwrap(lanes) >> (224 - 32 * index));
    }

    // The same in memory, where they are written as well: the lanes from entry `index` of a list of 4 bytes each.

    function read(bytes memory list, uint256 index, uint256 lanes) internal pure returns (EnergyLanes) {
        uint256 word;
        assembly ("memory-safe") {
            word := mload(add(add(list, 32), mul(index, ENERGY_BYTES)))
        }
        uint256 unused = _unusedBits(lanes);
        return EnergyLanes.wrap((word >> unused) << unused);
    }

    /// @dev What follows the lanes in the list stays. @param written zero beyond `lanes`.
    function write(bytes memory list, uint256 index, uint256 lanes, EnergyLanes written) internal pure {
        uint256 kept = (uint256(1) << _unusedBits(lanes)) - 1;
        assembly ("memory-safe") {
            let at := add(add(list, 32), mul(index, ENERGY_BYTES))
            mstore(at, or(written, and(mload(at), kept)))
        }
    }

    /// @dev How many bits of a word lie beyond so many lanes.
    function _unusedBits(uint256 lanes) private pure returns (uint256) {
        return lanes < LANES_PER_WORD ? (LANES_PER_WORD - lanes) * 32 : 0;
    }
}
