// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @title Notes: what a handler has seen. A rule found broken during an action is noted, not reverted on: the runner
/// discards what reverts.
abstract contract Notes {
    /// @notice The first rule found broken; empty while none is.
    string public broken;
    /// @notice How often each thing was reached.
    mapping(string what => uint256) public reached;

    function _note(bool holds, string memory rule) internal {
        if (!holds && bytes(broken).length == 0) broken = rule;
    }

    function _count(string memory what) internal {
        ++reached[what];
    }
}
