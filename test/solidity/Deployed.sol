// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIA} from "../../contracts/interfaces/IARIA.sol";
import {IARIATypes} from "../../contracts/interfaces/IARIATypes.sol";
import {IVault} from "../../contracts/interfaces/IVault.sol";
import {VM} from "./Vm.sol";

/// @title Deployed: the contracts as they are deployed, from their artifacts.
/// @notice A `new` in a test would compile them anew into each test contract, which takes minutes, and under another
/// name: what is tested is the very code that goes on-chain.
library Deployed {
    error DeploymentFailed(string artifact);

    function vault(
        address owner,
        address asset,
        uint256 unit,
        uint32 exitWindowSeconds
    ) internal returns (IVault) {
        bytes memory args = abi.encode(owner, asset, unit, exitWindowSeconds);
        return IVault(create("contracts/Vault.sol:Vault", args));
    }

    function aria(
        IVault vault_,
        address operator,
        address aggregator,
        address guardian,
        IARIATypes.Criteria memory criteria,
        IARIATypes.Rules memory rules
    ) internal returns (IARIA) {
        bytes memory args = abi.encode(vault_, operator, aggregator, guardian, criteria, rules);
        return IARIA(create("contracts/ARIA.sol:ARIA", args));
    }

    function create(string memory artifact, bytes memory args) internal returns (address deployed) {
        bytes memory creation = bytes.concat(VM.getCode(artifact), args);
        assembly ("memory-safe") {
            deployed := create(0, add(creation, 0x20), mload(creation))
        }
        if (deployed == address(0)) revert DeploymentFailed(artifact);
    }
}
