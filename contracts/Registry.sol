// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IRegistry} from "./interfaces/IRegistry.sol";
import {IService} from "./interfaces/IService.sol";

/// @title Registry: the service that is current, and how many there were (see IRegistry).
contract Registry is IRegistry, Ownable2Step {
    // One slot: a registration writes it once.
    address private _current;
    /// @inheritdoc IRegistry
    uint32 public latestVersion;

    constructor(address owner) Ownable(owner) {}

    /// @inheritdoc IRegistry
    function register(address service) external onlyOwner returns (uint32 version) {
        address inCharge = IService(service).vault().service();
        if (inCharge != service) revert NotInCharge(inCharge, service);

        address previous = _current;
        version = latestVersion + 1;
        (_current, latestVersion) = (service, version);
        emit ServiceRegistered(version, service, previous);
    }

    /// @inheritdoc IRegistry
    function current() external view returns (address) {
        if (_current == address(0)) revert NoService();
        return _current;
    }
}
