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

    /// @dev The leaves of a request of `rowCount` rows: `requestLeaf` of each, without a copy kept in memory.
    function requestLeaves(
        bytes calldata rows,
        uint256 rowCount,
        uint256 count
    ) internal pure returns (bytes32[] memory leaves) {
        unchecked {
            uint256 perLeaf = rowsPerLeaf(count);
            uint256 stride = perLeaf * FlowRows.rowBytes(count);
            leaves = new bytes32[]((rowCount + perLeaf - 1) / perLeaf);
            for (uint256 i; i < leaves.length; ++i) {
                (uint256 from, uint256 length) = _part(i, stride, rows.length);
                bytes32 leaf;
                assembly ("memory-safe") {
                    let at := mload(0x40)
                    mstore8(at, 0x01)
                    calldatacopy(add(at, 1), add(rows.offset, from), length)
                    leaf := keccak256(at, add(length, 1))
                }
                leaves[i] = leaf;
            }
        }
    }

    /// @dev The leaves of the same request, swept: `sweptLeaf` of each. @param penalties taken, 8 bytes a row.
    function sweptLeaves(
        bytes32[] memory requestLeaves_,
        bytes calldata shortfalls,
        bytes memory penalties,
        uint256 count
    ) internal pure returns (bytes32[] memory leaves) {
        unchecked {
            uint256 perLeaf = rowsPerLeaf(count);
            leaves = new bytes32[](requestLeaves_.length);
            for (uint256 i; i < leaves.length; ++i) {
                (uint256 from, uint256 length) = _part(i, perLeaf * count * ENERGY_BYTES, shortfalls.length);
                (uint256 taken, uint256 takenLength) = _part(i, perLeaf * PENALTY_BYTES, penalties.length);
                bytes32 leaf = requestLeaves_[i];
                assembly ("memory-safe") {
                    let at := mload(0x40)
                    mstore8(at, 0x02)
                    mstore(add(at, 1), leaf)
                    calldatacopy(add(at, 33), add(shortfalls.offset, from), length)
                    mcopy(add(add(at, 33), length), add(add(penalties, 32), taken), takenLength)
                    leaf := keccak256(at, add(add(length, takenLength), 33))
                }
                leaves[i] = leaf;
            }
        }
    }

    /// @dev Room for the penalties of so many rows, none taken yet.
    function penaltyList(uint256 rowCount) internal pure returns (bytes memory) {
        return new bytes(rowCount * PENALTY_BYTES);
    }

    /// @dev Notes the penalty taken of a row, in units.
    function writePenalty(bytes memory penalties, uint256 row, uint64 units) internal pure {
        // The word that ends with the penalty: what precedes it, the length not least, stays.
        uint256 offset = (row + 1) * PENALTY_BYTES;
        assembly ("memory-safe") {
            let at := add(penalties, offset)
            mstore(at, or(shl(64, shr(64, mload(at))), units))
        }
    }

    /// @dev The root of a tree over `leaves`, at least one.
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        unchecked {
            uint256 count = leaves.length;
            bytes32[] memory tree = new bytes32[](2 * count - 1);
            for (uint256 i; i < count; ++i) tree[2 * count - 2 - i] = leaves[i];
            for (uint256 i = count - 1; i > 0; --i) {
                tree[i - 1] = Hashes.commutativeKeccak256(tree[2 * i - 1], tree[2 * i]);
            }
            return tree[0];
        }
    }

    /// @dev Where the `index`-th part of a list lies whose parts have `stride` bytes, the last one perhaps fewer.
    function _part(
        uint256 index,
        uint256 stride,
        uint256 total
    ) private pure returns (uint256 from, uint256 length) {
        unchecked {
            from = index * stride;
            length = total - from < stride ? total - from : stride;
        }
    }
}
