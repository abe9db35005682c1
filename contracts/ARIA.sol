// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

import {Agreements} from "./aria/Agreements.sol";
import {Disputes} from "./aria/Disputes.sol";
import {Terms} from "./aria/Terms.sol";
import {IARIA} from "./interfaces/IARIA.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IVault} from "./interfaces/IVault.sol";
import {EnergyRows} from "./libraries/EnergyRows.sol";
import {FlowRows} from "./libraries/FlowRows.sol";
import {FlowTree} from "./libraries/FlowTree.sol";
import {Settlement} from "./libraries/Settlement.sol";
import {Statements} from "./libraries/Statements.sol";
import {Agreement} from "./types/Agreement.sol";
import {ENERGY_BYTES, EnergyLanesLibrary, LANES_PER_WORD} from "./types/EnergyLanes.sol";
import {PostingsLibrary} from "./types/Postings.sol";

/// @title ARIA: Aggregator Renewable Integration Agreement (see IARIA).
/// @dev This file holds the flow of energy and money: order, request, sweep, release. The rest is in aria/:
/// Terms (parties and parameters) <- State (storage) <- Agreements (join to leave) <- ARIA, and Disputes (claims and
/// their outcomes), which ARIA runs as its other half.
contract ARIA is Agreements, IARIA {
    /// @dev How far ahead an order may reach. Requests lie within orders and follow each other, and nobody leaves before
    /// what is requested; so without a bound, one request could hold everybody for ever.
    uint256 private constant MAX_EPOCHS_AHEAD = 4_096;

    /// @dev The rows' postings come after those of Aggregator and escrow.
    uint256 private constant FIRST_ROW = 2;

    /// @inheritdoc IARIA
    address public immutable disputes;

    constructor(
        IVault vault_,
        address operator,
        address aggregator,
        Criteria memory criteria_,
        Rules memory rules_
    ) Terms(vault_, _openAccounts(vault_, operator, aggregator), criteria_, rules_) {
        if (operator == aggregator) revert PartyHasARole(operator);
        _requireSensible(criteria_, rules_);
        disputes = address(
            new Disputes(
                vault_,
                Accounts(OPERATOR_ACCOUNT, AGGREGATOR_ACCOUNT, ESCROW_ACCOUNT),
                criteria_,
                rules_
            )
        );
        // Each role is its own admin: nobody outside it, not even the owner, can give it to another key.
        _grantRole(OPERATOR_ROLE, operator);
        _setRoleAdmin(OPERATOR_ROLE, OPERATOR_ROLE);
        _grantRole(AGGREGATOR_ROLE, aggregator);
        _setRoleAdmin(AGGREGATOR_ROLE, AGGREGATOR_ROLE);
    }

    // -------------------------------------------------------------------------------------------- The Aggregator's bond

    /// @inheritdoc IARIA
    function postBond() external onlyRole(AGGREGATOR_ROLE) {
        uint64 balance = vault().balanceOf(AGGREGATOR_ACCOUNT);
        if (balance < AGGREGATOR_BOND) revert BondTooLow(AGGREGATOR_BOND, balance);

        _progress.bonded = true;
        emit BondPosted(AGGREGATOR_BOND);
        vault().setLock(AGGREGATOR_ACCOUNT, AGGREGATOR_BOND);
    }

    /// @inheritdoc IARIA
    function releaseBond() external onlyRole(AGGREGATOR_ROLE) {
        if (_progress.openRequests != 0) revert BondInUse(_progress.openRequests);

        _progress.bonded = false;
        emit BondReleased();
        vault().setLock(AGGREGATOR_ACCOUNT, 0);
    }

    // ------------------------------------------------------------------------------------------------------- Order

    /// @inheritdoc IARIA
    function orderBaseline(
        uint32 firstEpoch,
        bytes calldata baseline
    ) external onlyRole(OPERATOR_ROLE) returns (uint32 orderId) {
        if (baseline.length == 0) revert EmptyOrder();
        if (baseline.length % ENERGY_BYTES != 0) revert MalformedBytes(ENERGY_BYTES, baseline.length);
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

    /// @inheritdoc IARIA
    function orderHash(uint32 orderId) external view returns (bytes32) {
        return _orders[orderId];
    }

    // ----------------------------------------------------------------------------------------------------- Request

    /// @inheritdoc IARIA
    function requestFlow(
        Order calldata order,
        uint32 firstEpoch,
        uint16 count,
        bytes calldata rows
    ) external onlyRole(AGGREGATOR_ROLE) returns (uint32 requestId) {
        uint256 rowCount = _rowCount(rows, count);
        uint32 lastAccount = FlowRows.accountOf(FlowRows.terms(rows, rowCount - 1, count));
        _advance(firstEpoch, count, FlowRows.accountOf(FlowRows.terms(rows, 0, count)), lastAccount);
        _requireStanding(rows, rowCount, count);
        (uint256 escrow, uint256[] memory columns) = _cost(rows, rowCount, firstEpoch, count);

        _drawOn(order, firstEpoch, count, columns);
        requestId = ++_progress.requestCount;
        ++_progress.openRequests;
        _requests[requestId] = FlowRequest({
            commitment: FlowTree.root(FlowTree.requestLeaves(rows, rowCount, count)),
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

    // ------------------------------------------------------------------------------------------------------- Sweep

    /// @dev What a sweep comes to, in units.
    struct Sweep {
        /// @dev to the Aggregator, to escrow, then row by row
        bytes postings;
        /// @dev taken, 8 bytes a row
        bytes penalties;
        uint256 paid;
        uint256 penalised;
        /// @dev the rows with a penalty due, and what is due; only the first `shortCount` count
        uint256[] shortRows;
        uint256[] due;
        uint256 shortCount;
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
        bytes32[] memory leaves = FlowTree.requestLeaves(rows, rowCount, count);
        bytes32 root = FlowTree.root(leaves);
        if (root != request.commitment) revert RequestMismatch(request.commitment, root);

        Sweep memory sweep = _settleRows(rows, shortfalls, rowCount, count);
        if (sweep.shortCount > 0) _penalise(requestId, rows, count, sweep);
        uint256 fee = Settlement.fee(sweep.paid, FEE_BPS);
        PostingsLibrary.add(sweep.postings, 0, int256(fee));
        PostingsLibrary.add(sweep.postings, 1, int256(sweep.penalised) - int256(sweep.paid) - int256(fee));

        uint256 escrow = request.escrow + sweep.penalised - sweep.paid - fee;
        root = FlowTree.root(FlowTree.sweptLeaves(leaves, shortfalls, sweep.penalties, count));
        request.commitment = _sweptCommitment(root, flowRoot);
        request.status = RequestStatus.Swept;
        request.sweptAt = uint40(block.timestamp);
        request.escrow = uint64(escrow);
        emit FlowSwept(requestId, flowRoot, uint64(escrow), uint64(fee), shortfalls);
        vault().settle(sweep.postings);
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

    // ---------------------------------------------------------------------------------------- Disputes: the other half

    /// @inheritdoc IDisputes
    function raiseDisputeEvent(
        FlowStatement calldata,
        bytes calldata,
        SettledRow calldata
    ) external returns (uint256) {
        _runDisputes();
    }

    /// @inheritdoc IDisputes
    function resolveDispute(uint256, uint32, Fault, bytes32) external {
        _runDisputes();
    }

    /// @inheritdoc IDisputes
    function settleByDefault(uint256) external {
        _runDisputes();
    }

    /// @inheritdoc IDisputes
    function proveContradiction(SettledRow calldata, FlowLeaf calldata, bytes32[] calldata) external {
        _runDisputes();
    }

    /// @inheritdoc IDisputes
    function proveEquivocation(
        uint32,
        FlowStatement calldata,
        bytes calldata,
        FlowStatement calldata,
        bytes calldata
    ) external {
        _runDisputes();
    }

    /// @dev Runs this very call in the code of Disputes, on the storage of ARIA, and ends with its outcome.
    function _runDisputes() private {
        address half = disputes;
        // Memory from 0 on may be overwritten: neither branch returns to Solidity.
        assembly ("memory-safe") {
            calldatacopy(0, 0, calldatasize())
            let success := delegatecall(gas(), half, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if iszero(success) {
                revert(0, returndatasize())
            }
            return(0, returndatasize())
        }
    }

    // -------------------------------------------------------------------------------------------------------- Views

    /// @inheritdoc IARIA
    function currentEpoch() external view returns (uint32) {
        return _currentEpoch();
    }

    /// @inheritdoc IARIA
    function requestOf(uint32 requestId) external view returns (FlowRequest memory) {
        return _requests[requestId];
    }

    /// @inheritdoc IARIA
    function disputeOf(uint256 disputeId) external view returns (Dispute memory) {
        return _disputes[disputeId];
    }

    /// @inheritdoc IARIA
    function criteria() external view returns (Criteria memory) {
        return
            Criteria(MIN_POWER_W, MAX_POWER_W, MAX_PRICE, DEPOSIT_PER_KW, DEPOSIT_FLOOR_BPS, MAX_PROSPECTIVE);
    }

    /// @inheritdoc IARIA
    function rules() external view returns (Rules memory) {
        return
            Rules(
                EPOCH_SECONDS,
                SWEEP_WINDOW_SECONDS,
                DISPUTE_WINDOW_SECONDS,
                RULING_WINDOW_SECONDS,
                DELIVERY_TOLERANCE_BPS,
                METER_TOLERANCE_BPS,
                TOLERANCE_FLOOR_WH,
                PENALTY_BPS,
                FEE_BPS,
                AGGREGATOR_BOND,
                DISPUTE_BOND,
                MISREPORT_FINE
            );
    }

    /// @inheritdoc IERC5267
    /// @dev What Disputes hashes with when ARIA runs it: OpenZeppelin's EIP712 there takes the address it runs at.
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        (name, version) = (Statements.DOMAIN_NAME, Statements.DOMAIN_VERSION);
        return (hex"0f", name, version, block.chainid, address(this), salt, extensions); // all fields but the salt
    }

    /// @inheritdoc IARIA
    function operatorAccount() external view returns (uint32) {
        return OPERATOR_ACCOUNT;
    }

    /// @inheritdoc IARIA
    function aggregatorAccount() external view returns (uint32) {
        return AGGREGATOR_ACCOUNT;
    }

    /// @inheritdoc IARIA
    function escrowAccount() external view returns (uint32) {
        return ESCROW_ACCOUNT;
    }

    // ------------------------------------------------------------------------------------------------ Private: deployment

    function _openAccounts(
        IVault vault_,
        address operator,
        address aggregator
    ) private returns (Accounts memory) {
        return
            Accounts(
                vault_.openAccount(operator),
                vault_.openAccount(aggregator),
                vault_.openAccount(address(this))
            );
    }

    function _requireSensible(Criteria memory criteria_, Rules memory rules_) private pure {
        uint256 money = uint64(type(int64).max); // what one posting can move
        _requireWithin("minPowerW", criteria_.minPowerW, 0, criteria_.maxPowerW);
        _requireWithin("depositFloorBps", criteria_.depositFloorBps, 0, Settlement.BPS);
        if (_depositFor(criteria_.maxPowerW, criteria_.depositPerKw) > money) {
            revert ParameterOutOfRange("depositPerKw", criteria_.depositPerKw);
        }
        _requireWithin("epochSeconds", rules_.epochSeconds, 1, type(uint32).max);
        _requireWithin("sweepWindowSeconds", rules_.sweepWindowSeconds, 1, type(uint32).max);
        _requireWithin("disputeWindowSeconds", rules_.disputeWindowSeconds, 1, type(uint32).max);
        _requireWithin("rulingWindowSeconds", rules_.rulingWindowSeconds, 1, type(uint32).max);
        _requireWithin("deliveryToleranceBps", rules_.deliveryToleranceBps, 0, Settlement.BPS);
        _requireWithin("meterToleranceBps", rules_.meterToleranceBps, 0, Settlement.BPS);
        _requireWithin("feeBps", rules_.feeBps, 0, Settlement.BPS);
        _requireWithin("aggregatorBond", rules_.aggregatorBond, 0, money);
        _requireWithin("disputeBond", rules_.disputeBond, 0, money);
        _requireWithin("misreportFine", rules_.misreportFine, 0, rules_.aggregatorBond);
    }

    function _requireWithin(string memory name, uint256 received, uint256 least, uint256 most) private pure {
        if (received < least || received > most) revert ParameterOutOfRange(name, received);
    }

    // ------------------------------------------------------------------------------------------ Private: order, request

    function _orderHash(uint32 firstEpoch, bytes memory baseline) private pure returns (bytes32) {
        return keccak256(abi.encode(firstEpoch, baseline));
    }

    function _requireBeforeRetirement(uint256 untilEpoch) private view {
        uint256 last = _progress.lastEpoch;
        if (untilEpoch > last + 1) revert Retiring(last);
    }

    /// @dev How many rows there are, at least one.
    function _rowCount(bytes calldata rows, uint256 count) private pure returns (uint256) {
        if (count == 0 || rows.length == 0) revert EmptyRequest();
        uint256 rowBytes = FlowRows.rowBytes(count);
        if (rows.length % rowBytes != 0) revert MalformedBytes(rowBytes, rows.length);
        return rows.length / rowBytes;
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
                uint256 floor = _floorOf(FlowRows.depositOf(FlowRows.terms(rows, row, count)));
                if (balances[row] < floor) revert DepositUnderFloor(accounts[row], floor, balances[row]);
            }
        }
        if (balances[rowCount] < AGGREGATOR_BOND) revert BondTooLow(AGGREGATOR_BOND, balances[rowCount]);
    }

    /// @dev Checks each row against its agreement.
    /// @return escrow the most the rows can cost, in units.
    /// @return columns the energy of each epoch over all rows, spread as EnergyLanes does: evens and odds of each word.
    function _cost(
        bytes calldata rows,
        uint256 rowCount,
        uint256 firstEpoch,
        uint256 count
    ) private view returns (uint256 escrow, uint256[] memory columns) {
        columns = new uint256[](2 * FlowRows.wordCount(count));
        uint32 previous;
        // No sum overflows, of lanes or in all: figures and prices are 32 bits, rows and epochs far fewer than 2^32.
        unchecked {
            for (uint256 row; row < rowCount; ++row) {
                uint128 terms = FlowRows.terms(rows, row, count);
                uint256 capacityWh = _capacity(terms, previous, firstEpoch, firstEpoch + count);
                previous = FlowRows.accountOf(terms);
                uint256 energyWh = EnergyRows.addTo(columns, rows, row, count, capacityWh);
                if (energyWh == type(uint256).max) revert PowerExceeded(previous, capacityWh);
                escrow += Settlement.escrow(energyWh, FlowRows.priceOf(terms), FEE_BPS);
            }
        }
    }

    /// @dev Checks a row's terms. Returns the most its DER can deliver in an epoch, in Wh.
    function _capacity(
        uint128 terms,
        uint32 previous,
        uint256 firstEpoch,
        uint256 untilEpoch
    ) private view returns (uint256) {
        uint32 account = FlowRows.accountOf(terms);
        if (account <= previous) revert RowsOutOfOrder(previous, account);
        Agreement agreement = _agreements[account];
        if (agreement.terms() != terms) revert TermsMismatch(agreement.terms(), terms);
        if (!agreement.inForce(firstEpoch, untilEpoch)) {
            revert AgreementNotInForce(account, agreement.since(), agreement.until());
        }
        return Settlement.capacityWh(agreement.powerW(), EPOCH_SECONDS);
    }

    /// @dev Takes the requested energy off what is left of an order.
    function _drawOn(
        Order calldata order,
        uint256 firstEpoch,
        uint256 count,
        uint256[] memory columns
    ) private {
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
        for (uint256 i; i < count; ++i) {
            // Epochs 0, 2, 4, 6 of a word are the four 64-bit lanes of its evens, highest first; 1, 3, 5, 7 of its odds.
            uint256 column = uint64(
                columns[2 * (i / LANES_PER_WORD) + (i % 2)] >> (192 - 64 * ((i % LANES_PER_WORD) / 2))
            );
            uint256 left = EnergyLanesLibrary.read(baseline, offset + i);
            if (column > left) revert BaselineExceeded(firstEpoch + i, left, column);
            EnergyLanesLibrary.write(baseline, offset + i, left - column);
        }
        _orders[order.id] = _orderHash(order.firstEpoch, baseline);
    }

    // ---------------------------------------------------------------------------------------------- Private: sweep

    function _requireSweepable(uint32 requestId, FlowRequest storage request) private view {
        if (request.status != RequestStatus.Requested) {
            revert WrongRequestStatus(requestId, RequestStatus.Requested, request.status);
        }
        uint256 end = _startOf(uint256(request.firstEpoch) + request.count);
        if (block.timestamp < end) revert EpochNotOver(end, block.timestamp);
        uint256 deadline = _sweepDeadline(request);
        if (block.timestamp > deadline) revert SweepWindowOver(deadline, block.timestamp);
    }

    /// @dev Payments and penalties due, row by row.
    function _settleRows(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 rowCount,
        uint256 count
    ) private view returns (Sweep memory sweep) {
        sweep.postings = PostingsLibrary.list(rowCount + FIRST_ROW);
        PostingsLibrary.put(sweep.postings, 0, AGGREGATOR_ACCOUNT, 0);
        PostingsLibrary.put(sweep.postings, 1, ESCROW_ACCOUNT, 0);
        sweep.penalties = FlowTree.penaltyList(rowCount);
        sweep.shortRows = new uint256[](rowCount);
        sweep.due = new uint256[](rowCount);
        for (uint256 row; row < rowCount; ++row) {
            (uint256 creditedWh, uint256 excessWh) = Settlement.deliveryOf(
                rows,
                shortfalls,
                row,
                count,
                DELIVERY_TOLERANCE_BPS,
                TOLERANCE_FLOOR_WH
            );
            _credit(sweep, row, FlowRows.terms(rows, row, count), creditedWh, excessWh);
        }
    }

    /// @dev Notes what a row earns, and what it may lose.
    function _credit(
        Sweep memory sweep,
        uint256 row,
        uint128 terms,
        uint256 creditedWh,
        uint256 excessWh
    ) private view {
        // No sum overflows: prices are 32 bits, energy of a row less than 48, and rows far fewer than 2^64.
        unchecked {
            uint256 price = FlowRows.priceOf(terms);
            uint256 payment = Settlement.payment(creditedWh, price);
            sweep.paid += payment;
            PostingsLibrary.put(sweep.postings, row + FIRST_ROW, FlowRows.accountOf(terms), int256(payment));
            if (excessWh == 0) return;
            uint256 due = Settlement.penalty(excessWh, price, PENALTY_BPS);
            if (due == 0) return;
            (sweep.shortRows[sweep.shortCount], sweep.due[sweep.shortCount]) = (row, due);
            ++sweep.shortCount;
        }
    }

    /// @dev Takes the penalties due, but of no DER more than the deposit that stands in its account; so no DER can make
    /// a sweep fail, either.
    function _penalise(uint32 requestId, bytes calldata rows, uint256 count, Sweep memory sweep) private {
        uint64[] memory balances = _balancesOfShort(rows, count, sweep);
        for (uint256 i; i < balances.length; ++i) {
            uint256 row = sweep.shortRows[i];
            uint128 terms = FlowRows.terms(rows, row, count);
            uint32 account = FlowRows.accountOf(terms);
            uint256 deposit = FlowRows.depositOf(terms);
            uint256 due = sweep.due[i];
            uint256 taken = _standing(_standing(balances[i], deposit), due);
            if (taken < due) emit PenaltyCapped(requestId, account, uint64(due), uint64(taken));
            FlowTree.writePenalty(sweep.penalties, row, uint64(taken));
            sweep.penalised += taken;
            int256 gained = PostingsLibrary.add(sweep.postings, row + FIRST_ROW, -int256(taken));
            uint256 balance = uint256(int256(uint256(balances[i])) + gained);
            uint256 floor = _floorOf(deposit);
            if (balance < floor) emit AgreementSuspended(account, uint64(floor), uint64(balance));
        }
    }

    /// @dev What the accounts of the rows with a penalty due hold.
    function _balancesOfShort(
        bytes calldata rows,
        uint256 count,
        Sweep memory sweep
    ) private view returns (uint64[] memory) {
        uint32[] memory accounts = new uint32[](sweep.shortCount);
        for (uint256 i; i < accounts.length; ++i) {
            accounts[i] = FlowRows.accountOf(FlowRows.terms(rows, sweep.shortRows[i], count));
        }
        return vault().balancesOf(accounts);
    }
}
