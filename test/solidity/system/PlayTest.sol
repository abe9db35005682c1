// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {VM} from "../Vm.sol";
import {Invariants} from "./Invariants.sol";

/// @title Plays of everything that can be done, in any order: the invariants hold after each action.
contract PlayTest is Invariants {
    /// @dev For whoever reads a trace.
    event Reached(string what, uint256 times);

    uint256 private _steps;
    uint256 private _seed;

    function setUp() external {
        _steps = _stepsOr(1_600);
        _seed = VM.envOr("PLAY_SEED", uint256(0x9f10));
        _open();
        _actions = [
            _handler.deposit.selector,
            _handler.withdraw.selector,
            _handler.bond.selector,
            _handler.join.selector,
            _handler.commission.selector,
            _handler.commission.selector,
            _handler.depart.selector,
            _handler.topUp.selector,
            _handler.request.selector,
            _handler.request.selector,
            _handler.request.selector,
            _handler.requestPage.selector,
            _handler.sweep.selector,
            _handler.sweep.selector,
            _handler.raise.selector,
            _handler.raise.selector,
            _handler.raise.selector,
            _handler.raise.selector,
            _handler.resolve.selector,
            _handler.settleByDefault.selector,
            _handler.contradict.selector,
            _handler.contradict.selector,
            _handler.release.selector,
            _handler.wait.selector,
            _handler.trespass.selector,
            _handler.guard.selector,
            _handler.announce.selector
        ];
    }

    // --------------------------------------------------------------------------------------------- Many short plays

    function _actor() internal view override returns (address) {
        return address(_handler);
    }

    /// hardhat-config: invariant.failOnRevert = true
    function invariantI1AssetsCoverTheBooks() external view {
        _assetsCoverTheBooks();
    }

    /// hardhat-config: invariant.failOnRevert = true
    function invariantI2EscrowIsWhatIsOwed() external view {
        _escrowIsWhatIsOwed();
    }

    /// hardhat-config: invariant.failOnRevert = true
    function invariantI3RequestsBalance() external view {
        _requestsBalance();
    }

    /// hardhat-config: invariant.failOnRevert = true
    function invariantI4NoEnergyIsPaidTwice() external view {
        _noEnergyIsPaidTwice();
    }

    /// @dev I5, I6 and what else the handler notes as it happens.
    /// hardhat-config: invariant.failOnRevert = true
    function invariantI5I6AndI13SingleActionsKeepTheRules() external view {
        _holds();
    }

    /// hardhat-config: invariant.failOnRevert = true
    function invariantI7WhatIsFreeCanBeWithdrawn() external {
        _whatIsFreeCanBeWithdrawn();
    }

    /// hardhat-config: invariant.failOnRevert = true
    function invariantI8CountersAreTrue() external view {
        _countersAreTrue();
    }

    /// @dev A play that ends shows all of them, whichever it was played for.
    function afterInvariant() external {
        _all();
    }

    // ------------------------------------------------------------------------------------------------ Long plays

    function testALongPlayKeepsAllInvariantsAndReachesEverything() external {
        _play(_seed, _steps);
        string[28] memory scenes = [
            "withdrawal",
            "donation",
            "join",
            "commissioning",
            "rejection",
            "leave",
            "close",
            "top-up",
            "request of one leaf",
            "request of several leaves",
            "request refused",
            "sweep",
            "sweep refused",
            "turned sweep refused",
            "penalty",
            "penalty capped",
            "dispute of a sweep",
            "dispute of what was not swept",
            "dispute with a proof",
            "dispute refused",
            "ruling",
            "ruling against the DER",
            "ruling refused",
            "penalty given back",
            "default",
            "contradiction",
            "release",
            "pause"
        ];
        string memory missing;
        for (uint256 i; i < scenes.length; ++i) {
            emit Reached(scenes[i], _handler.reached(scenes[i]));
            if (_handler.reached(scenes[i]) == 0) missing = string.concat(missing, scenes[i], "; ");
        }
        _true(bytes(missing).length == 0, string.concat("never reached: ", missing));
    }

    /// @dev When all is over, everybody takes out what is theirs, and nothing of it is missing.
    /// hardhat-config: fuzz.runs = 16
    function testFuzzI10InTheEndEverybodyTakesOutWhatIsTheirs(uint256 seed) external {
        _play(seed, 100);
        VM.warp(_now() + 30 days); // past every window
        _end();
        for (uint256 i; i < DERS + 3; ++i) {
            address party = _handler.partyAt(i);
            uint64 balance = _vault.balanceOf(_vault.accountOf(party));
            if (balance == 0) continue;
            VM.prank(party);
            _vault.withdraw(balance, payable(party));
        }
        // What strangers paid to ARIA or forced into the Vault has no owner.
        _equal(_handler.donated() * UNIT + _handler.forced(), address(_vault).balance, "left behind");
    }

    /// @dev Ends every dispute, request, agreement and bond there is.
    function _end() private {
        uint256[] memory disputeIds = _handler.disputeIds();
        for (uint256 i; i < disputeIds.length; ++i) {
            if (_isOpen(disputeIds[i])) _aria.settleByDefault(disputeIds[i]);
        }
        uint32[] memory id = new uint32[](1);
        for (id[0] = 1; id[0] <= _handler.requestCount(); ++id[0]) {
            if (_aria.requestOf(id[0]).status != IARIATypes.RequestStatus.Released) _aria.releaseEscrow(id);
        }
        for (uint256 i; i < DERS; ++i) _leave(_handler.partyAt(i));
        VM.warp(_now() + 30 days);
        for (uint256 i; i < DERS; ++i) _close(_handler.partyAt(i));
        VM.prank(AGGREGATOR);
        _aria.releaseBond();
    }

    function _leave(address der) private {
        IARIATypes.AgreementStatus status = _aria.agreementOf(_vault.accountOf(der)).status;
        bool inForce =
            status == IARIATypes.AgreementStatus.Active || status == IARIATypes.AgreementStatus.Suspended;
        if (!inForce && status != IARIATypes.AgreementStatus.Prospective) return;
        VM.prank(der);
        _aria.leave();
    }

    function _close(address der) private {
        if (_aria.agreementOf(_vault.accountOf(der)).status != IARIATypes.AgreementStatus.Leaving) return;
        VM.prank(der);
        _aria.close();
    }

    function _play(uint256 seed, uint256 steps) private {
        for (uint256 i; i < steps; ++i) {
            this.act(_random(seed, 2 * i), _random(seed, 2 * i + 1));
            if (i % 10 == 9) this.checkAll();
        }
        this.checkAll();
    }

    /// @dev A call of its own, so that the memory it takes is free again: in a long play it adds up past all bounds.
    function checkAll() external {
        _all();
    }

    function _all() private {
        _assetsCoverTheBooks();
        _escrowIsWhatIsOwed();
        _requestsBalance();
        _noEnergyIsPaidTwice();
        _holds();
        _whatIsFreeCanBeWithdrawn();
        _countersAreTrue();
    }
}
