// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

import {IRegistry} from "./interfaces/IRegistry.sol";
import {IService} from "./interfaces/IService.sol";

/// @title Registry: the list of services, latest last (see IRegistry).
contract Registry is IRegistry, Ownable2Step {
    address[] private _services;

    constructor(address owner) Ownable(owner) {}

    /// @inheritdoc IRegistry
    function register(address service) external onlyOwner returns (uint32 version) {
        address inCharge = IService(service).vault().service();
        if (inCharge != service) revert NotInCharge(inCharge, service);

        uint256 count = _services.length;
        address previous = count == 0 ? address(0) : _services[count - 1];
        _services.push(service);
        version = uint32(count + 1);
        emit ServiceRegistered(version, service, previous);
    }

    /// @inheritdoc IRegistry
    function current() external view returns (address) {
        uint256 count = _services.length;
        if (count == 0) revert NoService();
        return _services[count - 1];
    }

    /// @inheritdoc IRegistry
    function latestVersion() external view returns (uint32) {
        return uint32(_services.length);
    }

    /// @inheritdoc IRegistry
    function serviceAt(uint32 version) external view returns (address) {
        uint256 latest = _services.length;
        if (version == 0 || version > latest) revert UnknownVersion(version, latest);
        return _services[version - 1];
    }
}
