// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../interfaces/IARIATypes.sol";

/// @title Blockstamps: is a block hash that of the canonical block of this number?
/// @notice The chain knows its own hashes for 256 blocks (`blockhash`) and, where EIP-2935 is active, for 8,191 through
/// the history contract. Older blockstamps are checked off-chain against headers.
library Blockstamps {
    /// @dev The history contract's address; source: EIP-2935.
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /// @dev Reverts if the chain knows the block and its hash differs. @return known whether the chain knows the block.
    function check(uint64 number, bytes32 stamped) internal view returns (bool known) {
        bytes32 canonical = hashOf(number);
        if (canonical == 0) return false;
        if (canonical != stamped) revert IARIATypes.BlockstampMismatch(number, canonical, stamped);
        return true;
    }

    /// @dev The hash of a past block; zero if the chain no longer knows it.
    function hashOf(uint64 number) internal view returns (bytes32 canonical) {
        canonical = blockhash(number);
        if (canonical != 0) return canonical;
        // A chain without the contract answers with nothing, and one that refuses the number reverts: unknown.
        (bool success, bytes memory answer) = HISTORY.staticcall(abi.encode(uint256(number)));
        if (success && answer.length == 32) canonical = abi.decode(answer, (bytes32));
    }
}
