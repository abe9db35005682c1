// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../interfaces/IARIATypes.sol";

/// @title Statements: how flow statements and flow leaves are hashed.
library Statements {
    /// @dev The EIP-712 domain; its verifying contract is ARIA.
    string internal constant DOMAIN_NAME = "Proof of Flow";
    string internal constant DOMAIN_VERSION = "1";

    bytes32 internal constant FLOW_STATEMENT_TYPEHASH = keccak256(
        "FlowStatement(address der,uint32 epoch,uint64 energyWh,bytes32 readingsRoot,uint64 firstBlock,bytes32 firstBlockHash,uint64 lastBlock,bytes32 lastBlockHash)"
    );

    /// @dev The EIP-712 struct hash; chain id and ARIA's address are in the domain.
    function structHash(IARIATypes.FlowStatement calldata statement) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    FLOW_STATEMENT_TYPEHASH,
                    statement.der,
                    statement.epoch,
                    statement.energyWh,
                    statement.readingsRoot,
                    statement.firstBlock,
                    statement.firstBlockHash,
                    statement.lastBlock,
                    statement.lastBlockHash
                )
            );
    }

    /// @dev A leaf of the Aggregator's flow tree, hashed twice as OpenZeppelin's StandardMerkleTree does.
    function leafHash(IARIATypes.FlowLeaf calldata leaf) internal pure returns (bytes32) {
        return
            keccak256(
                bytes.concat(
                    keccak256(
                        abi.encode(leaf.account, leaf.epoch, leaf.energyWh, leaf.readingsRoot, leaf.salt)
                    )
                )
            );
    }
}
