// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {Merkle} from "../Merkle.sol";
import {Row, Rows} from "../Rows.sol";
import {VM} from "../Vm.sol";
import {Parties} from "./Parties.sol";

/// @title Market: the Operator orders, the Aggregator requests and sweeps, and every unit that moves is accounted for.
abstract contract Market is Parties {
    uint256 private constant ORDERED_EPOCHS = 40;

    /// @dev The latest order, and what is left of it by plain subtraction.
    uint32 private _orderId;
    uint32 private _orderFirst;
    uint32[] private _left;

    // ------------------------------------------------------------------------------------------------------ Request

    /// @notice The Aggregator requests flow of some DERs, mostly after all that is requested, now and then of epochs
    /// that may have been requested already, or of DERs that may not be asked.
    function request(uint256 seed) external watched(Act.Request) {
        uint16 count = [1, 2, 3, 9, 16, 17][_random(seed, 1) % 6];
        uint256 first = TARGET.currentEpoch() + (seed % 16 == 0 ? 0 : 1);
        if (seed % 8 != 0 && first < TARGET.requestedUntil()) first = TARGET.requestedUntil();
        first += (_random(seed, 2) % 8) / 7;
        _request(seed, uint32(first), count, 0);
    }

    /// @notice The Aggregator requests the same epochs again of DERs that were not asked yet, or of those that were.
    function requestPage(uint256 seed) external watched(Act.Request) {
        if (requestCount == 0) return;
        Play storage play = _plays[requestCount];
        Row[] memory rows = _rowsOf(requestCount);
        uint32 above = seed % 8 == 0 ? 0 : rows[rows.length - 1].account;
        _request(seed, play.firstEpoch, play.count, above);
    }

    function _request(uint256 seed, uint32 first, uint16 count, uint32 above) private {
        Row[] memory rows = _pageOf(seed, count, above);
        if (rows.length == 0) return;
        IARIATypes.Order memory order = _orderFor(seed, first, count);
        uint64 before = VAULT.balanceOf(TARGET.operatorAccount());
        VM.prank(AGGREGATOR);
        try TARGET.requestFlow(order, first, count, Rows.requests(rows)) returns (uint32 id) {
            _note(!TARGET.paused(), "requested in a pause");
            _requireInForce(rows, first, count);
            _draw(rows, first, count);
            _ledgers[id].escrowed = before - VAULT.balanceOf(TARGET.operatorAccount());
            _record(id, rows, first, count);
        } catch {
            _count("request refused");
        }
    }

    /// @dev Some of the DERs with accounts above a given one, in ascending order.
    function _pageOf(uint256 seed, uint256 count, uint32 above) private view returns (Row[] memory rows) {
        uint32 accounts = VAULT.accountCount();
        rows = new Row[](accounts);
        uint256 found;
        for (uint32 account = above + 1; account <= accounts; ++account) {
            uint256 dice = _random(seed, 100 + account);
            IARIATypes.AgreementView memory agreement = TARGET.agreementOf(account);
            bool mayBe =
                agreement.status == IARIATypes.AgreementStatus.Active ||
                    agreement.status == IARIATypes.AgreementStatus.Leaving;
            if (agreement.status == IARIATypes.AgreementStatus.None) continue;
            // One that may not be asked is tried now and then; one in four is left for another page.
            if (mayBe ? dice % 4 == 0 : dice % 16 != 0) continue;
            rows[found++] = _row(dice, account, agreement, count);
        }
        assembly ("memory-safe") {
            mstore(rows, found)
        }
    }

    function _row(
        uint256 dice,
        uint32 account,
        IARIATypes.AgreementView memory agreement,
        uint256 count
    ) private pure returns (Row memory row) {
        row = Row(account, agreement.price, agreement.powerW, new uint32[](count), new uint32[](count));
        for (uint256 i; i < count; ++i) {
            uint256 most = _capacityOf(agreement.powerW);
            uint256 wh = _within(_random(dice, i), 0, most);
            if ((dice >> 8) % 4 == 0) wh = most; // full power
            if ((dice >> 16) % 64 == 0) wh = most + 1; // too much
            row.requestedWh[i] = uint32(wh);
        }
    }

    /// @dev An order that covers the epochs: the latest, or a new one.
    function _orderFor(
        uint256 seed,
        uint256 first,
        uint256 count
    ) private returns (IARIATypes.Order memory order) {
        if (_orderId == 0 || first < _orderFirst || first + count > _orderFirst + ORDERED_EPOCHS)
            _order(seed);
        return IARIATypes.Order(_orderId, _orderFirst, Rows.figuresOf(_left));
    }

    function _order(uint256 seed) private {
        uint32[] memory baseline = new uint32[](ORDERED_EPOCHS);
        for (uint256 i; i < ORDERED_EPOCHS; ++i) {
            baseline[i] = uint32(_within(_random(seed, 200 + i), 2_000, 40_000));
        }
        _orderFirst = TARGET.currentEpoch() + 1;
        VM.prank(OPERATOR);
        _orderId = TARGET.orderBaseline(_orderFirst, Rows.figuresOf(baseline));
        _left = baseline;
    }

    /// @dev Takes a request off the order; no epoch may fall below zero, and ARIA must have the same rest.
    function _draw(Row[] memory rows, uint256 first, uint256 count) private {
        for (uint256 i; i < count; ++i) {
            uint256 column;
            for (uint256 row; row < rows.length; ++row) column += rows[row].requestedWh[i];
            uint256 at = first - _orderFirst + i;
            _note(column <= _left[at], "more requested than ordered");
            _left[at] -= column > _left[at] ? _left[at] : uint32(column);
        }
        bytes32 rest = keccak256(abi.encode(_orderFirst, Rows.figuresOf(_left)));
        _note(TARGET.orderHash(_orderId) == rest, "what is left of the order");
    }

    function _requireInForce(Row[] memory rows, uint256 first, uint256 count) private {
        _note(first > TARGET.currentEpoch(), "requested after the start");
        for (uint256 i; i < rows.length; ++i) {
            IARIATypes.AgreementView memory agreement = TARGET.agreementOf(rows[i].account);
            bool leaving = agreement.status == IARIATypes.AgreementStatus.Leaving;
            _note(
                leaving || agreement.status == IARIATypes.AgreementStatus.Active,
                "requested, not in force"
            );
            _note(first >= agreement.sinceEpoch, "requested before commissioning");
            _note(!leaving || first + count <= agreement.untilEpoch, "requested after leaving");
        }
    }

    function _record(uint32 id, Row[] memory rows, uint32 first, uint16 count) private {
        requestCount = id;
        _count(rows.length * count > 32 ? "request of several leaves" : "request of one leaf");
        _plays[id] = Play(
            first,
            count,
            false,
            0,
            abi.encode(rows),
            abi.encode(new uint64[](rows.length)),
            abi.encode(new IARIATypes.FlowLeaf[](0))
        );
        for (uint256 row; row < rows.length; ++row) {
            uint256 capacity = _capacityOf(TARGET.agreementOf(rows[row].account).powerW);
            for (uint256 i; i < count; ++i) {
                uint256 key = _key(rows[row].account, first + i);
                Energy storage energy = _energy[key];
                if (energy.timesRequested == 0) _keys.push(key);
                ++energy.timesRequested;
                energy.requested += rows[row].requestedWh[i];
                energy.capacity = capacity;
            }
        }
    }

    /// @dev What a power can deliver in an epoch, in Wh, rounded up.
    function _capacityOf(uint256 powerW) private pure returns (uint256) {
        return (powerW * EPOCH_SECONDS + 3599) / 3600;
    }

    // -------------------------------------------------------------------------------------------------------- Sweep

    /// @notice The Aggregator sweeps a request with whatever shortfalls, in time or not.
    function sweep(uint256 seed) external watched(Act.Sweep) {
        uint32 id = _startingWithRequest(seed, IARIATypes.RequestStatus.Requested);
        if (id == 0) return;
        Play storage play = _plays[id];
        uint256 end = (uint256(play.firstEpoch) + play.count) * EPOCH_SECONDS;
        uint256 deadline = end + _rules().sweepWindowSeconds;
        if (seed % 16 != 0) _warpTo(end + (_random(seed, 1) % (EPOCH_SECONDS / 2)));

        Row[] memory rows = _short(seed, _rowsOf(id));
        (bytes memory flow, bytes32 flowRoot) = _flowOf(seed, play.firstEpoch, rows);
        _sweepTurned(id, rows, flowRoot);
        uint64[] memory before = _balancesOf(rows);
        uint64 beforeFee = VAULT.balanceOf(TARGET.aggregatorAccount());
        VM.prank(AGGREGATOR);
        try TARGET.sweepEpoch(id, Rows.requests(rows), Rows.shortfalls(rows), flowRoot) {
            _note(_now() >= end && _now() <= deadline, "swept out of time");
            (play.swept, play.flowRoot, play.flow, play.rows) = (true, flowRoot, flow, abi.encode(rows));
            _settle(id, rows, before);
            _ledgers[id].fee = VAULT.balanceOf(TARGET.aggregatorAccount()) - beforeFee;
            _note(_ledgers[id].fee == (_ledgers[id].paid * FEE_BPS) / 10_000, "fee");
            _count("sweep");
        } catch {
            _count("sweep refused");
        }
    }

    /// @dev The Aggregator passes the first two leaves of rows the other way round: as siblings, they have the same root.
    function _sweepTurned(uint32 id, Row[] memory rows, bytes32 flowRoot) private {
        uint256 perLeaf = rows[0].requestedWh.length > 16 ? 1 : 32 / rows[0].requestedWh.length;
        if (rows.length < 2 * perLeaf) return;
        Row[] memory turned = new Row[](rows.length);
        for (uint256 i; i < rows.length; ++i) turned[i] = rows[i];
        for (uint256 i; i < perLeaf; ++i) (turned[i], turned[perLeaf + i]) = (rows[perLeaf + i], rows[i]);
        VM.prank(AGGREGATOR);
        try TARGET.sweepEpoch(id, Rows.requests(turned), Rows.shortfalls(turned), flowRoot) {
            _note(false, "swept in another order than requested");
        } catch {
            _count("turned sweep refused");
        }
    }

    /// @dev Reads from each DER's balance what it was paid and what was taken from it.
    function _settle(uint32 id, Row[] memory rows, uint64[] memory before) private {
        uint64[] memory afterwards = _balancesOf(rows);
        uint64[] memory taken = new uint64[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            (uint256 paid, uint256 due) = _credit(_plays[id].firstEpoch, rows[i]);
            int256 lost = int256(paid) + int256(uint256(before[i])) - int256(uint256(afterwards[i]));
            uint256 deposit = (uint256(rows[i].powerW) * DEPOSIT_PER_KW + 999) / 1_000;
            uint256 standing = before[i] < deposit ? before[i] : deposit;
            _note(lost >= 0, "paid too much at a sweep");
            _note(lost <= int256(standing), "I5: more taken than the deposit standing");
            _note(lost == int256(due < standing ? due : standing), "penalty");
            if (lost > 0) _count(due > standing ? "penalty capped" : "penalty");
            taken[i] = uint64(uint256(lost));
            _ledgers[id].paid += paid;
            _ledgers[id].penalties += taken[i];
        }
        _plays[id].taken = abi.encode(taken);
    }

    /// @return paid what a row earns. @return due the penalty on what is missing beyond the tolerance.
    function _credit(uint256 first, Row memory row) private returns (uint256 paid, uint256 due) {
        uint256 excess;
        for (uint256 i; i < row.requestedWh.length; ++i) {
            uint256 credited = row.requestedWh[i] - row.shortfallWh[i];
            _energy[_key(row.account, first + i)].credited += credited;
            paid += credited;
            excess += excessOf(row.requestedWh[i], row.shortfallWh[i]);
        }
        return ((paid * row.price) / 1000, (excess * row.price * PENALTY_BPS) / 10_000_000);
    }

    /// @notice What is missing beyond the tolerance.
    function excessOf(uint256 requestedWh, uint256 shortfallWh) public pure returns (uint256) {
        uint256 allowed = (requestedWh * TOLERANCE_BPS) / 10_000;
        if (allowed < TOLERANCE_FLOOR_WH) allowed = TOLERANCE_FLOOR_WH;
        return shortfallWh > allowed ? shortfallWh - allowed : 0;
    }

    /// @dev Nothing missing, a little, some or all; rarely more than was asked, which must be refused.
    function _short(uint256 seed, Row[] memory rows) private pure returns (Row[] memory) {
        bool honest = _random(seed, 2) % 6 == 0;
        for (uint256 row; row < rows.length; ++row) {
            for (uint256 i; i < rows[row].requestedWh.length; ++i) {
                (uint256 dice, uint32 asked) = (_random(seed, 1000 * row + i), rows[row].requestedWh[i]);
                uint256 missing;
                if (dice % 8 == 0) missing = _within(dice >> 8, 0, asked < 20 ? asked : 20);
                else if (dice % 8 < 4) missing = _within(dice >> 8, 0, asked);
                else if (dice % 8 == 4) missing = asked;
                if (dice % 1024 == 7) missing = uint256(asked) + 1;
                rows[row].shortfallWh[i] = honest ? 0 : uint32(missing);
            }
        }
        return rows;
    }

    /// @dev What the Aggregator's own meters say: what it sweeps, but for one leaf in eight.
    function _flowOf(
        uint256 seed,
        uint32 first,
        Row[] memory rows
    ) private pure returns (bytes memory flow, bytes32 flowRoot) {
        uint256 count = rows[0].requestedWh.length;
        IARIATypes.FlowLeaf[] memory leaves = new IARIATypes.FlowLeaf[](rows.length * count);
        for (uint256 i; i < leaves.length; ++i) {
            (Row memory row, uint256 epoch) = (rows[i / count], i % count);
            uint256 dice = _random(seed, 5000 + i);
            (uint32 asked, uint32 missing) = (row.requestedWh[epoch], row.shortfallWh[epoch]);
            uint64 wh = dice % 8 == 0 || missing > asked ? asked : asked - missing;
            leaves[i] = IARIATypes.FlowLeaf(row.account, first + uint32(epoch), wh, 0, bytes32(dice));
        }
        return (abi.encode(leaves), Merkle.rootOf(_hashesOf(leaves)));
    }

    function _hashesOf(IARIATypes.FlowLeaf[] memory leaves) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](leaves.length);
        for (uint256 i; i < leaves.length; ++i) {
            hashes[i] = keccak256(abi.encode(keccak256(abi.encode(leaves[i]))));
        }
    }

    function _balancesOf(Row[] memory rows) internal view returns (uint64[] memory balances) {
        balances = new uint64[](rows.length);
        for (uint256 i; i < rows.length; ++i) balances[i] = VAULT.balanceOf(rows[i].account);
    }

    /// @dev A request of this status, if there is one; 0 without.
    function _startingWithRequest(
        uint256 seed,
        IARIATypes.RequestStatus status
    ) internal view returns (uint32) {
        for (uint32 i; i < requestCount; ++i) {
            uint32 id = uint32(1 + addmod(seed, i, requestCount));
            if (TARGET.requestOf(id).status == status) return id;
        }
        return 0;
    }
}
