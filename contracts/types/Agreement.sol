// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../interfaces/IARIATypes.sol";

/// @dev An agreement in half a storage word. Its own upper half, the terms, is part of the DER's row in a flow request.
/// The deposit is not in it: it follows from the power.
///
///      127      96 95       64 63        33 32         2 1       0
///     +-----------+-----------+------------+------------+---------+
///     |   price   |  powerW   |   since    |   until    |  state  |
///     +-----------+-----------+------------+------------+---------+
///     price: units per kWh. since: first epoch in force, 0 before commissioning. until: first epoch no longer in
///     force, 0 while open-ended. state: 0 Prospective, 1 Active, 2 Leaving, 3 Closed. All bits zero: no agreement.
type Agreement is uint128;

using AgreementLibrary for Agreement global;

/// @dev The most an epoch's number can be in an agreement.
uint256 constant MAX_EPOCH = 2 ** 31 - 1;

library AgreementLibrary {
    uint256 private constant PROSPECTIVE = 0;
    uint256 private constant ACTIVE = 1;
    uint256 private constant LEAVING = 2;
    uint256 private constant CLOSED = 3;

    /// @param powerW_ not zero
    function create(uint32 price_, uint32 powerW_) internal pure returns (Agreement) {
        return Agreement.wrap((uint128(price_) << 96) | (uint128(powerW_) << 64));
    }

    /// @dev Price and power, packed.
    function terms(Agreement agreement) internal pure returns (uint64) {
        return uint64(Agreement.unwrap(agreement) >> 64);
    }

    function price(Agreement agreement) internal pure returns (uint32) {
        return uint32(Agreement.unwrap(agreement) >> 96);
    }

    function powerW(Agreement agreement) internal pure returns (uint32) {
        return uint32(Agreement.unwrap(agreement) >> 64);
    }

    function since(Agreement agreement) internal pure returns (uint32) {
        return uint32((Agreement.unwrap(agreement) >> 33) & MAX_EPOCH);
    }

    function until(Agreement agreement) internal pure returns (uint32) {
        return uint32((Agreement.unwrap(agreement) >> 2) & MAX_EPOCH);
    }

    /// @dev As stored: never Suspended.
    function status(Agreement agreement) internal pure returns (IARIATypes.AgreementStatus) {
        uint256 state = _state(agreement);
        if (state == ACTIVE) return IARIATypes.AgreementStatus.Active;
        if (state == LEAVING) return IARIATypes.AgreementStatus.Leaving;
        if (state == CLOSED) return IARIATypes.AgreementStatus.Closed;
        if (Agreement.unwrap(agreement) == 0) return IARIATypes.AgreementStatus.None;
        return IARIATypes.AgreementStatus.Prospective;
    }

    /// @dev Whether flow may be requested for all epochs from `firstEpoch` up to, not including, `untilEpoch`.
    function inForce(
        Agreement agreement,
        uint256 firstEpoch,
        uint256 untilEpoch
    ) internal pure returns (bool) {
        uint256 state = _state(agreement);
        if (state != ACTIVE && state != LEAVING) return false;
        return firstEpoch >= since(agreement) && (state == ACTIVE || untilEpoch <= until(agreement));
    }

    // A life goes one way: each step sets bits that were zero before it.

    /// @param sinceEpoch at most MAX_EPOCH
    function activated(Agreement agreement, uint32 sinceEpoch) internal pure returns (Agreement) {
        return _with(agreement, uint256(sinceEpoch) << 33, ACTIVE);
    }

    /// @param untilEpoch at most MAX_EPOCH
    function leaving(Agreement agreement, uint32 untilEpoch) internal pure returns (Agreement) {
        return _with(agreement, uint256(untilEpoch) << 2, LEAVING);
    }

    function closed(Agreement agreement) internal pure returns (Agreement) {
        return _with(agreement, 0, CLOSED);
    }

    function _state(Agreement agreement) private pure returns (uint256) {
        return Agreement.unwrap(agreement) & 3;
    }

    function _with(Agreement agreement, uint256 bits, uint256 state) private pure returns (Agreement) {
        return Agreement.wrap(uint128(((Agreement.unwrap(agreement) >> 2) << 2) | bits | state));
    }
}
