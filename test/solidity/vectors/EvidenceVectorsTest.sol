// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {Statements} from "../../../contracts/libraries/Statements.sol";
import {Merkle} from "../Merkle.sol";
import {VM} from "../Vm.sol";
import {Vectors} from "./Vectors.sol";

/// @title Evidence: the contracts come to the digests, roots and signers that the agents' vectors have.
contract EvidenceVectorsTest is Vectors {
    function testReadingsAreDigestedByThePrecompile() external view {
        string memory json = _file("readings.json");
        address meter = _address(json, "", ".meter");
        bytes32 previous = _word(json, "", ".genesis");
        _same(previous, sha256(abi.encodePacked("PG1", meter)), "genesis");
        uint256 count = _count(json, ".chain");
        _true(count > 2, "readings to try");
        for (uint256 i; i < count; ++i) {
            string memory at = _entry(".chain", i);
            _same(previous, _word(json, at, ".previousDigest"), "link");
            previous = _word(json, at, ".digest");
            _same(previous, sha256(_reading(json, at, meter)), "digest of a reading");
        }
    }

    function _reading(
        string memory json,
        string memory at,
        address meter
    ) private pure returns (bytes memory encoded) {
        bytes memory figures = abi.encodePacked(
            uint64(_uint(json, at, ".sequence")),
            uint64(_uint(json, at, ".registerWh")),
            uint64(_uint(json, at, ".powerW")),
            uint64(_uint(json, at, ".blockNumber"))
        );
        bytes32 blockHash = _word(json, at, ".blockHash");
        encoded = abi.encodePacked("PR1", meter, figures, blockHash, _word(json, at, ".previousDigest"));
        _equal(119, encoded.length, "bytes of a reading");
    }

    function testReadingsAreProvedToTheirRoot() external view {
        string memory json = _file("readings-trees.json");
        uint256 count = _count(json, ".trees");
        _true(count > 2, "trees to try");
        for (uint256 i; i < count; ++i) {
            string memory at = _entry(".trees", i);
            bytes32[] memory leaves = _words(json, at, ".checkpoints");
            bytes32 root = _word(json, at, ".root");
            _same(root, Merkle.rootOf(leaves), "root by definition");
            bytes32[] memory first = _words(json, at, ".proofs.first");
            bytes32[] memory last = _words(json, at, ".proofs.last");
            _true(MerkleProof.verify(first, root, leaves[0]), "proof of the first");
            _true(MerkleProof.verify(last, root, leaves[leaves.length - 1]), "proof of the last");
        }
    }

    function testStatementsAreHashedAndTheirSignerIsRecovered() external view {
        string memory json = _file("statements.json");
        bytes32 domain = _word(json, "", ".domainSeparator");
        _same(_domain(_uint(json, "", ".chainId"), _address(json, "", ".aria")), domain, "domain");
        address signer = _address(json, "", ".signer");
        _true(signer == VM.addr(uint256(_word(json, "", ".privateKey"))), "the key's address");
        uint256 count = _count(json, ".statements");
        _true(count > 1, "statements to try");
        for (uint256 i; i < count; ++i) {
            string memory at = _entry(".statements", i);
            bytes32 hashed = this.structHash(_statement(json, string.concat(at, ".statement")));
            _same(_word(json, at, ".structHash"), hashed, "struct hash");
            bytes32 digest = MessageHashUtils.toTypedDataHash(domain, hashed);
            _same(_word(json, at, ".digest"), digest, "digest");
            _true(ECDSA.recover(digest, _bytes(json, at, ".signature")) == signer, "signer");
        }
    }

    /// @dev Of the name and version in Statements.
    function _domain(uint256 chainId, address aria) private pure returns (bytes32) {
        bytes32 typehash = keccak256(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        );
        return keccak256(abi.encode(typehash, keccak256("Proof of Flow"), keccak256("1"), chainId, aria));
    }

    function _statement(
        string memory json,
        string memory at
    ) private pure returns (IARIATypes.FlowStatement memory statement) {
        statement.der = _address(json, at, ".der");
        statement.epoch = uint32(_uint(json, at, ".epoch"));
        statement.energyWh = uint64(_uint(json, at, ".energyWh"));
        statement.readingsRoot = _word(json, at, ".readingsRoot");
        statement.firstBlock = uint64(_uint(json, at, ".firstBlock"));
        statement.firstBlockHash = _word(json, at, ".firstBlockHash");
        statement.lastBlock = uint64(_uint(json, at, ".lastBlock"));
        statement.lastBlockHash = _word(json, at, ".lastBlockHash");
    }

    function testFlowLeavesAreHashedAndProved() external view {
        string memory json = _file("flow-trees.json");
        uint256 trees = _count(json, ".trees");
        _true(trees > 2, "trees to try");
        for (uint256 i; i < trees; ++i) {
            string memory tree = _entry(".trees", i);
            bytes32 root = _word(json, tree, ".flowRoot");
            string memory list = string.concat(tree, ".leaves");
            uint256 count = _count(json, list);
            _true(count > 0, "leaves to try");
            for (uint256 j; j < count; ++j) {
                string memory at = _entry(list, j);
                bytes32 hash = this.leafHash(_leaf(json, string.concat(at, ".leaf")));
                _same(_word(json, at, ".hash"), hash, "leaf");
                _true(MerkleProof.verify(_words(json, at, ".proof"), root, hash), "proof");
            }
        }
    }

    function _leaf(
        string memory json,
        string memory at
    ) private pure returns (IARIATypes.FlowLeaf memory leaf) {
        leaf.account = uint32(_uint(json, at, ".account"));
        leaf.epoch = uint32(_uint(json, at, ".epoch"));
        leaf.energyWh = uint64(_uint(json, at, ".energyWh"));
        leaf.readingsRoot = _word(json, at, ".readingsRoot");
        leaf.salt = _word(json, at, ".salt");
    }

    function testBlocksHaveTheHashOfTheirHeader() external view {
        string memory json = _file("headers.json");
        uint256 count = _count(json, ".headers");
        _true(count > 1, "headers to try");
        for (uint256 i; i < count; ++i) {
            string memory at = _entry(".headers", i);
            _same(_word(json, at, ".block.hash"), keccak256(_bytes(json, at, ".rlp")), "block hash");
        }
    }

    function structHash(IARIATypes.FlowStatement calldata statement) external pure returns (bytes32) {
        return Statements.structHash(statement);
    }

    function leafHash(IARIATypes.FlowLeaf calldata leaf) external pure returns (bytes32) {
        return Statements.leafHash(leaf);
    }
}
