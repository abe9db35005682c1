// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Play} from "../system/Play.sol";
import {ServiceHandler} from "./ServiceHandler.sol";

/// @title A Vault that one hostile service after the other is put in charge of.
contract ServicePlayTest is Play, ServiceHandler {
    uint256 private _steps;

    function setUp() external {
        _steps = _stepsOr(400);
        _open();
        _actions = [
            this.deposit.selector,
            this.deposit.selector,
            this.withdraw.selector,
            this.cashIn.selector,
            this.cashIn.selector,
            this.instruct.selector,
            this.instruct.selector,
            this.instruct.selector,
            this.lock.selector,
            this.handOver.selector
        ];
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
            _true(reached[scenes[i]] > 0, string.concat("never reached: ", scenes[i]));
        }
    }

    // ---------------------------------------------------------------------------------------------------- Invariants

    function _all() private {
        if (bytes(broken).length > 0) revert NotTrue(broken);
        _equal(_sumOfAccounts(_vault) * UNIT, address(_vault).balance, "I1: coins held");
        for (uint256 i; i < PARTIES; ++i) _freeCanBeWithdrawn(_vault, _partyAt(i));
        _true(_othersDoNothing(), "I12: a service that is not in charge");
    }
}
