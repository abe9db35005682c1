// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {Blockstamps} from "../../../contracts/libraries/Blockstamps.sol";
import {Check} from "../Check.sol";
import {VM} from "../Vm.sol";

/// @title Blockstamps: known blocks are checked, unknown ones are said to be unknown, and none of either reverts.
/// @notice The runner's chain knows 256 blocks, and has at the history contract's address a stub that always reverts;
/// where a history is needed, a contract that answers like one is put there.
contract BlockstampsTest is Check {
    uint256 private constant NOW = 100_000;
    bytes32 private constant ANY = keccak256("any");

    function setUp() external {
        VM.roll(NOW);
    }

    function testFuzzTheLast256BlocksAreKnown(uint256 age) external view {
        uint64 number = uint64(NOW - _within(age, 1, 256));
        _true(blockhash(number) != 0, "the chain knows it");
        _true(this.check(number, blockhash(number)), "known");
    }

    function testFuzzAWrongHashOfAKnownBlockIsRefused(uint256 age, bytes32 stamped) external {
        uint64 number = uint64(NOW - _within(age, 1, 256));
        VM.assume(stamped != blockhash(number));
        bytes4 refusal = IARIATypes.BlockstampMismatch.selector;
        VM.expectRevert(abi.encodeWithSelector(refusal, uint256(number), blockhash(number), stamped));
        this.check(number, stamped);
    }

    function testFuzzOlderBlocksAreUnknown(uint256 age) external view {
        _true(!this.check(uint64(NOW - _within(age, 257, NOW)), ANY), "unknown");
    }

    function testFuzzPresentAndFutureBlocksAreUnknown(uint64 number) external view {
        _true(!this.check(uint64(_within(number, NOW, type(uint64).max)), ANY), "unknown");
    }

    function testFuzzOlderBlocksAreKnownThroughTheHistoryContract(uint256 age) external {
        VM.etch(Blockstamps.HISTORY, type(History).runtimeCode);
        uint64 number = uint64(NOW - _within(age, 257, 8191));
        bytes32 canonical = keccak256(abi.encode(number));
        _true(this.check(number, canonical), "known");
        bytes4 refusal = IARIATypes.BlockstampMismatch.selector;
        VM.expectRevert(abi.encodeWithSelector(refusal, uint256(number), canonical, ANY));
        this.check(number, ANY);
    }

    function testBlocksBeyondTheHistoryAreUnknown() external {
        VM.etch(Blockstamps.HISTORY, type(History).runtimeCode);
        _true(!this.check(uint64(NOW - 8192), ANY), "unknown");
    }

    function testWithoutTheHistoryContractOlderBlocksAreUnknown() external {
        VM.etch(Blockstamps.HISTORY, "");
        _true(!this.check(uint64(NOW - 257), ANY), "unknown");
    }

    function check(uint64 number, bytes32 stamped) external view returns (bool) {
        return Blockstamps.check(number, stamped);
    }
}

/// @dev Answers as EIP-2935 says: 32 bytes for the last 8,191 blocks, else a revert. The hash is that of the number.
contract History {
    error OutOfRange();

    fallback(bytes calldata input) external returns (bytes memory) {
        uint256 number = abi.decode(input, (uint256));
        if (number >= block.number || block.number - number > 8191) revert OutOfRange();
        return abi.encode(keccak256(abi.encode(number)));
    }
}
