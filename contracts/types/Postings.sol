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
    function list(uint256 count) internal pure returns (bytes memory) {
        // One word more than needed: `put` writes whole words.
        bytes memory postings = new bytes(count * POSTING_BYTES + 32);
        assembly ("memory-safe") {
            mstore(postings, mul(count, POSTING_BYTES))
        }
        return postings;
    }

    /// @dev Writes the posting at `index` of a list. Must be called in ascending order of the index: the bytes after
    /// the posting are overwritten with zeros.
    function put(bytes memory postings, uint256 index, uint32 account_, int256 amount_) internal pure {
        if (amount_ > type(int64).max || amount_ < type(int64).min) revert PostingOverflow(account_, amount_);
        uint256 word = ((uint256(account_) << 64) | uint64(int64(amount_))) << 160;
        assembly ("memory-safe") {
            mstore(add(add(postings, 32), mul(index, POSTING_BYTES)), word)
        }
    }

    /// @dev Changes the amount at `index` of a list, in any order. @return amount_ what it is now.
    function add(bytes memory postings, uint256 index, int256 change) internal pure returns (int256 amount_) {
        uint256 word;
        assembly ("memory-safe") {
            word := mload(add(add(postings, 32), mul(index, POSTING_BYTES)))
        }
        Posting posting = Posting.wrap(uint96(word >> 160));
        amount_ = posting.amount() + change;
        if (amount_ > type(int64).max || amount_ < type(int64).min) {
            revert PostingOverflow(posting.account(), amount_);
        }
        word ^= uint256(uint64(posting.amount()) ^ uint64(int64(amount_))) << 160;
        assembly ("memory-safe") {
            mstore(add(add(postings, 32), mul(index, POSTING_BYTES)), word)
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
