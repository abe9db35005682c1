// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IService} from "../../../contracts/interfaces/IService.sol";
import {IVault} from "../../../contracts/interfaces/IVault.sol";

/// @title HostileService: a service that tells the Vault whatever it is told to, also while the Vault is paying it out.
contract HostileService is IService {
    IVault public immutable vault;

    /// @notice Whether what it called when it was paid went through.
    bool public struck;
    bytes private _plan;

    constructor(IVault vault_) {
        vault = vault_;
    }

    function perform(bytes calldata data) external returns (bool success) {
        (success, ) = address(vault).call(data);
    }

    /// @notice What to call when coins come.
    function plan(bytes calldata data) external {
        (_plan, struck) = (data, false);
    }

    receive() external payable {
        if (_plan.length == 0) return;
        bytes memory data = _plan;
        delete _plan;
        (struck, ) = address(vault).call(data);
    }
}
