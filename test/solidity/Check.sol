// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @title Check: the few assertions the tests need, as errors that name what is wrong and both values.
abstract contract Check {
    error NotEqual(string what, uint256 expected, uint256 received);
    error NotSame(string what, bytes32 expected, bytes32 received);
    error NotTrue(string what);
    error NotBelow(string what, uint256 limit, uint256 received);

    function _equal(uint256 expected, uint256 received, string memory what) internal pure {
        if (expected != received) revert NotEqual(what, expected, received);
    }

    function _same(bytes32 expected, bytes32 received, string memory what) internal pure {
        if (expected != received) revert NotSame(what, expected, received);
    }

    function _true(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    function _atMost(uint256 limit, uint256 received, string memory what) internal pure {
        if (received > limit) revert NotBelow(what, limit, received);
    }

    /// @dev Maps any number into a range, both ends included; in the range it stays as it is, so edges are tried.
    function _within(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        if (value >= low && value <= high) return value;
        uint256 size = high - low + 1;
        return size == 0 ? value : low + (value % size);
    }

    /// @dev The n-th of a row of pseudo-random numbers that starts from a seed.
    function _random(uint256 seed, uint256 n) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, n)));
    }

    /// @dev Leaves bits where the next object in memory will lie: nobody promises that it is zero there.
    function _soil() internal pure {
        assembly ("memory-safe") {
            mstore(mload(0x40), not(0))
        }
    }
}
