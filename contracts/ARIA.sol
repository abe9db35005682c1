// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Front} from "./aria/Front.sol";
import {Requests} from "./aria/Requests.sol";
import {Terms} from "./aria/Terms.sol";
import {IARIA} from "./interfaces/IARIA.sol";
import {IVault} from "./interfaces/IVault.sol";
import {EpochRows} from "./libraries/EpochRows.sol";
import {FlowRows} from "./libraries/FlowRows.sol";
import {FlowTree} from "./libraries/FlowTree.sol";
import {Parameters} from "./libraries/Parameters.sol";
import {Settlement} from "./libraries/Settlement.sol";
import {ENERGY_BYTES} from "./types/EnergyLanes.sol";
import {LanesLibrary} from "./types/Lanes.sol";
import {Amounts, Octets} from "./types/Octets.sol";
import {Due, Penalties} from "./types/Penalties.sol";
import {PostingsLibrary} from "./types/Postings.sol";

/// @title ARIA: Aggregator Renewable Integration Agreement (see IARIA).
/// @dev This file holds what moves energy into money: the Aggregator's bond, the sweep, the release. The rest is in aria/:
/// Terms (parties and parameters) <- State (storage) <- Front (views) <- Requests (order and request) <- ARIA; and the Annex
/// on the same State, which ARIA runs as its other half: Agreements (join to leave), Disputes (claims and their outcomes).
contract ARIA is Requests {
    constructor(
        IVault vault_,
        address operator,
        address aggregator,
        address guardian,
        Criteria memory criteria_,
        Rules memory rules_
    )
        Terms(vault_, _openAccounts(vault_, operator, aggregator), criteria_, rules_)
        Front(vault_, criteria_, rules_)
    {
        if (operator == aggregator) revert PartyHasARole(operator);
        Parameters.requireSensible(criteria_, rules_);
        _progress.lastEpoch = type(uint32).max;
        // Each role is its own admin: nobody outside it, not even the owner, can give it to another key.
        _grantRole(OPERATOR_ROLE, operator);
        _setRoleAdmin(OPERATOR_ROLE, OPERATOR_ROLE);
        _grantRole(AGGREGATOR_ROLE, aggregator);
        _setRoleAdmin(AGGREGATOR_ROLE, AGGREGATOR_ROLE);
        if (guardian != address(0)) _grantRole(GUARDIAN_ROLE, guardian);
        _setRoleAdmin(GUARDIAN_ROLE, GUARDIAN_ROLE);
    }

    function _openAccounts(
        IVault vault_,
        address operator,
        address aggregator
    ) private returns (Accounts memory) {
        return
            Accounts(
                vault_.openAccount(operator),
                vault_.openAccount(aggregator),
                vault_.openAccount(address(this)),
                aggregator
            );
    }

    // -------------------------------------------------------------------------------------------- The Aggregator's bond

    /// @inheritdoc IARIA
    function postBond() external onlyRole(AGGREGATOR_ROLE) {
        uint64 balance = vault().balanceOf(AGGREGATOR_ACCOUNT);
        if (balance < AGGREGATOR_BOND) revert BondTooLow(AGGREGATOR_BOND, balance);

        _progress.bonded = true;
        emit BondPosted(AGGREGATOR_BOND);
        vault().setLock(AGGREGATOR, AGGREGATOR_BOND);
    }

    /// @inheritdoc IARIA
    function releaseBond() external onlyRole(AGGREGATOR_ROLE) {
        if (_progress.openRequests != 0) revert BondInUse(_progress.openRequests);

        _progress.bonded = false;
        emit BondReleased();
        vault().setLock(AGGREGATOR, 0);
    }

    // ------------------------------------------------------------------------------------------------------- Sweep

    /// @dev What a sweep comes to, in units.
    struct Sweep {
        /// @dev what each DER gains, eight accounts at a time
        bytes octets;
        /// @dev penalties due
        bytes dues;
        /// @dev penalties taken, of each row
        bytes taken;
        /// @dev amounts that do not fit octets
        bytes postings;
        uint256 paid;
        uint256 penalised;
    }

    /// @inheritdoc IARIA
    function sweepEpoch(
        uint32 requestId,
        bytes calldata rows,
        bytes calldata shortfalls,
        bytes32 flowRoot
    ) external onlyRole(AGGREGATOR_ROLE) {
        FlowRequest storage request = _requests[requestId];
        _requireSweepable(requestId, request);
        uint256 count = request.count;
        uint256 rowCount = _rowCount(rows, count);
        _requireLength(shortfalls, rowCount * count * ENERGY_BYTES);
        bytes32[] memory tree = FlowTree.requestTree(rows, count);
        if (tree[0] != request.commitment) revert RequestMismatch(request.commitment, tree[0]);

        Sweep memory sweep = _settleRows(rows, shortfalls, rowCount, count);
        sweep.taken = Penalties.noneTaken(rowCount);
        if (sweep.dues.length > 0) _penalise(requestId, rows, shortfalls, count, sweep);
        uint256 fee = Settlement.fee(sweep.paid, FEE_BPS);
        uint256 escrow = request.escrow + sweep.penalised - sweep.paid - fee;
        PostingsLibrary.put(sweep.postings, AGGREGATOR_ACCOUNT, int256(fee));
        PostingsLibrary.put(sweep.postings, ESCROW_ACCOUNT, int256(escrow) - int256(uint256(request.escrow)));

        tree = FlowTree.sweptTree(tree, shortfalls, sweep.taken, count);
        request.commitment = _sweptCommitment(tree[0], flowRoot);
        request.status = RequestStatus.Swept;
        request.sweptAt = uint40(block.timestamp);
        request.escrow = uint64(escrow);
        emit FlowSwept(requestId, flowRoot, uint64(escrow), uint64(fee), shortfalls);
        vault().settle(sweep.postings, sweep.octets);
    }

    function _requireSweepable(uint32 requestId, FlowRequest storage request) private view {
        if (request.status != RequestStatus.Requested) {
            revert WrongRequestStatus(requestId, RequestStatus.Requested, request.status);
        }
        uint256 untilEpoch = uint256(request.firstEpoch) + request.count;
        _requireOver(untilEpoch);
        uint256 deadline = _sweepDeadline(untilEpoch);
        if (block.timestamp > deadline) revert SweepWindowOver(deadline, block.timestamp);
    }

    /// @dev Payments and penalties due.
    function _settleRows(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 rowCount,
        uint256 count
    ) private view returns (Sweep memory sweep) {
        if (count == 1 && _largestPayment() <= Octets.MOST) {
            bool settled;
            _openLists(rows, rowCount, count, sweep);
            (settled, sweep.paid) = EpochRows.settle(
                rows,
                shortfalls,
                DELIVERY_TOLERANCE_BPS,
                TOLERANCE_FLOOR_WH,
                PENALTY_BPS,
                sweep.octets,
                sweep.dues
            );
            sweep.postings = PostingsLibrary.open(Penalties.countOf(sweep.dues) + 2);
            if (settled) return sweep;
        }
        _settleRowByRow(rows, shortfalls, rowCount, count, sweep);
    }

    /// @dev Room for the payments and penalties of all rows.
    function _openLists(
        bytes calldata rows,
        uint256 rowCount,
        uint256 count,
        Sweep memory sweep
    ) private pure {
        sweep.octets = Octets.open(_wordsOf(rows, rowCount, count));
        sweep.dues = Penalties.open(rowCount);
    }

    /// @dev The most that a DER can be paid for one epoch.
    function _largestPayment() private view returns (uint256) {
        return Settlement.payment(Settlement.capacityWh(MAX_POWER_W, EPOCH_SECONDS), MAX_PRICE);
    }

    /// @dev The plain way, for any number of epochs.
    function _settleRowByRow(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 rowCount,
        uint256 count,
        Sweep memory sweep
    ) private view {
        _openLists(rows, rowCount, count, sweep);
        sweep.postings = PostingsLibrary.open(2 * rowCount + 2);
        uint256 word = LanesLibrary.wordOf(FlowRows.accountOf(FlowRows.terms(rows, 0, count)));
        Amounts amounts;
        uint256 paid;
        for (uint256 row; row < rowCount; ++row) {
            (uint256 payment, uint256 due) = _settleRow(rows, shortfalls, row, count);
            paid += payment;
            uint32 account = FlowRows.accountOf(FlowRows.terms(rows, row, count));
            if (LanesLibrary.wordOf(account) != word) {
                Octets.put(sweep.octets, word, amounts);
                (word, amounts) = (LanesLibrary.wordOf(account), Amounts.wrap(0));
            }
            if (due > 0) Penalties.put(sweep.dues, row, sweep.octets.length, uint64(due));
            if (payment > Octets.MOST) PostingsLibrary.put(sweep.postings, account, int256(payment));
            else amounts = amounts.with(LanesLibrary.laneOf(account), int256(payment));
        }
        Octets.put(sweep.octets, word, amounts);
        sweep.paid = paid;
    }

    /// @dev What a row is paid, and what is due of it as a penalty.
    function _settleRow(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 row,
        uint256 count
    ) private view returns (uint256 payment, uint256 due) {
        (uint256 creditedWh, uint256 excessWh) = Settlement.deliveryOf(
            rows,
            shortfalls,
            row,
            count,
            DELIVERY_TOLERANCE_BPS,
            TOLERANCE_FLOOR_WH
        );
        uint256 price = FlowRows.priceOf(FlowRows.terms(rows, row, count));
        payment = Settlement.payment(creditedWh, price);
        // No deposit is larger than 64 bits, and so no penalty.
        if (excessWh != 0) due = _lesser(Settlement.penalty(excessWh, price, PENALTY_BPS), type(uint64).max);
    }

    /// @dev The most words that the accounts of rows, sorted by account, can lie in.
    function _wordsOf(bytes calldata rows, uint256 rowCount, uint256 count) private pure returns (uint256) {
        uint32 first = FlowRows.accountOf(FlowRows.terms(rows, 0, count));
        uint32 last = FlowRows.accountOf(FlowRows.terms(rows, rowCount - 1, count));
        return _lesser(LanesLibrary.wordOf(last) - LanesLibrary.wordOf(first) + 1, rowCount);
    }

    /// @dev Takes the penalties due, but of no DER more than the deposit that stands in its account; so no DER can make
    /// a sweep fail, either.
    function _penalise(
        uint32 requestId,
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 count,
        Sweep memory sweep
    ) private {
        uint64[] memory balances = _balancesOfShort(rows, count, sweep.dues);
        uint256 penalised;
        // No overflow: all are amounts of 64 bits, and what is taken is there.
        unchecked {
            for (uint256 i; i < balances.length; ++i) {
                Due due = Penalties.at(sweep.dues, i);
                uint96 terms = FlowRows.terms(rows, due.row(), count);
                uint32 account = FlowRows.accountOf(terms);
                uint256 deposit = _depositFor(FlowRows.powerOf(terms));
                uint256 balance = balances[i];
                uint256 taken = due.units();
                if (taken > deposit) taken = deposit;
                if (taken > balance) taken = balance;
                if (taken < due.units())
                    emit PenaltyCapped(requestId, account, uint64(due.units()), uint64(taken));
                Penalties.take(sweep.taken, due.row(), uint64(taken));
                penalised += taken;
                if (taken > Octets.MOST) {
                    PostingsLibrary.put(sweep.postings, account, -int256(taken));
                } else {
                    Octets.add(sweep.octets, due.octetAt(), LanesLibrary.laneOf(account), -int256(taken));
                }
                if (balance - taken < _floorOf(deposit))
                    _noteSuspension(rows, shortfalls, due.row(), count, balance - taken);
            }
        }
        sweep.penalised = penalised;
    }

    /// @dev A DER under its floor after the penalty may be above it with the payment.
    function _noteSuspension(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 row,
        uint256 count,
        uint256 balance
    ) private {
        uint96 terms = FlowRows.terms(rows, row, count);
        uint256 floor = _floorOf(_depositFor(FlowRows.powerOf(terms)));
        (uint256 payment, ) = _settleRow(rows, shortfalls, row, count);
        balance += payment;
        if (balance < floor)
            emit AgreementSuspended(FlowRows.accountOf(terms), uint64(floor), uint64(balance));
    }

    /// @dev What the accounts of the rows with a penalty due hold.
    function _balancesOfShort(
        bytes calldata rows,
        uint256 count,
        bytes memory dues
    ) private view returns (uint64[] memory) {
        uint32[] memory accounts = new uint32[](Penalties.countOf(dues));
        unchecked {
            for (uint256 i; i < accounts.length; ++i) {
                accounts[i] = FlowRows.accountOf(FlowRows.terms(rows, Penalties.at(dues, i).row(), count));
            }
        }
        return vault().balancesOf(accounts);
    }

    // ----------------------------------------------------------------------------------------------------- Release

    /// @inheritdoc IARIA
    function releaseEscrow(uint32[] calldata requestIds) external {
        uint256 released;
        for (uint256 i; i < requestIds.length; ++i) {
            FlowRequest storage request = _requests[requestIds[i]];
            RequestStatus status = request.status;
            if (status != RequestStatus.Requested && status != RequestStatus.Swept) {
                revert WrongRequestStatus(requestIds[i], RequestStatus.Swept, status);
            }
            (, uint256 closes) = _disputeWindow(request);
            if (block.timestamp <= closes || request.openDisputes != 0) {
                revert EscrowStillNeeded(requestIds[i], closes + 1, request.openDisputes);
            }

            released += request.escrow;
            emit EscrowReleased(requestIds[i], request.escrow);
            request.status = RequestStatus.Released;
            request.escrow = 0;
        }
        _progress.openRequests -= uint32(requestIds.length);
        _move(ESCROW_ACCOUNT, OPERATOR_ACCOUNT, released);
    }
}
