// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title CallbackParty: a party that, while it is paid, makes another call; it takes the coins even if that fails.
contract CallbackParty {
    address private _target;
    bytes private _data;
    uint256 private _value;

    /// @notice The outcome of the call that was made, and its answer or error.
    bool public succeeded;
    bytes public answer;

    /// @notice What to call when coins come, and how many of them to send along.
    function plan(address target, bytes calldata data, uint256 value) external {
        (_target, _data, _value) = (target, data, value);
    }

    /// @notice Calls `target` as this party, with the coins sent along.
    function perform(address target, bytes calldata data) external payable {
        Address.functionCallWithValue(target, data, msg.value);
    }

    receive() external payable {
        address target = _target;
        _target = address(0);
        if (target != address(0)) (succeeded, answer) = target.call{value: _value}(_data);
    }
}
