// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title HostileToken: a token that may turn against its holders at any moment, and be honest again the next.
/// @notice It is a party itself, with money of its own, so that what it calls in the middle of a transfer has an effect.
contract HostileToken is ERC20("Hostile token", "HOST") {
    enum Mood {
        Honest,
        /// @dev keeps a part of what the receiver gets
        Fee,
        /// @dev answers false, and moves nothing
        False,
        Revert,
        /// @dev moves, and answers nothing at all
        Silent,
        /// @dev calls others before and after it moves
        Reentrant
    }

    struct Call {
        address target;
        bytes data;
    }

    error Refused();

    Mood public mood;
    /// @notice How many calls out of the middle of a transfer went through.
    uint256 public landed;
    /// @notice What the Vault was sent without asking for it, in the smallest part.
    uint256 public gifts;
    Call[] private _plan;

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function turn(Mood mood_) external {
        mood = mood_;
    }

    /// @notice What to call out of the next transfers, last first.
    function plan(Call[] calldata calls) external {
        delete _plan;
        for (uint256 i; i < calls.length; ++i) _plan.push(calls[i]);
    }

    /// @notice Calls as this token.
    function perform(address target, bytes memory data) public returns (bool success) {
        (success, ) = target.call(data);
    }

    /// @notice Sends tokens past the books of whoever gets them.
    function give(address to, uint256 amount) external {
        gifts += amount;
        _transfer(address(this), to, amount);
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return _moved(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        if (mood != Mood.False) _spendAllowance(from, msg.sender, value);
        return _moved(from, to, value);
    }

    function _moved(address from, address to, uint256 value) private returns (bool) {
        if (mood == Mood.False) return false;
        if (mood == Mood.Revert) revert Refused();
        if (mood == Mood.Reentrant) _strike();
        _transfer(from, to, value);
        if (mood == Mood.Reentrant) _strike();
        if (mood == Mood.Fee) _burn(to, (value + 99) / 100);
        if (mood == Mood.Silent) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return true;
    }

    /// @dev The next call of the plan; what it may call makes it transfer again, and so on with the rest of the plan.
    function _strike() private {
        if (_plan.length == 0) return;
        Call memory next = _plan[_plan.length - 1];
        _plan.pop();
        if (perform(next.target, next.data)) ++landed;
    }
}
