// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IVault} from "../interfaces/IVault.sol";
import {Agreements} from "./Agreements.sol";
import {Disputes} from "./Disputes.sol";
import {Terms} from "./Terms.sol";

/// @title Annex: the part of ARIA that is called once in a while: agreements and disputes.
/// @dev A contract of its own because one contract may not exceed 24,576 bytes of code (EIP-170), and a sweep is cheapest
/// with room to be optimised in. ARIA creates it with its own parameters and runs it by delegatecall: the storage, the
/// balance and the address it works on, and signs for, are ARIA's. Called directly it is an ARIA that has retired, without
/// requests and without roles, and refuses.
contract Annex is Agreements, Disputes {
    constructor(
        IVault vault_,
        Accounts memory accounts,
        Criteria memory criteria_,
        Rules memory rules_
    ) Terms(vault_, accounts, criteria_, rules_) {}
}
