// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Amounts} from "./Octets.sol";

/// @dev The lower parts of eight balances, in one storage word. Account `a` lies in word `a / 8`, lane `a % 8`.
///
///      255 254      224                63 62       32 31 30        0
///     +---+------------+--- ... ---+---+------------+---+------------+
///     | + |   lane 7   |           | + |   lane 1   | + |   lane 0   |
///     +---+------------+--- ... ---+---+------------+---+------------+
///     lane: the lower 31 bits of a balance. +: whether there is more of it above them, which is kept elsewhere.
///
/// Most balances fit their lane. So a settlement writes one word for eight accounts, yet no balance is bounded by it.
type Lanes is uint256;

using LanesLibrary for Lanes global;

/// @dev Enough words for every account number of 32 bits.
uint256 constant LANE_WORDS = 2 ** 29;

library LanesLibrary {
    uint256 internal constant LOW_BITS = 31;
    uint256 private constant LOW = 2 ** LOW_BITS - 1;
    uint256 private constant MORE = 2 ** LOW_BITS;
    // All lanes at once.
    uint256 private constant ALL_LOW = 0x7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff7fffffff;
    uint256 private constant ALL_MORE = ~ALL_LOW;

    /// @dev The word that holds an account's lane.
    function wordOf(uint32 account) internal pure returns (uint256) {
        return account >> 3;
    }

    /// @dev Which of the eight lanes of its word is an account's.
    function laneOf(uint32 account) internal pure returns (uint256) {
        return account & 7;
    }

    /// @dev The lower part of an account's balance. @return more whether there is more above it.
    function get(Lanes lanes, uint32 account) internal pure returns (uint256 low, bool more) {
        uint256 lane = uint32(Lanes.unwrap(lanes) >> _shift(account));
        return (lane & LOW, lane > LOW);
    }

    /// @dev The word with the account's lane set to the lower part of `balance`, and whether there is more.
    function set(Lanes lanes, uint32 account, uint256 balance) internal pure returns (Lanes) {
        uint256 shift = _shift(account);
        uint256 lane = (balance & LOW) | (balance > LOW ? MORE : 0);
        return Lanes.wrap((Lanes.unwrap(lanes) & ~(uint256(type(uint32).max) << shift)) | (lane << shift));
    }

    /// @dev The word with all eight amounts added at once.
    /// @return fits whether each sum fits its lane; if one does not, the word returned is of no use.
    function plus(Lanes lanes, Amounts amounts) internal pure returns (Lanes, bool fits) {
        (uint256 word, uint256 added) = (Lanes.unwrap(lanes), Amounts.unwrap(amounts));
        // Lower bits are added without a carry into the next lane, top bits without one at all. A sum that fits has 31 bits:
        // one that does not, below zero or above them, has the 32nd.
        unchecked {
            uint256 sums = ((word & ALL_LOW) + (added & ALL_LOW)) ^ (added & ALL_MORE);
            return (Lanes.wrap((word & ALL_MORE) | sums), sums & ALL_MORE == 0);
        }
    }

    function _shift(uint32 account) private pure returns (uint256) {
        return (account & 7) << 5;
    }
}
