// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

import {IARIA} from "../interfaces/IARIA.sol";
import {IDisputes} from "../interfaces/IDisputes.sol";
import {IVault} from "../interfaces/IVault.sol";
import {Statements} from "../libraries/Statements.sol";
import {Agreements} from "./Agreements.sol";
import {Disputes} from "./Disputes.sol";

/// @title Front: the calls that ARIA only answers, or passes on to its Disputes half.
abstract contract Front is Agreements, IARIA {
    /// @inheritdoc IARIA
    address public immutable disputes;

    constructor(IVault vault_, Criteria memory criteria_, Rules memory rules_) {
        Accounts memory accounts = Accounts(OPERATOR_ACCOUNT, AGGREGATOR_ACCOUNT, ESCROW_ACCOUNT, AGGREGATOR);
        disputes = address(new Disputes(vault_, accounts, criteria_, rules_));
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
