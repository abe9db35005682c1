// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @dev Four 64-bit amounts in one storage word. Account `a` lies in word `a / 4`, lane `a % 4`.
///
///      255      192 191      128 127       64 63         0
///     +------------+------------+------------+------------+
///     |   lane 3   |   lane 2   |   lane 1   |   lane 0   |
///     +------------+------------+------------+------------+
type Lanes is uint256;

using LanesLibrary for Lanes global;

/// @dev Enough words for every account number of 32 bits.
uint256 constant LANE_WORDS = 2 ** 30;

library LanesLibrary {
    /// @dev The word that holds an account's lane.
    function wordOf(uint32 account) internal pure returns (uint256) {
        return account >> 2;
    }

    /// @dev The amount in an account's lane.
    function get(Lanes lanes, uint32 account) internal pure returns (uint64) {
        return uint64(Lanes.unwrap(lanes) >> _shift(account));
    }

    /// @dev The word with the account's lane set to `amount`.
    function set(Lanes lanes, uint32 account, uint64 amount) internal pure returns (Lanes) {
        uint256 shift = _shift(account);
        uint256 others = Lanes.unwrap(lanes) & ~(uint256(type(uint64).max) << shift);
        return Lanes.wrap(others | (uint256(amount) << shift));
    }

    function _shift(uint32 account) private pure returns (uint256) {
        return (account & 3) << 6;
    }
}
