// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIA} from "../../../contracts/interfaces/IARIA.sol";
import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {Notes} from "../Notes.sol";
import {Row, Rows} from "../Rows.sol";
import {Cast} from "../system/Cast.sol";
import {VM} from "../Vm.sol";
import {HostileToken} from "./HostileToken.sol";

/// @title TokenHandler: what parties do with a token that turns against them, and is the Aggregator into the bargain.
contract TokenHandler is Cast, Notes {
    uint256 public constant PARTIES = 5;

    IVault private immutable _vault;
    IARIA private immutable _aria;
    HostileToken private immutable _token;

    uint32 public requestCount;
    mapping(uint256 requestId => bytes) private _rows;
    /// @dev A request for which an order is placed, and that the Aggregator has not made yet.
    bytes private _nextRows;
    bytes private _nextCall;
    uint32 private _nextEpoch;

    constructor(IVault vault, IARIA aria, HostileToken token) {
        (_vault, _aria, _token) = (vault, aria, token);
    }

    /// @dev After each action: what the token did by itself is taken note of, and nobody else has lost anything.
    modifier watched() {
        uint256[2] memory before = [_wealth(partyAt(0)), _wealth(OUTSIDER)];
        _;
        if (_aria.requestOf(requestCount + 1).status != IARIATypes.RequestStatus.None) {
            _rows[++requestCount] = _nextRows;
            delete _nextRows;
        }
        if (_token.mood() == HostileToken.Mood.Fee) return;
        _note(_wealth(partyAt(0)) >= before[0], "I3: who delivers and deposits lost something");
        _note(_wealth(OUTSIDER) >= before[1], "I3: who only deposits lost something");
    }

    // ----------------------------------------------------------------------------------------------------- The token

    /// @notice The token turns, with a plan of what to call when money moves.
    function turn(uint256 seed) external watched {
        HostileToken.Call[] memory calls = new HostileToken.Call[](1 + (_random(seed, 1) % 4));
        for (uint256 i; i < calls.length; ++i) calls[i] = _call(_random(seed, 2 + i));
        _token.plan(calls);
        // Reentrant half of the time: it is what there are most ways of.
        _token.turn(seed % 2 == 0 ? HostileToken.Mood.Reentrant : HostileToken.Mood((seed >> 8) % 6));
        _count(["honest", "fee", "false", "revert", "silent", "reentrant"][uint256(_token.mood())]);
    }

    function _call(uint256 dice) private view returns (HostileToken.Call memory) {
        uint64 amount = uint64(1 + ((dice >> 8) % 50_000));
        uint32 id = uint32(1 + ((dice >> 64) % (requestCount + 1)));
        bytes[] memory calls = new bytes[](12);
        calls[0] = abi.encodeCall(IVault.deposit, (address(_token), amount));
        calls[1] = abi.encodeCall(IVault.deposit, (partyAt((dice >> 128) % PARTIES), amount));
        calls[2] = abi.encodeCall(IVault.withdraw, (amount, payable(address(_token))));
        calls[3] = abi.encodeCall(IVault.withdraw, (_vault.freeOf(address(_token)), payable(OUTSIDER)));
        calls[4] = abi.encodeCall(IVault.settle, (_theft(amount), ""));
        calls[5] = abi.encodeCall(IVault.setLock, (OPERATOR, type(uint64).max));
        calls[6] = _sweepOf(id);
        calls[7] = abi.encodeCall(IARIA.releaseEscrow, (_only(id)));
        calls[8] = _nextCall;
        calls[9] = abi.encodeCall(IARIA.releaseBond, ());
        calls[10] = abi.encodeCall(IARIA.postBond, ());
        calls[11] = abi.encodeCall(HostileToken.give, (address(_vault), amount));
        uint256 chosen = dice % 12;
        if (chosen == 11) return HostileToken.Call(address(_token), calls[chosen]);
        return HostileToken.Call(chosen < 6 ? address(_vault) : address(_aria), calls[chosen]);
    }

    /// @dev From the Operator's account to the token's.
    function _theft(uint64 amount) private view returns (bytes memory) {
        bytes memory taken = bytes.concat(bytes4(_aria.operatorAccount()), bytes8(uint64(-int64(amount))));
        return bytes.concat(taken, bytes4(_aria.aggregatorAccount()), bytes8(amount));
    }

    // --------------------------------------------------------------------------------------------------------- Money

    /// @notice Somebody pays in, or the token does for it.
    function deposit(uint256 seed) external watched {
        address party = partyAt((seed >> 8) % PARTIES);
        address payer = seed % 4 == 0 ? address(_token) : party;
        uint64 amount = uint64(_within(_random(seed, 1), 1, 500_000));
        uint32 account = _vault.accountOf(party);
        uint256[2] memory before = [_token.balanceOf(payer), uint256(_vault.balanceOf(account))];
        VM.prank(payer);
        try _vault.deposit(party, amount) {
            HostileToken.Mood mood = _token.mood();
            _count("deposit");
            _note(mood != HostileToken.Mood.Fee, "I1: credited what a fee was kept of");
            _note(mood != HostileToken.Mood.False, "I1: credited what did not come");
            if (mood == HostileToken.Mood.Reentrant) return;
            _note(_token.balanceOf(payer) == before[0] - amount * UNIT, "I1: what the payer paid");
            _note(_vault.balanceOf(account) == before[1] + amount, "I1: what was credited");
        } catch {
            _note(!_keepsItsWord(), "I1: an honest deposit was refused");
            _count("deposit refused");
        }
    }

    /// @notice Somebody takes out some of what is free, all, or a unit more.
    function withdraw(uint256 seed) external watched {
        address party = partyAt(seed % PARTIES);
        uint64 free = _vault.freeOf(party);
        uint64 amount = uint64(_within(_random(seed, 1), 0, free));
        if (seed % 7 == 0) amount = free + 1;
        uint256 before = _token.balanceOf(party);
        VM.prank(party);
        try _vault.withdraw(amount, payable(party)) {
            _note(amount <= free, "I7: withdrawn more than was free");
            _note(_token.mood() != HostileToken.Mood.False, "I7: took off what was not paid out");
            if (_keepsItsWord())
                _note(_token.balanceOf(party) == before + amount * UNIT, "I7: what was received");
            _count("withdrawal");
        } catch {
            _note(amount == 0 || amount > free || !_keepsItsWord(), "I7: what is free can be withdrawn");
            _count("withdrawal refused");
        }
    }

    /// @dev Whether a transfer does what it says, and nothing else.
    function _keepsItsWord() private view returns (bool) {
        HostileToken.Mood mood = _token.mood();
        return mood == HostileToken.Mood.Honest || mood == HostileToken.Mood.Silent;
    }

    // ------------------------------------------------------------------------------------------------------ Settling

    /// @notice The Operator orders what the Aggregator requests, now or out of the middle of a transfer.
    function request(uint256 seed) external watched {
        if (_nextRows.length == 0 || _nextEpoch <= _aria.currentEpoch()) _prepare(seed);
        if (seed % 2 == 0) return;
        _restoreBond();
        if (_token.perform(address(_aria), _nextCall)) _count("request");
    }

    /// @dev What the Aggregator took out of its account in the middle of a transfer, it puts back to go on.
    function _restoreBond() private {
        uint64 balance = _vault.balanceOf(_aria.aggregatorAccount());
        if (balance < AGGREGATOR_BOND) {
            _token.mint(address(_token), AGGREGATOR_BOND * UNIT);
            bytes memory deposit_ = abi.encodeCall(IVault.deposit, (address(_token), AGGREGATOR_BOND));
            _token.perform(address(_vault), deposit_);
        }
        _token.perform(address(_aria), abi.encodeCall(IARIA.postBond, ()));
    }

    function _prepare(uint256 seed) private {
        uint32 first = _aria.currentEpoch() + 1;
        if (_aria.requestedUntil() > first) first = _aria.requestedUntil();
        Row[] memory rows = new Row[](2);
        uint32[] memory baseline = new uint32[](1);
        for (uint256 i; i < rows.length; ++i) {
            uint32 account = _vault.accountOf(partyAt(i));
            IARIATypes.AgreementView memory agreement = _aria.agreementOf(account);
            rows[i] = Row(account, agreement.price, agreement.deposit, new uint32[](1), new uint32[](1));
            rows[i].requestedWh[0] = uint32(_within(_random(seed, i), 0, 2_500));
            // The first delivers always; the second what it likes.
            if (i == 1) rows[i].shortfallWh[0] = uint32(_within(_random(seed, 9), 0, rows[i].requestedWh[0]));
            baseline[0] += rows[i].requestedWh[0];
        }
        bytes memory figures = Rows.figuresOf(baseline);
        VM.prank(OPERATOR);
        IARIATypes.Order memory order = IARIATypes.Order(_aria.orderBaseline(first, figures), first, figures);
        _nextEpoch = first;
        _nextRows = abi.encode(rows);
        _nextCall = abi.encodeCall(IARIA.requestFlow, (order, first, 1, Rows.requests(rows)));
    }

    /// @notice The Aggregator sweeps.
    function sweep(uint256 seed) external watched {
        if (requestCount == 0) return;
        uint32 id = uint32(requestCount - (seed % 2 == 0 ? 0 : seed % requestCount));
        uint256 end = (uint256(_aria.requestOf(id).firstEpoch) + 1) * EPOCH_SECONDS;
        if (seed % 8 != 0) _warpTo(end);
        if (_token.perform(address(_aria), _sweepOf(id))) _count("sweep");
    }

    function _sweepOf(uint32 id) private view returns (bytes memory) {
        if (id > requestCount) return "";
        Row[] memory rows = abi.decode(_rows[id], (Row[]));
        return abi.encodeCall(IARIA.sweepEpoch, (id, Rows.requests(rows), Rows.shortfalls(rows), bytes32(0)));
    }

    /// @notice Anybody releases what is over.
    function release(uint256 seed) external watched {
        if (requestCount == 0) return;
        uint32 id = uint32(1 + (seed % requestCount));
        IARIATypes.FlowRequest memory flow = _aria.requestOf(id);
        if (seed % 4 == 0) _warpTo(_now() + _rules().disputeWindowSeconds + 1);
        bool open = flow.status == IARIATypes.RequestStatus.Swept;
        uint64 before = _vault.balanceOf(_aria.operatorAccount());
        try _aria.releaseEscrow(_only(id)) {
            _note(
                _vault.balanceOf(_aria.operatorAccount()) == before + flow.escrow,
                "I3: what the Operator gets back"
            );
            _count("release");
        } catch {
            _note(!open || _now() <= flow.sweptAt + _rules().disputeWindowSeconds, "I10: no release");
        }
    }

    // ------------------------------------------------------------------------------------------------------------ Who

    /// @notice Two DERs, the Operator, somebody who only deposits, and the token itself.
    function partyAt(uint256 index) public view returns (address) {
        if (index < 2) return address(uint160(0xde000000 + index));
        if (index == 2) return OPERATOR;
        return index == 3 ? OUTSIDER : address(_token);
    }

    /// @dev What somebody has in and outside the Vault, in the token's smallest part.
    function _wealth(address party) private view returns (uint256) {
        return _token.balanceOf(party) + _vault.balanceOf(_vault.accountOf(party)) * UNIT;
    }

    function _only(uint32 id) private pure returns (uint32[] memory ids) {
        ids = new uint32[](1);
        ids[0] = id;
    }
}
