// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {ENERGY_BYTES} from "../types/EnergyLanes.sol";
import {FlowRows} from "./FlowRows.sol";

/// @title FlowTree: Merkle roots over what was requested and what was settled, built on-chain.
/// @notice With them a DER proves its own row in a dispute without passing everybody's. A leaf holds as many rows as
/// make about sixteen figures, so that a short request costs few hashes and a long one a short proof.
///
///     request leaf = keccak256(0x01 | rows of the leaf)
///     swept leaf   = keccak256(0x02 | request leaf | shortfalls of the leaf | penalties taken, 8 bytes a row)
///
/// The tag makes a leaf's preimage differ in length from a node's. The tree has the shape, and the sorted pairs, of
/// OpenZeppelin's merkle-tree library for JavaScript, which makes the proofs.
library FlowTree {
    bytes1 private constant REQUEST_LEAF = 0x01;
    bytes1 private constant SWEPT_LEAF = 0x02;
    uint256 private constant FIGURES_PER_LEAF = 16;
    uint256 internal constant PENALTY_BYTES = 8;

    function rowsPerLeaf(uint256 count) internal pure returns (uint256) {
        return count >= FIGURES_PER_LEAF ? 1 : FIGURES_PER_LEAF / count;
    }

    function requestLeaf(bytes calldata rowsOfLeaf) internal pure returns (bytes32) {
        return keccak256(bytes.concat(REQUEST_LEAF, rowsOfLeaf));
    }

    function sweptLeaf(
        bytes32 requestLeaf_,
        bytes calldata shortfallsOfLeaf,
        bytes memory penaltiesOfLeaf
    ) internal pure returns (bytes32) {
        return keccak256(bytes.concat(SWEPT_LEAF, requestLeaf_, shortfallsOfLeaf, penaltiesOfLeaf));
    }

    /// @dev The leaves of a request of `rowCount` rows.
    function requestLeaves(
        bytes calldata rows,
        uint256 rowCount,
        uint256 count
    ) internal pure returns (bytes32[] memory leaves) {
        uint256 perLeaf = rowsPerLeaf(count);
        uint256 stride = perLeaf * FlowRows.rowBytes(count);
        leaves = new bytes32[]((rowCount + perLeaf - 1) / perLeaf);
        for (uint256 i; i < leaves.length; ++i) {
            uint256 end = (i + 1) * stride;
            leaves[i] = requestLeaf(rows[i * stride:end < rows.length ? end : rows.length]);
        }
    }

    /// @dev The leaves of the same request, swept. @param penalties taken, in units, one a row.
    function sweptLeaves(
        bytes32[] memory requestLeaves_,
        bytes calldata shortfalls,
        uint256[] memory penalties,
        uint256 count
    ) internal pure returns (bytes32[] memory leaves) {
        uint256 perLeaf = rowsPerLeaf(count);
        uint256 stride = perLeaf * count * ENERGY_BYTES;
        leaves = new bytes32[](requestLeaves_.length);
        for (uint256 i; i < leaves.length; ++i) {
            uint256 end = (i + 1) * stride;
            leaves[i] = sweptLeaf(
                requestLeaves_[i],
                shortfalls[i * stride:end < shortfalls.length ? end : shortfalls.length],
                _packed(penalties, i * perLeaf, perLeaf)
            );
        }
    }

    /// @dev The root of a tree over `leaves`, at least one.
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        uint256 count = leaves.length;
        bytes32[] memory tree = new bytes32[](2 * count - 1);
        for (uint256 i; i < count; ++i) tree[2 * count - 2 - i] = leaves[i];
        for (uint256 i = count - 1; i > 0; --i) {
            tree[i - 1] = Hashes.commutativeKeccak256(tree[2 * i - 1], tree[2 * i]);
        }
        return tree[0];
    }

    /// @dev Up to `length` penalties from `first` on, 8 bytes each.
    function _packed(
        uint256[] memory penalties,
        uint256 first,
        uint256 length
    ) private pure returns (bytes memory) {
        uint256 rest = penalties.length - first;
        if (rest < length) length = rest;
        bytes memory packed = new bytes(length * PENALTY_BYTES + 32); // `mstore` below writes whole words
        assembly ("memory-safe") {
            mstore(packed, mul(length, PENALTY_BYTES))
        }
        for (uint256 i; i < length; ++i) {
            uint256 word = penalties[first + i] << 192;
            assembly ("memory-safe") {
                mstore(add(add(packed, 32), mul(i, PENALTY_BYTES)), word)
            }
        }
        return packed;
    }
}
