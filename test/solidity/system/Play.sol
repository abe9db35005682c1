// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {VM} from "../Vm.sol";
import {Cast} from "./Cast.sol";

/// @title Play: actions chosen by chance, and what holds of every Vault after each of them.
/// @notice The runner's invariant tests play many short plays. A long one by a fixed row of pseudo-random actions does
/// not lean on them, and shows that everything there is to reach is reached.
abstract contract Play is Cast {
    /// @dev What the runner asks of an invariant test: a contract, and which of its functions to call.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    error Withdrawn();

    address private constant PURSE = address(0x0f66);

    /// @dev Each as often as it weighs.
    bytes4[] internal _actions;

    // ------------------------------------------------------------------------------------------------------- Actions

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(this);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(this), new bytes4[](1));
        targets[0].selectors[0] = this.act.selector;
    }

    /// @dev One action, chosen by weight. A handler never fails: what its parties are refused it catches.
    function act(uint256 choice, uint256 seed) external {
        bytes memory action = abi.encodeWithSelector(_actions[choice % _actions.length], seed);
        Address.functionCall(_actor(), action);
    }

    /// @dev Who has the actions.
    function _actor() internal view virtual returns (address) {
        return address(this);
    }

    /// @dev How long a long play is. That the environment is read has a second use: the runner then does not replay a
    /// failed test to trace it step by step, which takes gigabytes of memory for tests as long as these.
    function _stepsOr(uint256 usual) internal view returns (uint256) {
        return VM.envOr("PLAY_STEPS", usual);
    }

    // ----------------------------------------------------------------------------------------------------- Any Vault

    function _sumOfAccounts(IVault vault) internal view returns (uint256 sum) {
        for (uint32 account = 1; account <= vault.accountCount(); ++account) sum += vault.balanceOf(account);
    }

    /// @dev I7: what is free in an account can always be withdrawn by its owner, and not one unit more.
    function _freeCanBeWithdrawn(IVault vault, address party) internal {
        uint64 free = vault.freeOf(party);
        if (free > 0) _true(_canWithdraw(vault, party, free), "I7: all that is free");
        _true(!_canWithdraw(vault, party, free + 1), "I7: a unit more");
    }

    /// @dev Tries a withdrawal and takes it back. @return whether it went through with all of the asset.
    function _canWithdraw(IVault vault, address party, uint64 amount) private returns (bool) {
        try this.withdrawAndRevert(vault, party, amount) {
            return false;
        } catch (bytes memory reason) {
            return bytes4(reason) == Withdrawn.selector;
        }
    }

    /// @dev Not for tests to call: reverts in any case, with Withdrawn if the asset came.
    function withdrawAndRevert(IVault vault, address party, uint64 amount) external {
        _makeHonest();
        uint256 before = _heldBy(PURSE);
        VM.prank(party);
        vault.withdraw(amount, payable(PURSE));
        if (_heldBy(PURSE) == before + amount * UNIT) revert Withdrawn();
    }

    /// @dev What an address holds of the asset, in its smallest parts.
    function _heldBy(address owner) internal view virtual returns (uint256) {
        return owner.balance;
    }

    /// @dev An asset that plays tricks is made to stop, for one withdrawal.
    function _makeHonest() internal virtual {}
}
