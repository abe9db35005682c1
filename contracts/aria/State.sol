// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Agreement} from "../types/Agreement.sol";
import {Terms} from "./Terms.sol";

/// @title State: what an ARIA remembers. The storage of ARIA and of its Annex is this, and nothing else.
abstract contract State is Terms {
    /// @dev Where things stand, in one slot.
    struct Progress {
        uint32 orderCount;
        uint32 requestCount;
        uint32 openRequests;
        /// @dev first epoch of the latest request
        uint32 latestFirstEpoch;
        /// @dev first epoch that no request covers yet
        uint32 requestedUntil;
        /// @dev last account of the latest request
        uint32 latestAccount;
        uint32 lastEpoch;
        uint16 prospective;
        bool bonded;
        bool paused;
    }

    /// @dev A meter's key and the first epoch it signs for.
    struct MeterKey {
        address key;
        uint32 fromEpoch;
    }

    Progress internal _progress;
    /// @dev By account. An array and not a mapping, so that neighbours share a word: a request that reads one reads both.
    Agreement[2 ** 32] internal _agreements;
    /// @dev The keys of each account's meters, oldest first, one for an epoch at most: so few lie between the newest and one
    /// that can still be disputed, however often the Operator commissions another.
    mapping(uint256 account => MeterKey[]) internal _meters;
    mapping(uint256 orderId => bytes32) internal _orders;
    mapping(uint256 requestId => FlowRequest) internal _requests;
    mapping(uint256 disputeId => Dispute) internal _disputes;
    /// @dev Account and epoch, packed as a dispute's number -> whether the Aggregator was fined for them: once at most.
    mapping(uint256 disputeId => bool) internal _fined;

    // ----------------------------------------------------------------------------------------- Shared by both halves

    /// @dev The key that signs for an account in an epoch; zero if none is commissioned.
    function _meterOf(uint32 account, uint32 epoch) internal view returns (address) {
        MeterKey[] storage meters = _meters[account];
        for (uint256 i = meters.length; i > 0; --i) {
            if (meters[i - 1].fromEpoch <= epoch) return meters[i - 1].key;
        }
        return address(0);
    }

    /// @dev From when to when a request can be disputed, in unix seconds: after its sweep, or after the time for it.
    function _disputeWindow(
        FlowRequest storage request
    ) internal view returns (uint256 opens, uint256 closes) {
        uint256 untilEpoch = uint256(request.firstEpoch) + request.count;
        opens = request.status == RequestStatus.Swept ? request.sweptAt : _sweepDeadline(untilEpoch) + 1;
        closes = opens + DISPUTE_WINDOW_SECONDS;
    }

    /// @dev When a request that ends before an epoch can be swept at the latest, in unix seconds.
    function _sweepDeadline(uint256 untilEpoch) internal view returns (uint256) {
        return _startOf(untilEpoch) + SWEEP_WINDOW_SECONDS;
    }

    /// @dev What a request stores from its sweep on.
    function _sweptCommitment(bytes32 sweptRoot, bytes32 flowRoot) internal pure returns (bytes32) {
        return keccak256(bytes.concat(sweptRoot, flowRoot));
    }

    function _requireNotPaused() internal view {
        if (_progress.paused) revert WhilePaused();
    }

    function _requireLength(bytes calldata list, uint256 expected) internal pure {
        if (list.length != expected) revert MalformedBytes(expected, list.length);
    }
}
