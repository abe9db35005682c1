// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @title Registry: hands out the address of the current service.
/// @notice The one address a party needs to know for good. Agents look here for ARIA, and follow its event to the next.
interface IRegistry {
    /// @notice Only a service that its Vault obeys can be registered: the Registry never points at one that cannot pay.
    error NotInCharge(address expected, address received);
    /// @notice No service is registered yet.
    error NoService();

    /// @notice A new service is current. @param version 1 for the first, then counting up.
    event ServiceRegistered(uint32 indexed version, address indexed service, address indexed previous);

    /// @notice Makes `service` the current one. Owner only, after the Vault was handed over to it.
    function register(address service) external returns (uint32 version);

    /// @notice The current service. Reverts with NoService before the first.
    function current() external view returns (address);
    /// @notice The number of versions so far. Which service each one was, the events tell.
    function latestVersion() external view returns (uint32);
}
