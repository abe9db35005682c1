// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {ENERGY_BYTES, EnergyLanesLibrary, LANES_PER_WORD} from "../types/EnergyLanes.sol";

/// @title FlowRows: how a flow request, and its shortfalls, lie on the wire.
/// @notice For `count` epochs, a request's row is 12 + 4 * count bytes, a row of shortfalls 4 * count:
///
///     request    | account 4 | price 4 | power 4 | Wh of epoch 0: 4 | Wh of epoch 1: 4 | ...
///     shortfalls                                 | Wh of epoch 0: 4 | Wh of epoch 1: 4 | ...
///
/// Shortfalls rather than deliveries, because most are zero, and a zero byte of calldata costs a quarter of another.
library FlowRows {
    uint256 internal constant TERMS_BYTES = 12;

    function rowBytes(uint256 count) internal pure returns (uint256) {
        unchecked {
            return TERMS_BYTES + ENERGY_BYTES * count;
        }
    }

    // Where things lie, in bytes from the start. Rows and epochs are counts of bytes that were passed, so that no product
    // of them overflows.

    function rowAt(uint256 row, uint256 count) internal pure returns (uint256) {
        unchecked {
            return row * rowBytes(count);
        }
    }

    /// @dev The energy requested in an epoch.
    function requestedAt(uint256 row, uint256 epoch, uint256 count) internal pure returns (uint256) {
        unchecked {
            return rowAt(row, count) + TERMS_BYTES + epoch * ENERGY_BYTES;
        }
    }

    /// @dev The shortfall in an epoch.
    function missingAt(uint256 row, uint256 epoch, uint256 count) internal pure returns (uint256) {
        unchecked {
            return (row * count + epoch) * ENERGY_BYTES;
        }
    }

    /// @dev Account, price and power of a row, packed: an account, and the terms of its Agreement.
    function terms(bytes calldata rows, uint256 row, uint256 count) internal pure returns (uint96 packed) {
        uint256 offset = rowAt(row, count);
        assembly ("memory-safe") {
            packed := shr(160, calldataload(add(rows.offset, offset)))
        }
    }

    function accountOf(uint96 packed) internal pure returns (uint32) {
        return uint32(packed >> 64);
    }

    function priceOf(uint96 packed) internal pure returns (uint32) {
        return uint32(packed >> 32);
    }

    /// @dev In W.
    function powerOf(uint96 packed) internal pure returns (uint32) {
        return uint32(packed);
    }

    /// @dev The figure of one epoch in a list of 4 bytes each, such as a baseline.
    function figureAt(bytes calldata list, uint256 epoch) internal pure returns (uint256) {
        return EnergyLanesLibrary.load(list, epoch * ENERGY_BYTES, 1).lane(0);
    }

    /// @dev The energy requested of a row in one epoch of the run.
    function requestedIn(
        bytes calldata rows,
        uint256 row,
        uint256 epoch,
        uint256 count
    ) internal pure returns (uint256) {
        return EnergyLanesLibrary.load(rows, requestedAt(row, epoch, count), 1).lane(0);
    }

    /// @dev What is missing of a row in one epoch of the run.
    function missingIn(
        bytes calldata shortfalls,
        uint256 row,
        uint256 epoch,
        uint256 count
    ) internal pure returns (uint256) {
        return EnergyLanesLibrary.load(shortfalls, missingAt(row, epoch, count), 1).lane(0);
    }

    /// @dev How many words of eight epochs a row has.
    function wordCount(uint256 count) internal pure returns (uint256) {
        return (count + LANES_PER_WORD - 1) / LANES_PER_WORD;
    }
}
