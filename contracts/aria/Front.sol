// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

import {IARIA} from "../interfaces/IARIA.sol";
import {IAgreements} from "../interfaces/IAgreements.sol";
import {IDisputes} from "../interfaces/IDisputes.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Statements} from "../libraries/Statements.sol";
import {Agreement} from "../types/Agreement.sol";
import {Annex} from "./Annex.sol";
import {State} from "./State.sol";

/// @title Front: the calls that ARIA only answers, or passes on to its Annex.
abstract contract Front is State, IARIA {
    /// @inheritdoc IARIA
    address public immutable annex;

    constructor(IVault vault_, Criteria memory criteria_, Rules memory rules_) {
        Accounts memory accounts = Accounts(OPERATOR_ACCOUNT, AGGREGATOR_ACCOUNT, ESCROW_ACCOUNT, AGGREGATOR);
        annex = address(new Annex(vault_, accounts, criteria_, rules_));
    }

    // --------------------------------------------------------------------------------------------- Annex: agreements

    /// @inheritdoc IAgreements
    function join(uint32, uint32, address) external payable returns (uint32) {
        _runAnnex();
    }

    /// @inheritdoc IAgreements
    function topUp() external payable {
        _runAnnex();
    }

    /// @inheritdoc IAgreements
    function leave() external returns (uint32) {
        _runAnnex();
    }

    /// @inheritdoc IAgreements
    function close() external {
        _runAnnex();
    }

    /// @inheritdoc IAgreements
    function commission(Commissioning[] calldata) external {
        _runAnnex();
    }

    /// @inheritdoc IAgreements
    function reject(address) external {
        _runAnnex();
    }

    /// @inheritdoc IAgreements
    function retire(uint32) external {
        _runAnnex();
    }

    /// @inheritdoc IAgreements
    function setPaused(bool) external {
        _runAnnex();
    }

    // ----------------------------------------------------------------------------------------------- Annex: disputes

    /// @inheritdoc IDisputes
    function raiseDisputeEvent(
        FlowStatement calldata,
        bytes calldata,
        SettledRow calldata
    ) external returns (uint256) {
        _runAnnex();
    }

    /// @inheritdoc IDisputes
    function resolveDispute(uint256, uint32, Fault, bytes32) external {
        _runAnnex();
    }

    /// @inheritdoc IDisputes
    function settleByDefault(uint256) external {
        _runAnnex();
    }

    /// @inheritdoc IDisputes
    function proveContradiction(SettledRow calldata, FlowLeaf calldata, bytes32[] calldata) external {
        _runAnnex();
    }

    /// @inheritdoc IDisputes
    function proveEquivocation(
        uint32,
        FlowStatement calldata,
        bytes calldata,
        FlowStatement calldata,
        bytes calldata
    ) external {
        _runAnnex();
    }

    /// @dev Runs this very call in the code of the Annex, on the storage of ARIA, and ends with its outcome.
    function _runAnnex() private {
        address half = annex;
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
    function paused() external view returns (bool) {
        return _progress.paused;
    }

    /// @inheritdoc IARIA
    function retired() external view returns (bool) {
        uint256 last = _progress.lastEpoch;
        if (last == type(uint32).max) return false;
        return block.timestamp >= _startOf(last + 1) && _progress.openRequests == 0;
    }

    /// @inheritdoc IARIA
    function lastEpoch() external view returns (uint32) {
        return _progress.lastEpoch;
    }

    /// @inheritdoc IARIA
    function openRequests() external view returns (uint32) {
        return _progress.openRequests;
    }

    /// @inheritdoc IARIA
    function requestedUntil() external view returns (uint32) {
        return _progress.requestedUntil;
    }

    /// @inheritdoc IARIA
    function agreementOf(uint32 account) external view returns (AgreementView memory) {
        Agreement agreement = _agreements[account];
        AgreementStatus status = agreement.status();
        uint64 deposit = uint64(_depositFor(agreement.powerW()));
        if (status == AgreementStatus.Active && vault().balanceOf(account) < _floorOf(deposit)) {
            status = AgreementStatus.Suspended;
        }
        return
            AgreementView(
                status,
                account,
                agreement.powerW(),
                agreement.price(),
                deposit,
                agreement.since(),
                agreement.until()
            );
    }

    /// @inheritdoc IARIA
    function meterOf(uint32 account, uint32 epoch) external view returns (address) {
        return _meterOf(account, epoch);
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
    /// @dev What the Annex hashes with when ARIA runs it (Statements).
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
    function orderHash(uint32 orderId) external view returns (bytes32) {
        return _orders[orderId];
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
}
