// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../interfaces/IARIATypes.sol";
import {ENERGY_BYTES} from "../types/EnergyLanes.sol";
// used in assembly: solhint does not look there
// solhint-disable-next-line no-unused-import
import {TAKEN_BYTES} from "../types/Penalties.sol";
import {FlowRows} from "./FlowRows.sol";

/// @title FlowTree: Merkle roots over what was requested and what was settled, built on-chain.
/// @notice With them a DER proves its own row in a dispute without passing everybody's. A leaf holds as many rows as
/// make about thirty-two figures, so that a short request costs few hashes and a long one a short proof.
///
///     request leaf = keccak256(0x01 | rows of the leaf)
///     swept leaf   = keccak256(0x02 | request leaf | shortfalls of the leaf | penalties taken, 8 bytes a row)
///
/// The tag makes a leaf's preimage differ in length from a node's. The tree has the shape, and the sorted pairs, of
/// OpenZeppelin's merkle-tree library for JavaScript, which makes the proofs. A sorted pair does not tell which of the two
/// came first, so the root alone does not fix the order of the leaves; it does together with their being sorted by account.
library FlowTree {
    bytes1 private constant REQUEST_LEAF = 0x01;
    bytes1 private constant SWEPT_LEAF = 0x02;
    uint256 private constant FIGURES_PER_LEAF = 32;

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

    /// @dev The tree of a request, its root first: `requestLeaf` of each leaf, without a copy of the rows kept in memory.
    /// The first accounts of the leaves must rise. So whoever shows rows with the root of a request shows those rows in that
    /// order: a leaf's hash fixes the rows in it, the root the leaves, and their first accounts the order of these.
    function requestTree(bytes calldata rows, uint256 count) internal pure returns (bytes32[] memory tree) {
        uint256 stride = rowsPerLeaf(count) * FlowRows.rowBytes(count);
        tree = _room((rows.length + stride - 1) / stride);
        uint256 previous;
        uint256 account;
        assembly ("memory-safe") {
            let preimage := mload(0x40)
            mstore8(preimage, 0x01)
            let to := add(add(tree, 32), shl(5, mload(tree)))
            let from := rows.offset
            for {
                let end := add(from, rows.length)
            } lt(from, end) {
                from := add(from, stride)
            } {
                previous := account
                account := shr(224, calldataload(from))
                if iszero(gt(account, previous)) {
                    break
                }
                let length := sub(end, from)
                if gt(length, stride) {
                    length := stride
                }
                calldatacopy(add(preimage, 1), from, length)
                to := sub(to, 32)
                mstore(to, keccak256(preimage, add(length, 1)))
            }
        }
        if (account <= previous) revert IARIATypes.RowsOutOfOrder(uint32(previous), uint32(account));
        _grow(tree);
    }

    /// @dev The tree of the same request, swept: `sweptLeaf` of each leaf. @param penalties taken, 8 bytes a row.
    function sweptTree(
        bytes32[] memory requestTree_,
        bytes calldata shortfalls,
        bytes memory penalties,
        uint256 count
    ) internal pure returns (bytes32[] memory tree) {
        uint256 stride = rowsPerLeaf(count) * count * ENERGY_BYTES;
        tree = _room((requestTree_.length + 1) / 2);
        assembly ("memory-safe") {
            let preimage := mload(0x40)
            mstore8(preimage, 0x02)
            let to := add(add(tree, 32), shl(5, mload(tree)))
            let toRequest := sub(requestTree_, tree)
            let taken := add(penalties, 32)
            let from := shortfalls.offset
            for {
                let end := add(from, shortfalls.length)
            } lt(from, end) {
                from := add(from, stride)
            } {
                let length := sub(end, from)
                if gt(length, stride) {
                    length := stride
                }
                let units := mul(div(length, mul(count, ENERGY_BYTES)), TAKEN_BYTES)
                to := sub(to, 32)
                mstore(add(preimage, 1), mload(add(to, toRequest)))
                calldatacopy(add(preimage, 33), from, length)
                mcopy(add(add(preimage, 33), length), taken, units)
                mstore(to, keccak256(preimage, add(33, add(length, units))))
                taken := add(taken, units)
            }
        }
        _grow(tree);
    }

    /// @dev Room for a tree of so many leaves. They come last, the first leaf at the very end.
    function _room(uint256 leafCount) private pure returns (bytes32[] memory tree) {
        assembly ("memory-safe") {
            tree := mload(0x40)
            let nodes := sub(mul(leafCount, 2), 1)
            mstore(tree, nodes)
            mstore(0x40, add(tree, shl(5, add(nodes, 1))))
        }
    }

    /// @dev Computes the nodes above the leaves: node `i` from its children, `2 * i + 1` and `2 * i + 2`.
    function _grow(bytes32[] memory tree) private pure {
        assembly ("memory-safe") {
            let right := add(tree, shl(5, mload(tree)))
            for {
                let node := add(tree, shl(4, sub(mload(tree), 1)))
            } gt(node, tree) {
                node := sub(node, 32)
                right := sub(right, 64)
            } {
                let first := mload(sub(right, 32))
                let second := mload(right)
                let swapped := lt(second, first)
                mstore(shl(5, swapped), first)
                mstore(shl(5, iszero(swapped)), second)
                mstore(node, keccak256(0, 64))
            }
        }
    }
}
