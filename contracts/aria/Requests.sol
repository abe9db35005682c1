// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIA} from "../interfaces/IARIA.sol";
import {EnergyRows} from "../libraries/EnergyRows.sol";
import {FlowRows} from "../libraries/FlowRows.sol";
import {FlowTree} from "../libraries/FlowTree.sol";
import {Settlement} from "../libraries/Settlement.sol";
import {Agreement} from "../types/Agreement.sol";
import {ENERGY_BYTES} from "../types/EnergyLanes.sol";
import {Front} from "./Front.sol";

/// @title Requests: what the Operator orders, and what the Aggregator asks of the DERs out of it.
abstract contract Requests is Front {
    /// @dev How far ahead an order may reach. Requests lie within orders and follow each other, and nobody leaves before
    /// what is requested; so without a bound, one request could hold everybody for ever.
    uint256 private constant MAX_EPOCHS_AHEAD = 4_096;

    // ------------------------------------------------------------------------------------------------------- Order

    /// @inheritdoc IARIA
    function orderBaseline(
        uint32 firstEpoch,
        bytes calldata baseline
    ) external onlyRole(OPERATOR_ROLE) returns (uint32 orderId) {
        if (baseline.length == 0) revert EmptyOrder();
        if (baseline.length % ENERGY_BYTES != 0) revert MalformedBytes(ENERGY_BYTES, baseline.length);
        if (!EnergyRows.areModest(baseline)) revert EnergyTooLarge();
        if (firstEpoch <= _currentEpoch()) revert EpochStarted(_currentEpoch() + 1, firstEpoch);
        uint256 untilEpoch = uint256(firstEpoch) + baseline.length / ENERGY_BYTES;
        _requireBeforeRetirement(untilEpoch);
        uint256 latest = uint256(_currentEpoch()) + MAX_EPOCHS_AHEAD;
        if (untilEpoch > latest) revert TooFarAhead(latest, untilEpoch);

        orderId = ++_progress.orderCount;
        _orders[orderId] = _orderHash(firstEpoch, baseline);
        emit BaselineOrdered(orderId, firstEpoch, baseline);
    }

    /// @inheritdoc IARIA
    function cancelOrder(uint32 orderId) external onlyRole(OPERATOR_ROLE) {
        if (_orders[orderId] == 0) revert UnknownOrder(orderId);
        delete _orders[orderId];
        emit OrderCancelled(orderId);
    }

    // ----------------------------------------------------------------------------------------------------- Request

    /// @inheritdoc IARIA
    function requestFlow(
        Order calldata order,
        uint32 firstEpoch,
        uint16 count,
        bytes calldata rows
    ) external onlyRole(AGGREGATOR_ROLE) returns (uint32 requestId) {
        _requireNotPaused();
        uint256 rowCount = _rowCount(rows, count);
        uint32 lastAccount = FlowRows.accountOf(FlowRows.terms(rows, rowCount - 1, count));
        _advance(firstEpoch, count, FlowRows.accountOf(FlowRows.terms(rows, 0, count)), lastAccount);
        _requireStanding(rows, rowCount, count);
        uint256 escrow = _drawOn(order, firstEpoch, count, rows, rowCount);

        requestId = ++_progress.requestCount;
        ++_progress.openRequests;
        _requests[requestId] = FlowRequest({
            commitment: FlowTree.requestTree(rows, count)[0],
            status: RequestStatus.Requested,
            firstEpoch: firstEpoch,
            count: count,
            openDisputes: 0,
            sweptAt: 0,
            escrow: uint64(escrow)
        });
        emit FlowRequested(requestId, order.id, firstEpoch, count, uint64(escrow), rows);
        _move(OPERATOR_ACCOUNT, ESCROW_ACCOUNT, escrow);
    }

    /// @dev How many rows there are, at least one.
    function _rowCount(bytes calldata rows, uint256 count) internal pure returns (uint256) {
        if (count == 0 || rows.length == 0) revert EmptyRequest();
        uint256 rowBytes = FlowRows.rowBytes(count);
        if (rows.length % rowBytes != 0) revert MalformedBytes(rowBytes, rows.length);
        return rows.length / rowBytes;
    }

    // ------------------------------------------------------------------------------------------------------ Private

    function _orderHash(uint32 firstEpoch, bytes memory baseline) private pure returns (bytes32) {
        return keccak256(abi.encode(firstEpoch, baseline));
    }

    function _requireBeforeRetirement(uint256 untilEpoch) private view {
        uint256 last = _progress.lastEpoch;
        if (untilEpoch > last + 1) revert Retiring(last);
    }

    /// @dev Requests follow each other: the next page of the same run of epochs has higher accounts, another run starts
    /// after the last one's end. So no DER is requested twice for one epoch, and no record per DER is needed to know it.
    function _advance(uint32 firstEpoch, uint16 count, uint32 firstAccount, uint32 lastAccount) private {
        if (firstEpoch <= _currentEpoch()) revert EpochStarted(_currentEpoch() + 1, firstEpoch);
        uint256 untilEpoch = uint256(firstEpoch) + count;
        _requireBeforeRetirement(untilEpoch);
        Progress storage progress = _progress;
        if (!progress.bonded) revert BondTooLow(AGGREGATOR_BOND, 0);

        bool samePage = firstEpoch == progress.latestFirstEpoch && untilEpoch == progress.requestedUntil;
        if (samePage) {
            if (firstAccount <= progress.latestAccount)
                revert RowsOutOfOrder(progress.latestAccount, firstAccount);
        } else {
            if (firstEpoch < progress.requestedUntil)
                revert RequestOutOfOrder(progress.requestedUntil, firstEpoch);
            progress.latestFirstEpoch = firstEpoch;
            progress.requestedUntil = uint32(untilEpoch);
        }
        progress.latestAccount = lastAccount;
    }

    /// @dev Everybody's deposit, and the Aggregator's bond, must stand.
    function _requireStanding(bytes calldata rows, uint256 rowCount, uint256 count) private view {
        uint32[] memory accounts = new uint32[](rowCount + 1);
        unchecked {
            for (uint256 row; row < rowCount; ++row)
                accounts[row] = FlowRows.accountOf(FlowRows.terms(rows, row, count));
        }
        accounts[rowCount] = AGGREGATOR_ACCOUNT;
        uint64[] memory balances = vault().balancesOf(accounts);
        unchecked {
            for (uint256 row; row < rowCount; ++row) {
                uint256 floor = _floorOf(_depositFor(FlowRows.powerOf(FlowRows.terms(rows, row, count))));
                if (balances[row] < floor) revert DepositUnderFloor(accounts[row], floor, balances[row]);
            }
        }
        if (balances[rowCount] < AGGREGATOR_BOND) revert BondTooLow(AGGREGATOR_BOND, balances[rowCount]);
    }

    /// @dev Takes what is requested off what is left of an order. @return escrow the most that it can cost, in units.
    function _drawOn(
        Order calldata order,
        uint256 firstEpoch,
        uint256 count,
        bytes calldata rows,
        uint256 rowCount
    ) private returns (uint256 escrow) {
        bytes memory baseline = order.baseline;
        bytes32 expected = _orders[order.id];
        if (expected == 0) revert UnknownOrder(order.id);
        bytes32 received = _orderHash(order.firstEpoch, baseline);
        if (received != expected) revert OrderMismatch(expected, received);
        uint256 untilEpoch = order.firstEpoch + baseline.length / ENERGY_BYTES;
        if (firstEpoch < order.firstEpoch || firstEpoch + count > untilEpoch) {
            revert OutsideOrder(order.firstEpoch, untilEpoch);
        }
        uint256 offset = firstEpoch - order.firstEpoch;
        uint256[] memory left = EnergyRows.open(baseline, offset, count);
        _requireModest(rowCount, left.length);
        escrow = _drawRows(left, rows, rowCount, firstEpoch, count);
        if (!EnergyRows.close(left, baseline, offset, count))
            _refuse(order, firstEpoch, count, rows, rowCount);
        _orders[order.id] = _orderHash(order.firstEpoch, baseline);
    }

    /// @dev That sums fit their lanes: those of the rows to an epoch, and of a row to eight of them.
    function _requireModest(uint256 rowCount, uint256 wordCount) private view {
        uint256 most = (2 ** 31 - 1) / Settlement.capacityWh(MAX_POWER_W, EPOCH_SECONDS);
        uint256 received = rowCount > wordCount ? rowCount : wordCount;
        if (received > most) revert RequestTooLarge(most, received);
    }

    /// @dev Checks each row against its agreement, and takes it off what is left of its epochs.
    function _drawRows(
        uint256[] memory left,
        bytes calldata rows,
        uint256 rowCount,
        uint256 firstEpoch,
        uint256 count
    ) private view returns (uint256 escrow) {
        uint32 previous;
        // The sum does not overflow: figures and prices are 32 bits, rows and epochs far fewer than 2^32.
        unchecked {
            for (uint256 row; row < rowCount; ++row) {
                uint96 terms = FlowRows.terms(rows, row, count);
                uint256 capacityWh = _capacity(terms, previous, firstEpoch, firstEpoch + count);
                previous = FlowRows.accountOf(terms);
                (uint256 energyWh, bool beyondLimit) = EnergyRows.draw(left, rows, row, count, capacityWh);
                if (beyondLimit) revert PowerExceeded(previous, capacityWh);
                escrow += Settlement.escrow(energyWh, FlowRows.priceOf(terms), FEE_BPS);
            }
        }
    }

    /// @dev Checks a row's terms. Returns the most its DER can deliver in an epoch, in Wh.
    function _capacity(
        uint96 terms,
        uint32 previous,
        uint256 firstEpoch,
        uint256 untilEpoch
    ) private view returns (uint256) {
        uint32 account = FlowRows.accountOf(terms);
        if (account <= previous) revert RowsOutOfOrder(previous, account);
        Agreement agreement = _agreements[account];
        if (agreement.terms() != uint64(terms))
            revert TermsMismatch(account, agreement.terms(), uint64(terms));
        if (!agreement.inForce(firstEpoch, untilEpoch)) {
            revert AgreementNotInForce(account, agreement.since(), agreement.until());
        }
        return Settlement.capacityWh(agreement.powerW(), EPOCH_SECONDS);
    }

    /// @dev Names the first epoch in which more is requested than is left of the order.
    function _refuse(
        Order calldata order,
        uint256 firstEpoch,
        uint256 count,
        bytes calldata rows,
        uint256 rowCount
    ) private pure {
        for (uint256 i; i < count; ++i) {
            uint256 requested;
            for (uint256 row; row < rowCount; ++row) requested += FlowRows.requestedIn(rows, row, i, count);
            uint256 left = FlowRows.figureAt(order.baseline, firstEpoch - order.firstEpoch + i);
            if (requested > left) revert BaselineExceeded(firstEpoch + i, left, requested);
        }
    }
}
