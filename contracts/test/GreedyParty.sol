// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IVault} from "../interfaces/IVault.sol";

/// @title GreedyParty: a party that, when it is paid by the Vault, asks for the same again.
contract GreedyParty {
    IVault private immutable _vault;

    constructor(IVault vault) {
        _vault = vault;
    }

    receive() external payable {
        withdraw(uint64(msg.value / _vault.unit()));
    }

    function withdraw(uint64 amount) public {
        _vault.withdraw(amount, payable(address(this)));
    }
}
