// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

import {IAgreements} from "./IAgreements.sol";
import {IDisputes} from "./IDisputes.sol";
import {IService} from "./IService.sol";

/// @title ARIA: Aggregator Renewable Integration Agreement, the service that settles who delivered what.
/// @notice DERs join, the Operator orders a baseline, the Aggregator requests flow and sweeps it, and what they
/// disagree on is disputed with signed, blockstamped statements. ARIA holds no money: it tells the Vault what to move.
///
/// Time is the chain's: epoch `e` is the time from `e * epochSeconds` to `(e + 1) * epochSeconds` in unix seconds, so
/// quarter-hour epochs fall on the quarter hours of the world's electricity markets, in every version of ARIA.
/// Energy is whole Wh, power whole W, money whole units of the Vault, prices units per kWh. Payments, penalties and
/// refunds are rounded down, escrow is rounded up; what rounding leaves returns to the Operator with the escrow.
interface IARIA is IService, IAgreements, IDisputes, IERC5267 {
    // ------------------------------------------------------------------------------------------------ For the Operator

    /// @notice Orders a baseline: the most that may be requested, and so paid, in each epoch.
    /// @param baseline Wh per epoch, 4 bytes each
    function orderBaseline(uint32 firstEpoch, bytes calldata baseline) external returns (uint32 orderId);

    /// @notice Takes back what was not requested yet of an order.
    function cancelOrder(uint32 orderId) external;

    // ---------------------------------------------------------------------------------------------- For the Aggregator

    /// @notice Locks the Aggregator's bond in its account of the Vault, which must hold it: deposit first.
    function postBond() external;

    /// @notice Frees the bond, once no request is open.
    function releaseBond() external;

    /// @notice Requests flow of a page of DERs for a run of epochs, before the first of them starts. The most it can
    /// cost moves from the Operator's account to escrow, or the request fails.
    /// @param order what is left of the order drawn on
    /// @param rows sorted by account; per DER: account (4), price (4), power in W (4), then Wh per epoch (4 each)
    function requestFlow(
        Order calldata order,
        uint32 firstEpoch,
        uint16 count,
        bytes calldata rows
    ) external returns (uint32 requestId);

    /// @notice Settles a request after its last epoch ended: pays each DER what it delivered, up to what was asked,
    /// and penalises what is missing beyond the tolerance, up to the deposit standing.
    /// @param rows as requested
    /// @param shortfalls Wh less than requested, per DER and epoch in the order of the rows, 4 bytes each
    /// @param flowRoot root of the tree of the Aggregator's own readings (see FlowLeaf): it cannot change them later
    function sweepEpoch(
        uint32 requestId,
        bytes calldata rows,
        bytes calldata shortfalls,
        bytes32 flowRoot
    ) external;

    // --------------------------------------------------------------------------------------------------- For anyone

    /// @notice Returns to the Operator what is left of the escrow of requests whose dispute window is over. Anyone may call.
    function releaseEscrow(uint32[] calldata requestIds) external;

    // -------------------------------------------------------------------------------------------------------- Views

    /// @notice The epoch that holds the block's time.
    function currentEpoch() external view returns (uint32);
    /// @notice Whether joining and requesting are paused.
    function paused() external view returns (bool);
    /// @notice Whether the last epoch is over and nothing is open any more.
    function retired() external view returns (bool);
    /// @notice The last epoch, or the largest uint32 while none is fixed.
    function lastEpoch() external view returns (uint32);
    function openRequests() external view returns (uint32);
    /// @notice The first epoch that no request covers yet.
    function requestedUntil() external view returns (uint32);
    /// @notice The agreement of an account of the Vault, with Suspended computed.
    function agreementOf(uint32 account) external view returns (AgreementView memory);
    /// @notice The key that signs for an account in an epoch; zero if none is commissioned.
    function meterOf(uint32 account, uint32 epoch) external view returns (address);
    function criteria() external view returns (Criteria memory);
    function rules() external view returns (Rules memory);
    function operatorAccount() external view returns (uint32);
    function aggregatorAccount() external view returns (uint32);
    /// @notice ARIA's own account: escrow and dispute bonds.
    function escrowAccount() external view returns (uint32);
    /// @notice The hash of what is left of an order: keccak256(abi.encode(firstEpoch, baseline)); zero if none.
    function orderHash(uint32 orderId) external view returns (bytes32);
    function requestOf(uint32 requestId) external view returns (FlowRequest memory);
    function disputeOf(uint256 disputeId) external view returns (Dispute memory);
    /// @notice The contract that holds the code of IAgreements and IDisputes; ARIA runs it on its own storage.
    function annex() external view returns (address);
}
