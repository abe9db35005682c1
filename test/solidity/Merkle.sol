// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @title Merkle: proofs as OpenZeppelin's merkle-tree for JavaScript makes them, from the plain definition of its tree.
/// @notice Node i has the children 2i + 1 and 2i + 2; the leaves fill the array from its end backwards.
library Merkle {
    function proofOf(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory proof) {
        bytes32[] memory tree = treeOf(leaves);
        uint256 node = tree.length - 1 - index;
        proof = new bytes32[](_depth(node));
        for (uint256 i; i < proof.length; ++i) {
            proof[i] = tree[node % 2 == 0 ? node - 1 : node + 1];
            node = (node - 1) / 2;
        }
    }

    function rootOf(bytes32[] memory leaves) internal pure returns (bytes32) {
        return treeOf(leaves)[0];
    }

    function treeOf(bytes32[] memory leaves) internal pure returns (bytes32[] memory tree) {
        tree = new bytes32[](2 * leaves.length - 1);
        for (uint256 i; i < leaves.length; ++i) tree[tree.length - 1 - i] = leaves[i];
        for (uint256 node = leaves.length - 1; node > 0; --node) {
            (bytes32 left, bytes32 right) = (tree[2 * node - 1], tree[2 * node]);
            tree[node - 1] =
                left < right ? keccak256(bytes.concat(left, right)) : keccak256(bytes.concat(right, left));
        }
    }

    /// @dev How many parents a node has.
    function _depth(uint256 node) private pure returns (uint256 depth) {
        for (; node > 0; node = (node - 1) / 2) ++depth;
    }
}
