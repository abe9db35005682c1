// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IVault} from "./IVault.sol";

/// @title Service: what the Vault and the Registry ask of the contract that is put in charge of the money.
interface IService {
    /// @notice The Vault it works with.
    function vault() external view returns (IVault);
}
