// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {Statements} from "../../../contracts/libraries/Statements.sol";
import {Check} from "../Check.sol";

/// @title Statements: hashed by the type that meters sign, field by field, and leaves as StandardMerkleTree hashes them.
contract StatementsTest is Check {
    function testTypehashIsThatOfTheTypeString() external pure {
        bytes32 expected = keccak256(
            "FlowStatement(address der,uint32 epoch,uint64 energyWh,bytes32 readingsRoot,"
            "uint64 firstBlock,bytes32 firstBlockHash,uint64 lastBlock,bytes32 lastBlockHash)"
        );
        _same(expected, Statements.FLOW_STATEMENT_TYPEHASH, "typehash");
    }

    function testFuzzStructHashTakesFieldsInTheOrderOfTheType(
        IARIATypes.FlowStatement memory statement
    ) external view {
        bytes32[9] memory words = [
            Statements.FLOW_STATEMENT_TYPEHASH,
            bytes32(uint256(uint160(statement.der))),
            bytes32(uint256(statement.epoch)),
            bytes32(uint256(statement.energyWh)),
            statement.readingsRoot,
            bytes32(uint256(statement.firstBlock)),
            statement.firstBlockHash,
            bytes32(uint256(statement.lastBlock)),
            statement.lastBlockHash
        ];
        _same(keccak256(abi.encode(words)), this.structHash(statement), "struct hash");
    }

    function testFuzzLeafIsHashedTwice(IARIATypes.FlowLeaf memory leaf) external view {
        bytes32[5] memory words = [
            bytes32(uint256(leaf.account)),
            bytes32(uint256(leaf.epoch)),
            bytes32(uint256(leaf.energyWh)),
            leaf.readingsRoot,
            leaf.salt
        ];
        bytes32 once = keccak256(abi.encode(words));
        _same(keccak256(abi.encode(once)), this.leafHash(leaf), "leaf hash");
    }

    function structHash(IARIATypes.FlowStatement calldata statement) external pure returns (bytes32) {
        return Statements.structHash(statement);
    }

    function leafHash(IARIATypes.FlowLeaf calldata leaf) external pure returns (bytes32) {
        return Statements.leafHash(leaf);
    }
}
