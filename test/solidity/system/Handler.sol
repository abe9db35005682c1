// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";

import {IARIA} from "../../../contracts/interfaces/IARIA.sol";
import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {IService} from "../../../contracts/interfaces/IService.sol";
import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {VM} from "../Vm.sol";
import {Claims} from "./Claims.sol";
import {Journal} from "./Journal.sol";

/// @title Handler: everything that can be done, each action steered by one random number.
contract Handler is Claims {
    Successor private immutable _successor;

    constructor(IVault vault, IARIA target) Journal(vault, target) {
        _successor = new Successor(vault);
    }

    /// @notice Time passes, up to two epochs.
    function wait(uint256 seed) external watched(Act.Other) {
        _warpTo(_now() + (seed % (2 * EPOCH_SECONDS)));
    }

    /// @notice Somebody tries what only others may do.
    function trespass(uint256 seed) external watched(Act.Other) {
        bytes[] memory calls = new bytes[](13);
        calls[0] = abi.encodeCall(VAULT.settle, ("", ""));
        calls[1] = abi.encodeCall(VAULT.setLock, (OPERATOR, 0));
        calls[2] = abi.encodeCall(VAULT.announceHandOver, (address(TARGET)));
        calls[3] = abi.encodeCall(VAULT.handOver, ());
        calls[4] = abi.encodeCall(TARGET.commission, (new IARIATypes.Commissioning[](0)));
        calls[5] = abi.encodeCall(TARGET.orderBaseline, (type(uint32).max, new bytes(4)));
        calls[6] = abi.encodeCall(TARGET.cancelOrder, (1));
        calls[7] = abi.encodeCall(TARGET.releaseBond, ());
        calls[8] = abi.encodeCall(TARGET.resolveDispute, (0, 0, IARIATypes.Fault.None, bytes32(seed)));
        calls[9] = abi.encodeCall(TARGET.retire, (type(uint32).max - 1));
        calls[10] = abi.encodeCall(IAccessControl.grantRole, (keccak256("OPERATOR_ROLE"), OUTSIDER));
        calls[11] = abi.encodeCall(TARGET.sweepEpoch, (1, "", "", 0));
        calls[12] = abi.encodeCall(TARGET.setPaused, (true));
        uint256 chosen = seed % calls.length;
        address trespasser = (seed >> 8) % 2 == 0 ? OUTSIDER : _der((seed >> 16) % DERS);
        VM.prank(trespasser);
        (bool success, ) = (chosen < 4 ? address(VAULT) : address(TARGET)).call(calls[chosen]);
        _note(!success, "somebody did what only others may");
    }

    /// @notice The guardian pauses, or mostly ends a pause.
    function guard(uint256 seed) external watched(Act.Other) {
        VM.prank(GUARDIAN);
        TARGET.setPaused(seed % 16 == 0);
        if (seed % 16 == 0) _count("pause");
    }

    /// @notice The Owner announces a successor and takes it back: neither may disturb what goes on.
    function announce(uint256 seed) external watched(Act.Other) {
        VM.prank(OWNER);
        VAULT.announceHandOver(address(_successor));
        if (seed % 2 == 0) return;
        VM.prank(OWNER);
        VAULT.cancelHandOver();
    }
}

/// @title Successor: a service that never gets its turn.
contract Successor is IService {
    IVault public immutable vault;

    constructor(IVault vault_) {
        vault = vault_;
    }
}
