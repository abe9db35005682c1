// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../interfaces/IARIATypes.sol";
import {Settlement} from "./Settlement.sol";

/// @title Parameters: what makes sense for an ARIA. Checked once, at its deployment.
library Parameters {
    /// @dev The most of a deposit or a bond, in units: a quarter of what one posting can move, as what a dispute comes to is
    /// refund, bond and fine in one, with an award of less than 2^54.
    uint256 private constant MOST_MONEY = 2 ** 61 - 1;
    /// @dev The most energy of a figure in a request, in Wh (see EnergyRows).
    uint256 private constant MOST_ENERGY = 2 ** 31 - 1;

    function requireSensible(
        IARIATypes.Criteria memory criteria,
        IARIATypes.Rules memory rules
    ) internal pure {
        _requireWithin("minPowerW", criteria.minPowerW, 1, criteria.maxPowerW);
        _requireWithin("depositFloorBps", criteria.depositFloorBps, 0, Settlement.BPS);
        if (Settlement.depositFor(criteria.maxPowerW, criteria.depositPerKw) > MOST_MONEY) {
            revert IARIATypes.ParameterOutOfRange("depositPerKw", criteria.depositPerKw);
        }
        // Until 2106, an epoch's number then fits an Agreement.
        _requireWithin("epochSeconds", rules.epochSeconds, 2, type(uint32).max);
        if (Settlement.capacityWh(criteria.maxPowerW, rules.epochSeconds) > MOST_ENERGY) {
            revert IARIATypes.ParameterOutOfRange("maxPowerW", criteria.maxPowerW);
        }
        _requireWithin("sweepWindowSeconds", rules.sweepWindowSeconds, 1, type(uint32).max);
        _requireWithin("disputeWindowSeconds", rules.disputeWindowSeconds, 1, type(uint32).max);
        _requireWithin("rulingWindowSeconds", rules.rulingWindowSeconds, 1, type(uint32).max);
        _requireWithin("deliveryToleranceBps", rules.deliveryToleranceBps, 0, Settlement.BPS);
        _requireWithin("meterToleranceBps", rules.meterToleranceBps, 0, Settlement.BPS);
        _requireWithin("feeBps", rules.feeBps, 0, Settlement.BPS);
        _requireWithin("aggregatorBond", rules.aggregatorBond, 0, MOST_MONEY);
        _requireWithin("disputeBond", rules.disputeBond, 0, MOST_MONEY);
        _requireWithin("misreportFine", rules.misreportFine, 0, rules.aggregatorBond);
    }

    function _requireWithin(string memory name, uint256 received, uint256 least, uint256 most) private pure {
        if (received < least || received > most) revert IARIATypes.ParameterOutOfRange(name, received);
    }
}
