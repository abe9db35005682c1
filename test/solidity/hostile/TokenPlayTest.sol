// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {IARIA} from "../../../contracts/interfaces/IARIA.sol";
import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {Deployed} from "../Deployed.sol";
import {Cast} from "../system/Cast.sol";
import {VM} from "../Vm.sol";
import {HostileToken} from "./HostileToken.sol";
import {TokenHandler} from "./TokenHandler.sol";

/// @title A Vault of a token that keeps fees, answers false, reverts, answers nothing, or calls back, as it likes.
contract TokenPlayTest is Cast {
    /// @dev What the runner asks of an invariant test: a contract, and which of its functions to call.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    error Withdrawn();

    HostileToken private _token;
    IVault private _vault;
    IARIA private _aria;
    TokenHandler private _handler;
    bytes4[] private _actions;
    uint256 private _steps;

    /// @dev That the environment is read keeps the runner from replaying a failed test, as in PlayTest.
    function setUp() external {
        _steps = VM.envOr("PLAY_STEPS", uint256(400));
        VM.warp(START);
        VM.roll(10_000);
        _token = new HostileToken();
        _vault = Deployed.vault(OWNER, address(_token), UNIT, 1 days);
        _aria = Deployed.aria(_vault, OPERATOR, address(_token), GUARDIAN, _criteria(), _rules());
        VM.prank(OWNER);
        _vault.announceHandOver(address(_aria));
        VM.prank(OWNER);
        _vault.handOver();
        _handler = new TokenHandler(_vault, _aria, _token);
        for (uint256 i; i < _handler.PARTIES(); ++i) _fund(_handler.partyAt(i));
        _token.perform(address(_aria), abi.encodeCall(IARIA.postBond, ()));
        for (uint256 i; i < 2; ++i) _join(_handler.partyAt(i));
        VM.warp(START + EPOCH_SECONDS);
        _actions = [
            _handler.turn.selector,
            _handler.turn.selector,
            _handler.deposit.selector,
            _handler.deposit.selector,
            _handler.withdraw.selector,
            _handler.withdraw.selector,
            _handler.request.selector,
            _handler.sweep.selector,
            _handler.release.selector
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
            _true(_handler.reached(scenes[i]) > 0, string.concat("never reached: ", scenes[i]));
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
        for (id[0] = 1; id[0] <= _handler.requestCount(); ++id[0]) {
            if (_aria.requestOf(id[0]).status != IARIATypes.RequestStatus.Released) _aria.releaseEscrow(id);
        }
        _leave(0);
        _leave(1);
        _token.perform(address(_aria), abi.encodeCall(IARIA.releaseBond, ()));
        for (uint256 i; i < _handler.PARTIES(); ++i) {
            address party = _handler.partyAt(i);
            uint64 balance = _vault.balanceOf(_vault.accountOf(party));
            if (balance == 0) continue;
            VM.prank(party);
            _vault.withdraw(balance, payable(party));
        }
        _equal(_token.gifts(), _token.balanceOf(address(_vault)), "left behind");
    }

    function _leave(uint256 index) private {
        address der = _handler.partyAt(index);
        VM.prank(der);
        _aria.leave();
        VM.warp(_now() + 30 days);
        VM.prank(der);
        _aria.close();
    }

    // ---------------------------------------------------------------------------------------------------- Invariants

    function _all() private {
        string memory broken = _handler.broken();
        if (bytes(broken).length > 0) revert NotTrue(broken);
        uint256 sum;
        for (uint32 account = 1; account <= _vault.accountCount(); ++account)
            sum += _vault.balanceOf(account);
        _equal(sum * UNIT + _token.gifts(), _token.balanceOf(address(_vault)), "I1: tokens held");
        uint256 owed;
        for (uint32 id = 1; id <= _handler.requestCount(); ++id) owed += _aria.requestOf(id).escrow;
        _equal(owed, _vault.balanceOf(_aria.escrowAccount()), "I2: ARIA's account");
        for (uint256 i; i < _handler.PARTIES(); ++i) {
            address party = _handler.partyAt(i);
            uint64 free = _vault.freeOf(party);
            if (free > 0) _true(_canWithdraw(party, free), "I7: all that is free");
            _true(!_canWithdraw(party, free + 1), "I7: a unit more");
        }
    }

    /// @dev Tries a withdrawal, with the token being honest, and takes it back.
    function _canWithdraw(address party, uint64 amount) private returns (bool) {
        try this.withdrawAndRevert(party, amount) {
            return false;
        } catch (bytes memory reason) {
            return bytes4(reason) == Withdrawn.selector;
        }
    }

    /// @dev Not for tests to call: reverts in any case, with Withdrawn if the tokens came.
    function withdrawAndRevert(address party, uint64 amount) external {
        _token.turn(HostileToken.Mood.Honest);
        uint256 before = _token.balanceOf(GUARDIAN);
        VM.prank(party);
        _vault.withdraw(amount, payable(GUARDIAN));
        if (_token.balanceOf(GUARDIAN) == before + amount * UNIT) revert Withdrawn();
    }
}
