// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIA} from "../../../contracts/interfaces/IARIA.sol";
import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {Deployed} from "../Deployed.sol";
import {Play} from "../system/Play.sol";
import {VM} from "../Vm.sol";
import {HostileToken} from "./HostileToken.sol";
import {TokenHandler} from "./TokenHandler.sol";

/// @title A Vault of a token that keeps fees, answers false, reverts, answers nothing, or calls back, as it likes.
contract TokenPlayTest is Play, TokenHandler {
    uint256 private _steps;

    function setUp() external {
        _steps = _stepsOr(400);
        VM.warp(START);
        VM.roll(10_000);
        _token = new HostileToken();
        _vault = Deployed.vault(OWNER, address(_token), UNIT, 1 days);
        _aria = Deployed.aria(_vault, OPERATOR, address(_token), GUARDIAN, _criteria(), _rules());
        VM.prank(OWNER);
        _vault.announceHandOver(address(_aria));
        VM.prank(OWNER);
        _vault.handOver();
        for (uint256 i; i < PARTIES; ++i) _fund(_partyAt(i));
        _token.perform(address(_aria), abi.encodeCall(IARIA.postBond, ()));
        for (uint256 i; i < 2; ++i) _join(_partyAt(i));
        VM.warp(START + EPOCH_SECONDS);
        _actions = [
            this.turn.selector,
            this.turn.selector,
            this.deposit.selector,
            this.deposit.selector,
            this.withdraw.selector,
            this.withdraw.selector,
            this.request.selector,
            this.sweep.selector,
            this.release.selector
        ];
    }

    function _fund(address party) private {
        uint64 amount = party == OPERATOR ? 1e9 : 2 * AGGREGATOR_BOND;
        _token.mint(party, 10 * uint256(amount) * UNIT);
        VM.prank(party);
        _token.approve(address(_vault), type(uint256).max);
        VM.prank(party);
        _vault.deposit(party, amount);
    }

    function _join(address der) private {
        VM.prank(der);
        _aria.join(10_000, 200_001, address(1));
        IARIATypes.Commissioning[] memory list = new IARIATypes.Commissioning[](1);
        list[0] = IARIATypes.Commissioning(der, address(1));
        VM.prank(OPERATOR);
        _aria.commission(list);
    }

    // --------------------------------------------------------------------------------------------------------- Plays

    /// hardhat-config: invariant.failOnRevert = true
    function invariantI1I2I3I7AgainstAHostileToken() external {
        _all();
    }

    function testALongPlayAgainstAHostileTokenReachesEverything() external {
        for (uint256 i; i < _steps; ++i) {
            this.act(_random(7, 2 * i), _random(7, 2 * i + 1));
            if (i % 5 == 4) _all();
        }
        string[13] memory scenes = [
            "honest",
            "fee",
            "false",
            "revert",
            "silent",
            "reentrant",
            "deposit",
            "deposit refused",
            "withdrawal",
            "withdrawal refused",
            "request",
            "sweep",
            "release"
        ];
        for (uint256 i; i < scenes.length; ++i) {
            _true(reached[scenes[i]] > 0, string.concat("never reached: ", scenes[i]));
        }
        _true(_token.landed() > 20, "calls out of the middle of a transfer");
        _true(_token.gifts() > 0, "tokens sent past the books");
    }

    /// @dev When the token is honest again, everybody takes out what is theirs, and nothing of it is missing.
    /// hardhat-config: fuzz.runs = 16
    function testFuzzI10EverybodyIsPaidOnceAHostileTokenIsHonestAgain(uint256 seed) external {
        for (uint256 i; i < 60; ++i) this.act(_random(seed, 2 * i), _random(seed, 2 * i + 1));
        _token.turn(HostileToken.Mood.Honest);
        VM.warp(_now() + 30 days);
        uint32[] memory id = new uint32[](1);
        for (id[0] = 1; id[0] <= _requestCount; ++id[0]) {
            if (_aria.requestOf(id[0]).status != IARIATypes.RequestStatus.Released) _aria.releaseEscrow(id);
        }
        _leave(0);
        _leave(1);
        _token.perform(address(_aria), abi.encodeCall(IARIA.releaseBond, ()));
        for (uint256 i; i < PARTIES; ++i) {
            address party = _partyAt(i);
            uint64 balance = _vault.balanceOf(_vault.accountOf(party));
            if (balance == 0) continue;
            VM.prank(party);
            _vault.withdraw(balance, payable(party));
        }
        _equal(_token.gifts(), _token.balanceOf(address(_vault)), "left behind");
    }

    function _leave(uint256 index) private {
        address der = _partyAt(index);
        VM.prank(der);
        _aria.leave();
        VM.warp(_now() + 30 days);
        VM.prank(der);
        _aria.close();
    }

    // ---------------------------------------------------------------------------------------------------- Invariants

    function _all() private {
        if (bytes(broken).length > 0) revert NotTrue(broken);
        _equal(
            _sumOfAccounts(_vault) * UNIT + _token.gifts(),
            _token.balanceOf(address(_vault)),
            "I1: tokens held"
        );
        uint256 owed;
        for (uint32 id = 1; id <= _requestCount; ++id) owed += _aria.requestOf(id).escrow;
        _equal(owed, _vault.balanceOf(_aria.escrowAccount()), "I2: ARIA's account");
        for (uint256 i; i < PARTIES; ++i) _freeCanBeWithdrawn(_vault, _partyAt(i));
    }

    function _heldBy(address owner) internal view override returns (uint256) {
        return _token.balanceOf(owner);
    }

    function _makeHonest() internal override {
        _token.turn(HostileToken.Mood.Honest);
    }
}
