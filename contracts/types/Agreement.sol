// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../interfaces/IARIATypes.sol";

/// @dev An agreement in one storage word. Its upper half, the terms, is what heads a DER's row in a flow request.
///
///      255     224 223     192 191         128 127     96 95       64 63       32 31    8 7      0
///     +-----------+-----------+---------------+----------+-----------+-----------+-------+--------+
///     |  account  |   price   |    deposit    |  powerW  |   since   |   until   | free  | status |
///     +-----------+-----------+---------------+----------+-----------+-----------+-------+--------+
///     price: units per kWh. deposit: units. since: first epoch in force, 0 before commissioning.
///     until: first epoch no longer in force, 0 while open-ended.
type Agreement is uint256;

using AgreementLibrary for Agreement global;

library AgreementLibrary {
    function create(
        uint32 account_,
        uint32 price_,
        uint64 deposit_,
        uint32 powerW_
    ) internal pure returns (Agreement) {
        return
            Agreement.wrap(
                (uint256(account_) << 224) |
                    (uint256(price_) << 192) |
                    (uint256(deposit_) << 128) |
                    (uint256(powerW_) << 96) |
                    uint256(IARIATypes.AgreementStatus.Prospective)
            );
    }

    function terms(Agreement agreement) internal pure returns (uint128) {
        return uint128(Agreement.unwrap(agreement) >> 128);
    }

    function account(Agreement agreement) internal pure returns (uint32) {
        return uint32(Agreement.unwrap(agreement) >> 224);
    }

    function price(Agreement agreement) internal pure returns (uint32) {
        return uint32(Agreement.unwrap(agreement) >> 192);
    }

    function deposit(Agreement agreement) internal pure returns (uint64) {
        return uint64(Agreement.unwrap(agreement) >> 128);
    }

    function powerW(Agreement agreement) internal pure returns (uint32) {
        return uint32(Agreement.unwrap(agreement) >> 96);
    }

    function since(Agreement agreement) internal pure returns (uint32) {
        return uint32(Agreement.unwrap(agreement) >> 64);
    }

    function until(Agreement agreement) internal pure returns (uint32) {
        return uint32(Agreement.unwrap(agreement) >> 32);
    }

    /// @dev As stored: never Suspended.
    function status(Agreement agreement) internal pure returns (IARIATypes.AgreementStatus) {
        return IARIATypes.AgreementStatus(uint8(Agreement.unwrap(agreement)));
    }

    /// @dev Whether flow may be requested for all epochs from `firstEpoch` up to, not including, `untilEpoch`.
    function inForce(
        Agreement agreement,
        uint256 firstEpoch,
        uint256 untilEpoch
    ) internal pure returns (bool) {
        IARIATypes.AgreementStatus current = status(agreement);
        if (current == IARIATypes.AgreementStatus.Active) return firstEpoch >= since(agreement);
        if (current == IARIATypes.AgreementStatus.Leaving) {
            return firstEpoch >= since(agreement) && untilEpoch <= until(agreement);
        }
        return false;
    }

    function activated(Agreement agreement, uint32 sinceEpoch) internal pure returns (Agreement) {
        uint256 word = Agreement.unwrap(agreement) & ~((uint256(type(uint32).max) << 64) | 0xff);
        return
            Agreement.wrap(word | (uint256(sinceEpoch) << 64) | uint256(IARIATypes.AgreementStatus.Active));
    }

    function leaving(Agreement agreement, uint32 untilEpoch) internal pure returns (Agreement) {
        uint256 word = Agreement.unwrap(agreement) & ~((uint256(type(uint32).max) << 32) | 0xff);
        return
            Agreement.wrap(word | (uint256(untilEpoch) << 32) | uint256(IARIATypes.AgreementStatus.Leaving));
    }

    function closed(Agreement agreement) internal pure returns (Agreement) {
        uint256 word = Agreement.unwrap(agreement) & ~uint256(0xff);
        return Agreement.wrap(word | uint256(IARIATypes.AgreementStatus.Closed));
    }
}
