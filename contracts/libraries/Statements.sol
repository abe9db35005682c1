// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {IARIATypes} from "../interfaces/IARIATypes.sol";

/// @title Statements: how flow statements and flow leaves are hashed.
/// @dev OpenZeppelin's EIP712 keeps the domain of the contract that it is constructed in. That is the Annex, and what is
/// signed is for the ARIA that runs it: so the domain is made of the address at hand.
library Statements {
    /// @dev The EIP-712 domain; its verifying contract is ARIA.
    string internal constant DOMAIN_NAME = "Proof of Flow";
    string internal constant DOMAIN_VERSION = "1";

    bytes32 internal constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 internal constant FLOW_STATEMENT_TYPEHASH = keccak256(
        "FlowStatement(address der,uint32 epoch,uint64 energyWh,bytes32 readingsRoot,uint64 firstBlock,bytes32 firstBlockHash,uint64 lastBlock,bytes32 lastBlockHash)"
    );

    /// @dev What a signature is over (EIP-712): a statement for this chain, and the contract whose storage this runs on.
    function digest(IARIATypes.FlowStatement calldata statement) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                DOMAIN_TYPEHASH,
                keccak256(bytes(DOMAIN_NAME)),
                keccak256(bytes(DOMAIN_VERSION)),
                block.chainid,
                address(this)
            )
        );
        return MessageHashUtils.toTypedDataHash(domain, structHash(statement));
    }

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
