// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @dev One line of a settlement: what an account gains (positive) or gives (negative), in units of the Vault.
///
///      95      64 63                  0
///     +----------+---------------------+
///     | account  | amount (int64)      |   12 bytes; a list is these bytes one after the other
///     +----------+---------------------+
type Posting is uint96;

using PostingsLibrary for Posting global;

uint256 constant POSTING_BYTES = 12;

library PostingsLibrary {
    /// @dev An amount that does not fit a posting.
    error PostingOverflow(uint32 account, int256 amount);

    /// @dev An empty list with room for `count` postings.
    function open(uint256 count) internal pure returns (bytes memory postings) {
        assembly ("memory-safe") {
            postings := mload(0x40)
            // One word more than needed: `put` writes whole words.
            mstore(0x40, add(postings, and(add(mul(count, POSTING_BYTES), 95), not(31))))
            mstore(postings, 0)
        }
    }

    /// @dev Adds a posting to a list.
    function put(bytes memory postings, uint32 account_, int256 amount_) internal pure {
        if (amount_ > type(int64).max || amount_ < type(int64).min) revert PostingOverflow(account_, amount_);
        uint256 word = ((uint256(account_) << 64) | uint64(int64(amount_))) << 160;
        assembly ("memory-safe") {
            let length := mload(postings)
            mstore(add(add(postings, 32), length), word)
            mstore(postings, add(length, POSTING_BYTES))
        }
    }

    /// @dev The posting at `index` of a list in calldata.
    function at(bytes calldata postings, uint256 index) internal pure returns (Posting posting) {
        assembly ("memory-safe") {
            posting := shr(160, calldataload(add(postings.offset, mul(index, POSTING_BYTES))))
        }
    }

    function account(Posting posting) internal pure returns (uint32) {
        return uint32(Posting.unwrap(posting) >> 64);
    }

    function amount(Posting posting) internal pure returns (int64) {
        return int64(uint64(Posting.unwrap(posting)));
    }
}
