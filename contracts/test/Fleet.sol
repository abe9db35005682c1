// SPDX-License-Identifier: MIT
// solhint-disable one-contract-per-file
pragma solidity 0.8.34;

import {IARIA} from "../interfaces/IARIA.sol";

/// @title FleetMember: a DER that is a contract and joins as it is created.
contract FleetMember {
    constructor(IARIA aria, uint32 powerW, uint32 price) payable {
        aria.join{value: msg.value}(powerW, price, address(this));
    }
}

/// @title Fleet: has many DERs join in one transaction.
contract Fleet {
    /// @param deposit coins for each.
    function join(IARIA aria, uint256 count, uint32 powerW, uint32 price, uint256 deposit) external payable {
        for (uint256 i; i < count; ++i) new FleetMember{value: deposit}(aria, powerW, price);
    }
}
