// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @dev Eight amounts of a settlement, one for each account of a storage word of balances (see Lanes): what the account
/// gains (positive) or gives (negative), in units of the Vault.
///
///      255     224                63       32 31        0
///     +-----------+--- ... ---+-----------+-----------+
///     |  lane 7   |           |  lane 1   |  lane 0   |   each an int32
///     +-----------+--- ... ---+-----------+-----------+
///
/// In a list, an octet is 36 bytes: the number of the word (4), then its amounts (32). Accounts that neighbour each
/// other are settled for a fraction of what postings of their own would cost.
type Amounts is uint256;

using Octets for Amounts global;

uint256 constant OCTET_BYTES = 36;

library Octets {
    uint256 private constant SIGNS = 0x8000000080000000800000008000000080000000800000008000000080000000;
    uint256 private constant EVENS = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant ONES = 0x0000000000000001000000000000000100000000000000010000000000000001;

    /// @dev The most that one amount can be, or take away.
    uint256 internal constant MOST = 2 ** 31 - 1;

    /// @dev The amount in one lane.
    function amount(Amounts amounts, uint256 lane) internal pure returns (int256) {
        unchecked {
            return int32(uint32(Amounts.unwrap(amounts) >> (lane << 5)));
        }
    }

    /// @dev Not zero if there is an amount in a lane above this one.
    function beyond(Amounts amounts, uint256 lane) internal pure returns (uint256) {
        unchecked {
            return Amounts.unwrap(amounts) >> ((lane + 1) << 5);
        }
    }

    /// @dev The amounts with one more, in a lane that was zero. @param amount_ of 32 bits.
    function with(Amounts amounts, uint256 lane, int256 amount_) internal pure returns (Amounts) {
        unchecked {
            return Amounts.wrap(Amounts.unwrap(amounts) | (uint256(uint32(int32(amount_))) << (lane << 5)));
        }
    }

    // ------------------------------------------------------------------------------------------------ Lists and sums

    /// @dev The octet at `index` of a list in calldata.
    function at(bytes calldata octets, uint256 index) internal pure returns (uint256 word, Amounts amounts) {
        assembly ("memory-safe") {
            let from := add(octets.offset, mul(index, OCTET_BYTES))
            word := shr(224, calldataload(from))
            amounts := calldataload(add(from, 4))
        }
    }

    /// @dev An empty list with room for `count` octets.
    function open(uint256 count) internal pure returns (bytes memory octets) {
        assembly ("memory-safe") {
            octets := mload(0x40)
            // One word more than needed: `put` writes whole words.
            mstore(0x40, add(octets, and(add(mul(count, OCTET_BYTES), 95), not(31))))
            mstore(octets, 0)
        }
    }

    /// @dev Adds an octet to a list.
    function put(bytes memory octets, uint256 word, Amounts amounts) internal pure {
        assembly ("memory-safe") {
            let length := mload(octets)
            let at_ := add(add(octets, 32), length)
            mstore(at_, shl(224, word))
            mstore(add(at_, 4), amounts)
            mstore(octets, add(length, OCTET_BYTES))
        }
    }

    /// @dev Changes one amount of the octet that starts at byte `start`. @param change its result must have 32 bits.
    function add(bytes memory octets, uint256 start, uint256 lane, int256 change) internal pure {
        unchecked {
            uint256 amounts;
            assembly ("memory-safe") {
                amounts := mload(add(add(octets, 36), start))
            }
            int256 before = Amounts.wrap(amounts).amount(lane);
            // Only the lane's own bits differ.
            uint256 bits = uint256(uint32(int32(before)) ^ uint32(int32(before + change)));
            amounts ^= bits << (lane << 5);
            assembly ("memory-safe") {
                mstore(add(add(octets, 36), start), amounts)
            }
        }
    }

    /// @dev A running sum with the amounts of one more octet: four lanes of 64 bits, each amount raised by 2^31. They do not
    /// overflow, nor does the sum of all four, with less than 2^29 octets, more than fit into calldata.
    function addTo(uint256 sums, Amounts amounts) internal pure returns (uint256) {
        uint256 raised = Amounts.unwrap(amounts) ^ SIGNS;
        unchecked {
            return sums + (raised & EVENS) + ((raised >> 32) & EVENS);
        }
    }

    /// @dev What a running sum over `count` octets comes to.
    function sumOf(uint256 sums, uint256 count) internal pure returns (int256) {
        unchecked {
            // The multiplication adds all lanes up in the highest.
            return int256((sums * ONES) >> 192) - int256(count << 34);
        }
    }
}
