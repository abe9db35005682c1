// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {IRegistry} from "../../../contracts/interfaces/IRegistry.sol";
import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {Deployed} from "../Deployed.sol";
import {Cast} from "../system/Cast.sol";
import {VM} from "../Vm.sol";
import {ServiceHandler} from "./ServiceHandler.sol";

/// @title A Vault that one hostile service after the other is put in charge of.
contract ServicePlayTest is Cast {
    /// @dev What the runner asks of an invariant test: a contract, and which of its functions to call.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    error Withdrawn();

    IVault private _vault;
    ServiceHandler private _handler;
    bytes4[] private _actions;
    uint256 private _steps;

    /// @dev That the environment is read keeps the runner from replaying a failed test, as in PlayTest.
    function setUp() external {
        _steps = VM.envOr("PLAY_STEPS", uint256(400));
        _vault = _deployVault();
        address registry = Deployed.create("contracts/Registry.sol:Registry", abi.encode(OWNER));
        _handler = new ServiceHandler(_vault, IRegistry(registry));
        address first = _handler.firstService();
        VM.prank(OWNER);
        _vault.announceHandOver(first);
        VM.prank(OWNER);
        _vault.handOver();
        _actions = [
            _handler.deposit.selector,
            _handler.deposit.selector,
            _handler.withdraw.selector,
            _handler.cashIn.selector,
            _handler.cashIn.selector,
            _handler.instruct.selector,
            _handler.instruct.selector,
            _handler.instruct.selector,
            _handler.lock.selector,
            _handler.handOver.selector
        ];
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(this);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(this), new bytes4[](1));
        targets[0].selectors[0] = this.act.selector;
    }

    /// @dev One action, chosen by weight.
    function act(uint256 choice, uint256 seed) external {
        bytes memory action = abi.encodeWithSelector(_actions[choice % _actions.length], seed);
        Address.functionCall(address(_handler), action);
    }

    // --------------------------------------------------------------------------------------------------------- Plays

    /// @dev I9 and I11 the handler notes as it happens.
    /// hardhat-config: invariant.failOnRevert = true
    function invariantI1I7I9I11I12AgainstHostileServices() external {
        _all();
    }

    function testALongPlayAgainstHostileServicesReachesEverything() external {
        for (uint256 i; i < _steps; ++i) {
            this.act(_random(11, 2 * i), _random(11, 2 * i + 1));
            if (i % 5 == 4) _all();
        }
        string[9] memory scenes = [
            "withdrawal",
            "service paid",
            "settled while paid",
            "settled",
            "settlement refused",
            "settlement of another refused",
            "lock",
            "former service refused",
            "hand-over"
        ];
        for (uint256 i; i < scenes.length; ++i) {
            _true(_handler.reached(scenes[i]) > 0, string.concat("never reached: ", scenes[i]));
        }
    }

    // ---------------------------------------------------------------------------------------------------- Invariants

    function _all() private {
        string memory broken = _handler.broken();
        if (bytes(broken).length > 0) revert NotTrue(broken);
        uint256 sum;
        for (uint32 account = 1; account <= _vault.accountCount(); ++account)
            sum += _vault.balanceOf(account);
        _equal(sum * UNIT, address(_vault).balance, "I1: coins held");
        for (uint256 i; i < _handler.PARTIES(); ++i) {
            address party = _handler.partyAt(i);
            uint64 free = _vault.freeOf(party);
            if (free > 0) _true(_canWithdraw(party, free), "I7: all that is free");
            _true(!_canWithdraw(party, free + 1), "I7: a unit more");
        }
        _true(_handler.othersDoNothing(), "I12: a service that is not in charge");
    }

    /// @dev Tries a withdrawal and takes it back.
    function _canWithdraw(address party, uint64 amount) private returns (bool) {
        try this.withdrawAndRevert(party, amount) {
            return false;
        } catch (bytes memory reason) {
            return bytes4(reason) == Withdrawn.selector;
        }
    }

    /// @dev Not for tests to call: reverts in any case, with Withdrawn if the coins came.
    function withdrawAndRevert(address party, uint64 amount) external {
        uint256 before = GUARDIAN.balance;
        VM.prank(party);
        _vault.withdraw(amount, payable(GUARDIAN));
        if (GUARDIAN.balance == before + amount * UNIT) revert Withdrawn();
    }
}
