// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../interfaces/IARIATypes.sol";
import {EnergyRows} from "./EnergyRows.sol";
import {FlowRows} from "./FlowRows.sol";

/// @title Settlement: the rules that turn energy into money. Pure arithmetic; every rounding is named here.
library Settlement {
    uint256 internal constant BPS = 10_000;
    uint256 internal constant WH_PER_KWH = 1_000;

    /// @dev Price of energy, in units, rounded down: payments and awards. @param price units per kWh.
    function payment(uint256 energyWh, uint256 price) internal pure returns (uint256) {
        unchecked {
            // No overflow: 64 bits and 32.
            return (energyWh * price) / WH_PER_KWH;
        }
    }

    /// @dev The Aggregator's fee on what DERs are paid, in units, rounded down.
    function fee(uint256 paid, uint256 feeBps) internal pure returns (uint256) {
        return (paid * feeBps) / BPS;
    }

    /// @dev The most that energy can cost, fee included, in units, rounded up: it covers any payment and fee on it.
    function escrow(uint256 energyWh, uint256 price, uint256 feeBps) internal pure returns (uint256) {
        uint256 scale = WH_PER_KWH * BPS;
        unchecked {
            // No overflow: 64 bits, 32 and 17.
            return (energyWh * price * (BPS + feeBps) + scale - 1) / scale;
        }
    }

    /// @dev Penalty on energy missing beyond the tolerance, in units, rounded down.
    function penalty(uint256 excessWh, uint256 price, uint256 penaltyBps) internal pure returns (uint256) {
        unchecked {
            // No overflow: 64 bits, 32 and 16.
            return (excessWh * price * penaltyBps) / (WH_PER_KWH * BPS);
        }
    }

    /// @dev A tolerance on energy, in Wh, rounded down, but at least the floor.
    function tolerance(uint256 energyWh, uint256 shareBps, uint256 floorWh) internal pure returns (uint256) {
        uint256 share = (energyWh * shareBps) / BPS;
        return share > floorWh ? share : floorWh;
    }

    /// @dev Energy missing beyond the tolerance, in Wh. It grows from zero at the edge: there is no cliff to game.
    function excess(
        uint256 requestedWh,
        uint256 shortfallWh,
        uint256 shareBps,
        uint256 floorWh
    ) internal pure returns (uint256) {
        uint256 allowed = tolerance(requestedWh, shareBps, floorWh);
        return shortfallWh > allowed ? shortfallWh - allowed : 0;
    }

    /// @dev The most energy a power can deliver in an epoch, in Wh, rounded up so that no full-power hour is refused.
    function capacityWh(uint256 powerW, uint256 epochSeconds) internal pure returns (uint256) {
        unchecked {
            // No overflow: 32 bits each.
            return (powerW * epochSeconds + 3599) / 3600;
        }
    }

    /// @dev The deposit for a power, in units, rounded up.
    function depositFor(uint256 powerW, uint256 depositPerKw) internal pure returns (uint256) {
        return (powerW * depositPerKw + 999) / 1000;
    }

    /// @dev What a DER delivered of what was asked of it over a run of epochs.
    /// @param toleranceBps at most BPS.
    /// @return creditedWh to be paid. @return excessWh missing beyond the tolerance, summed over the epochs.
    function deliveryOf(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 row,
        uint256 count,
        uint256 toleranceBps,
        uint256 toleranceFloorWh
    ) internal pure returns (uint256 creditedWh, uint256 excessWh) {
        bool refused;
        (creditedWh, excessWh, refused) = EnergyRows.delivery(
            rows,
            shortfalls,
            row,
            count,
            toleranceBps,
            toleranceFloorWh
        );
        if (refused) _refuse(rows, shortfalls, row, count);
    }

    /// @dev Names the first epoch in which more is missing than was asked.
    function _refuse(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 row,
        uint256 count
    ) private pure {
        for (uint256 epoch; epoch < count; ++epoch) {
            uint256 requestedWh = FlowRows.requestedIn(rows, row, epoch, count);
            uint256 shortfallWh = FlowRows.missingIn(shortfalls, row, epoch, count);
            if (shortfallWh > requestedWh) {
                uint32 account = FlowRows.accountOf(FlowRows.terms(rows, row, count));
                revert IARIATypes.ShortfallExceedsRequest(account, epoch, requestedWh, shortfallWh);
            }
        }
    }

    /// @dev The part of a penalty, in units, that goes back when an award makes up for missing energy: in proportion
    /// to the energy it was for, rounded down, so that all refunds together never exceed what was taken.
    function refund(uint256 taken, uint256 penalisedWh, uint256 forgivenWh) internal pure returns (uint256) {
        return penalisedWh == 0 ? 0 : (taken * forgivenWh) / penalisedWh;
    }
}
