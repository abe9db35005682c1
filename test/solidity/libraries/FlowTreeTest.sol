// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {FlowTree} from "../../../contracts/libraries/FlowTree.sol";
import {Penalties} from "../../../contracts/types/Penalties.sol";
import {Check} from "../Check.sol";
import {Merkle} from "../Merkle.sol";
import {Row, Rows} from "../Rows.sol";

/// @title FlowTree: every leaf can be proven to the root the contracts build, and holds the rows it should.
contract FlowTreeTest is Check {
    function testFuzzEveryLeafIsProvedByItsTree(uint256 seed, uint256 rowCount) external view {
        Row[] memory rows = _rows(seed, _within(rowCount, 1, 40), 32); // a leaf each
        bytes32[] memory tree = this.requestTreeOf(Rows.requests(rows), 32);
        bytes32[] memory leaves = _leavesOf(tree);
        _equal(rows.length, leaves.length, "leaves");
        for (uint256 i; i < leaves.length; ++i) {
            bytes32[] memory proof = Merkle.proofOf(leaves, i);
            _true(MerkleProof.verify(proof, tree[0], leaves[i]), "a leaf with its proof");
            _true(!MerkleProof.verify(proof, tree[0], keccak256(abi.encode(leaves[i]))), "another leaf");
        }
    }

    /// @dev Rows in another order of leaves can have the same root: that of pairs of siblings that changed places.
    function testFuzzI13LeavesInAnotherOrderAreRefused(
        uint256 seed,
        uint256 rowCount,
        uint256 count,
        uint256 one,
        uint256 other
    ) external view {
        count = _within(count, 1, 36);
        uint256 perLeaf = FlowTree.rowsPerLeaf(count);
        Row[] memory rows = _rows(seed, _within(rowCount, 2 * perLeaf, 5 * perLeaf), count);
        bytes memory packed = Rows.requests(rows);
        this.requestTreeOf(packed, count);
        uint256 full = rows.length / perLeaf;
        one = _within(one, 0, full - 2);
        other = _within(other, one + 1, full - 1);
        for (uint256 i; i < perLeaf; ++i) {
            (uint256 a, uint256 b) = (one * perLeaf + i, other * perLeaf + i);
            (rows[a], rows[b]) = (rows[b], rows[a]);
        }
        bytes memory turned = Rows.requests(rows);
        try this.requestTreeOf(turned, count) {
            _true(false, "leaves in another order");
        } catch (bytes memory reason) {
            uint32 previous = rows[one * perLeaf].account;
            uint32 next = rows[(one + 1) * perLeaf].account;
            bytes memory expected = abi.encodeWithSelector(
                IARIATypes.RowsOutOfOrder.selector,
                previous,
                next
            );
            _same(keccak256(expected), keccak256(reason), "refused at the first that is out of order");
        }
    }

    function testSiblingsThatChangeTheirPlacesHaveOneRoot() external pure {
        bytes32[] memory leaves = new bytes32[](2);
        (leaves[0], leaves[1]) = (keccak256("one leaf"), keccak256("another"));
        bytes32[] memory proof = new bytes32[](1);
        proof[0] = leaves[1];
        bytes32 root = MerkleProof.processProof(proof, leaves[0]);
        proof[0] = leaves[0];
        _same(root, MerkleProof.processProof(proof, leaves[1]), "why their order is checked");
    }

    function testATreeOfOneLeafIsTheLeaf() external view {
        Row[] memory rows = _rows(1, 1, 1);
        bytes32[] memory tree = this.requestTreeOf(Rows.requests(rows), 1);
        _equal(1, tree.length, "nodes");
        _same(keccak256(bytes.concat(hex"01", Rows.requests(rows))), tree[0], "root");
    }

    function testFuzzRowsOfALeafMakeAboutThirtyTwoFigures(uint16 count) external pure {
        if (count == 0) return;
        uint256 rows = FlowTree.rowsPerLeaf(count);
        _true(rows >= 1, "at least one row");
        _true(rows == 1 || rows * count <= 32, "no more than thirty-two figures, or one row");
        _true((rows + 1) * count > 32, "one row more would be too many");
    }

    function testFuzzLeavesHoldTheirRows(uint256 seed, uint256 rowCount, uint256 count) external view {
        Row[] memory rows = _rows(seed, _within(rowCount, 1, 40), _within(count, 1, 36));
        count = rows[0].requestedWh.length;
        uint256[] memory penalties = _penalties(seed, rows.length);
        (bytes32[] memory requested, bytes32[] memory swept) = this.leavesOf(
            Rows.requests(rows),
            Rows.shortfalls(rows),
            penalties,
            count
        );

        uint256 perLeaf = FlowTree.rowsPerLeaf(count);
        _equal((rows.length + perLeaf - 1) / perLeaf, requested.length, "leaves");
        _equal(requested.length, swept.length, "swept leaves");
        for (uint256 i; i < requested.length; ++i) {
            (uint256 first, uint256 end) = (i * perLeaf, (i + 1) * perLeaf);
            if (end > rows.length) end = rows.length;
            bytes32 leaf = keccak256(bytes.concat(hex"01", Rows.requests(rows, first, end)));
            _same(leaf, requested[i], "request leaf");
            bytes memory missing = Rows.shortfalls(rows, first, end);
            bytes memory taken = _packed(penalties, first, end);
            _same(keccak256(bytes.concat(hex"02", leaf, missing, taken)), swept[i], "swept leaf");
        }
    }

    function leavesOf(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256[] memory penalties,
        uint256 count
    ) external pure returns (bytes32[] memory requested, bytes32[] memory swept) {
        bytes memory taken = Penalties.noneTaken(penalties.length);
        // From the last to the first: no write may change what is already there.
        for (uint256 i = penalties.length; i > 0; --i) Penalties.take(taken, i - 1, uint64(penalties[i - 1]));
        _equal(8 * penalties.length, taken.length, "length of the penalties");
        bytes32[] memory tree = FlowTree.requestTree(rows, count);
        requested = _leavesOf(tree);
        swept = _leavesOf(FlowTree.sweptTree(tree, shortfalls, taken, count));
    }

    function requestTreeOf(bytes calldata rows, uint256 count) external pure returns (bytes32[] memory) {
        return FlowTree.requestTree(rows, count);
    }

    /// @dev The leaves of a tree: the later half of its nodes, from the last to the first.
    function _leavesOf(bytes32[] memory tree) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[]((tree.length + 1) / 2);
        for (uint256 i; i < leaves.length; ++i) leaves[i] = tree[tree.length - 1 - i];
    }

    function _rows(uint256 seed, uint256 rowCount, uint256 count) private pure returns (Row[] memory rows) {
        rows = new Row[](rowCount);
        uint32 account;
        for (uint256 row; row < rowCount; ++row) {
            uint256 dice = _random(seed, row);
            account += 1 + (uint32(dice) % 2 ** 24);
            uint32[] memory requested = new uint32[](count);
            uint32[] memory missing = new uint32[](count);
            for (uint256 i; i < count; ++i) {
                (requested[i], missing[i]) = (uint32(_random(dice, i)), uint32(_random(dice, i) >> 32));
            }
            rows[row] = Row(account, uint32(dice >> 32), uint32(dice >> 64), requested, missing);
        }
    }

    function _penalties(uint256 seed, uint256 count) private pure returns (uint256[] memory penalties) {
        penalties = new uint256[](count);
        for (uint256 i; i < count; ++i) penalties[i] = uint64(_random(seed, i) >> 192);
    }

    function _packed(
        uint256[] memory penalties,
        uint256 first,
        uint256 end
    ) private pure returns (bytes memory packed) {
        for (uint256 i = first; i < end; ++i) packed = bytes.concat(packed, bytes8(uint64(penalties[i])));
    }
}
