// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "./IARIATypes.sol";

/// @title IDisputes: how energy that was not credited is claimed, and how a claim ends.
interface IDisputes is IARIATypes {
    /// @notice Claims energy that was not credited, by the DER, with its meter's statement. The bond moves from what is
    /// free in its account to ARIA's. One dispute for each account and epoch, ever.
    /// @return disputeId account and epoch, packed: account * 2^32 + epoch
    function raiseDisputeEvent(
        FlowStatement calldata statement,
        bytes calldata signature,
        SettledRow calldata row
    ) external returns (uint256 disputeId);

    /// @notice Rules on a dispute. Pays the award, gives back the penalty that goes with it, returns the DER's bond
    /// or forfeits it to the Aggregator (fault DER), and cuts the Aggregator's bond in the DER's favour (fault Aggregator).
    /// @param evidenceHash what the ruling rests on; anyone who has the evidence can come to the same
    function resolveDispute(uint256 disputeId, uint32 awardedWh, Fault fault, bytes32 evidenceHash) external;

    /// @notice Pays a claim the Operator has not ruled on in time. Anyone may call.
    function settleByDefault(uint256 disputeId) external;

    /// @notice Proves that the Aggregator committed to another figure than it swept, and cuts its bond in the Operator's
    /// favour. Anyone may call, while the bond is posted.
    function proveContradiction(
        SettledRow calldata row,
        FlowLeaf calldata leaf,
        bytes32[] calldata proof
    ) external;

    /// @notice Proves that one signer signed two different statements about one DER and one epoch that is over. Anyone may call.
    /// If it is the DER's meter of that epoch, an open dispute ends as ruled against the DER, and one that was not raised
    /// yet cannot be any more. If it is the Aggregator, about its own meter at the DER, its bond is cut in the Operator's
    /// favour, while it is posted.
    /// @param account the DER's in the Vault
    function proveEquivocation(
        uint32 account,
        FlowStatement calldata first,
        bytes calldata firstSignature,
        FlowStatement calldata second,
        bytes calldata secondSignature
    ) external;
}
