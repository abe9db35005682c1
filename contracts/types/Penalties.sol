// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @dev A penalty that is due of a row of a sweep.
///
///      127      96 95       64 63              0
///     +-----------+-----------+-----------------+
///     |    row    |  octetAt  |      units      |   16 bytes; a list is these bytes one after the other, in the order of rows
///     +-----------+-----------+-----------------+
///     row: its index. octetAt: where in their list the octet starts that its account is paid with, in bytes.
type Due is uint128;

using Penalties for Due global;

uint256 constant DUE_BYTES = 16;
/// @dev What was taken of a row, in a list with one amount for each row.
uint256 constant TAKEN_BYTES = 8;

library Penalties {
    function row(Due due) internal pure returns (uint256) {
        return Due.unwrap(due) >> 96;
    }

    function octetAt(Due due) internal pure returns (uint256) {
        return uint32(Due.unwrap(due) >> 64);
    }

    function units(Due due) internal pure returns (uint256) {
        return uint64(Due.unwrap(due));
    }

    /// @dev An empty list with room for so many dues.
    function open(uint256 count) internal pure returns (bytes memory dues) {
        assembly ("memory-safe") {
            dues := mload(0x40)
            // One word more than needed: `put` writes whole words.
            mstore(0x40, add(dues, and(add(mul(count, DUE_BYTES), 95), not(31))))
            mstore(dues, 0)
        }
    }

    /// @dev Adds a due to a list.
    function put(bytes memory dues, uint256 row_, uint256 octetAt_, uint64 units_) internal pure {
        assembly ("memory-safe") {
            let length := mload(dues)
            mstore(add(add(dues, 32), length), shl(128, or(or(shl(96, row_), shl(64, octetAt_)), units_)))
            mstore(dues, add(length, DUE_BYTES))
        }
    }

    function countOf(bytes memory dues) internal pure returns (uint256) {
        return dues.length / DUE_BYTES;
    }

    function at(bytes memory dues, uint256 index) internal pure returns (Due due) {
        assembly ("memory-safe") {
            due := shr(128, mload(add(add(dues, 32), mul(index, DUE_BYTES))))
        }
    }

    // ------------------------------------------------------------------------------------------------ What was taken

    /// @dev Nothing taken of so many rows.
    function noneTaken(uint256 rowCount) internal pure returns (bytes memory taken) {
        return new bytes(rowCount * TAKEN_BYTES);
    }

    /// @dev Notes what was taken of a row, of which nothing was noted before.
    function take(bytes memory taken, uint256 row_, uint64 units_) internal pure {
        assembly ("memory-safe") {
            // The word that ends with the row's amount: what precedes it, the length not least, stays.
            let at_ := add(add(taken, TAKEN_BYTES), mul(row_, TAKEN_BYTES))
            mstore(at_, or(mload(at_), units_))
        }
    }
}
