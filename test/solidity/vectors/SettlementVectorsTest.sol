// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {FlowRows} from "../../../contracts/libraries/FlowRows.sol";
import {FlowTree} from "../../../contracts/libraries/FlowTree.sol";
import {Amounts, Octets} from "../../../contracts/types/Octets.sol";
import {Penalties} from "../../../contracts/types/Penalties.sol";
import {Posting, PostingsLibrary} from "../../../contracts/types/Postings.sol";
import {VM} from "../Vm.sol";
import {Vectors} from "./Vectors.sol";

/// @title Settlement: the contracts read the agents' bytes, and build their trees, as the vectors have them.
contract SettlementVectorsTest is Vectors {
    function testRowsAreReadFromTheWire() external view {
        string memory json = _file("requests.json");
        uint256 requests = _count(json, ".requests");
        _true(requests > 2, "requests to try");
        for (uint256 i; i < requests; ++i) {
            string memory at = _entry(".requests", i);
            bytes memory rows = _bytes(json, at, ".requests");
            bytes memory shortfalls = _bytes(json, at, ".sweep.shortfalls");
            uint256 epochs = _uint(json, at, ".count");
            uint256 rowCount = _count(json, string.concat(at, ".rows"));
            _equal(rows.length, rowCount * FlowRows.rowBytes(epochs), "bytes of a request");
            for (uint256 row; row < rowCount; ++row) {
                string memory of_ = _entry(string.concat(at, ".rows"), row);
                (uint256 account, uint256 price, uint256 powerW) = this.termsOf(rows, row, epochs);
                _equal(_uint(json, of_, ".account"), account, "account");
                _equal(_uint(json, of_, ".price"), price, "price");
                _equal(_uint(json, of_, ".powerW"), powerW, "power");
                (uint256[] memory requested, uint256[] memory missing) = this.figuresOf(
                    rows,
                    shortfalls,
                    row,
                    epochs
                );
                _allEqual(_uints(json, of_, ".energyWh"), requested, "requested");
                string memory list = string.concat(at, ".sweep.shortfallsWh");
                _allEqual(_uints(json, _entry(list, row), ""), missing, "missing");
            }
        }
    }

    function testTreesAreBuiltAndRowsProved() external view {
        string memory json = _file("requests.json");
        uint256 requests = _count(json, ".requests");
        for (uint256 i; i < requests; ++i) {
            string memory at = _entry(".requests", i);
            uint256[] memory penalties = _uints(json, at, ".sweep.penalties");
            (bytes32 requested, bytes32 swept) = this.rootsOf(
                _bytes(json, at, ".requests"),
                _bytes(json, at, ".sweep.shortfalls"),
                penalties,
                _uint(json, at, ".count")
            );
            bytes32 requestRoot = _word(json, at, ".requestRoot");
            bytes32 sweptRoot = _word(json, at, ".sweptRoot");
            _same(requestRoot, requested, "root of the request");
            _same(sweptRoot, swept, "root of the sweep");
            bytes32 commitment = Hashes.efficientKeccak256(sweptRoot, _word(json, at, ".sweep.flowRoot"));
            _same(_word(json, at, ".commitment"), commitment, "commitment");
            _proved(json, string.concat(at, ".requestProofs"), requestRoot, false);
            _proved(json, string.concat(at, ".sweptProofs"), sweptRoot, true);
        }
    }

    function _proved(string memory json, string memory list, bytes32 root, bool isSwept) private view {
        uint256 count = _count(json, list);
        _true(count > 0, "proofs to try");
        for (uint256 i; i < count; ++i) {
            string memory at = _entry(list, i);
            bytes32 leaf = this.requestLeafOf(_bytes(json, at, ".requests"));
            if (isSwept) {
                bytes memory shortfalls = _bytes(json, at, ".shortfalls");
                leaf = this.sweptLeafOf(leaf, shortfalls, _bytes(json, at, ".penalties"));
            }
            _true(MerkleProof.verify(_words(json, at, ".proof"), root, leaf), "proof of a row");
        }
    }

    function testPostingsArePackedAndRead() external view {
        string memory json = _file("postings.json");
        uint256 count = _count(json, ".postings");
        _true(count > 2, "postings to try");
        bytes memory packed = PostingsLibrary.open(count);
        for (uint256 i; i < count; ++i) {
            string memory at = _entry(".postings", i);
            int256 amount = VM.parseJsonInt(json, string.concat(at, ".amount"));
            PostingsLibrary.put(packed, uint32(_uint(json, at, ".account")), amount);
            (uint32 readAccount, int64 readAmount) = this.postingAt(_bytes(json, "", ".packed"), i);
            _equal(_uint(json, at, ".account"), readAccount, "account");
            _true(amount == readAmount, "amount");
        }
        _same(keccak256(_bytes(json, "", ".packed")), keccak256(packed), "packed postings");
    }

    function testOctetsArePackedAndRead() external view {
        string memory json = _file("postings.json");
        uint256 count = _count(json, ".octets");
        _true(count > 2, "octets to try");
        bytes memory packed = Octets.open(count);
        for (uint256 i; i < count; ++i) {
            string memory at = _entry(".octets", i);
            (uint256 word, Amounts amounts) = this.octetAt(_bytes(json, "", ".packedOctets"), i);
            _equal(_uint(json, at, ".word"), word, "word");
            Amounts made;
            for (uint256 lane; lane < 8; ++lane) {
                int256 amount = VM.parseJsonInt(json, string.concat(at, _entry(".amounts", lane)));
                _true(amount == amounts.amount(lane), "amount");
                made = made.with(lane, amount);
            }
            Octets.put(packed, word, made);
        }
        _same(keccak256(_bytes(json, "", ".packedOctets")), keccak256(packed), "packed octets");
    }

    function _allEqual(
        uint256[] memory expected,
        uint256[] memory received,
        string memory what
    ) private pure {
        _equal(expected.length, received.length, what);
        for (uint256 i; i < expected.length; ++i) _equal(expected[i], received[i], what);
    }

    // ------------------------------------------------------------------------- What the libraries take from calldata

    function termsOf(
        bytes calldata rows,
        uint256 row,
        uint256 count
    ) external pure returns (uint256 account, uint256 price, uint256 powerW) {
        uint96 terms = FlowRows.terms(rows, row, count);
        return (FlowRows.accountOf(terms), FlowRows.priceOf(terms), FlowRows.powerOf(terms));
    }

    function figuresOf(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 row,
        uint256 count
    ) external pure returns (uint256[] memory requested, uint256[] memory missing) {
        (requested, missing) = (new uint256[](count), new uint256[](count));
        for (uint256 i; i < count; ++i) {
            requested[i] = FlowRows.requestedIn(rows, row, i, count);
            missing[i] = FlowRows.missingIn(shortfalls, row, i, count);
        }
    }

    function rootsOf(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256[] memory penalties,
        uint256 count
    ) external pure returns (bytes32 requested, bytes32 swept) {
        bytes memory taken = Penalties.noneTaken(penalties.length);
        for (uint256 i; i < penalties.length; ++i) Penalties.take(taken, i, uint64(penalties[i]));
        bytes32[] memory tree = FlowTree.requestTree(rows, count);
        return (tree[0], FlowTree.sweptTree(tree, shortfalls, taken, count)[0]);
    }

    function requestLeafOf(bytes calldata rows) external pure returns (bytes32) {
        return FlowTree.requestLeaf(rows);
    }

    function sweptLeafOf(
        bytes32 requestLeaf,
        bytes calldata shortfalls,
        bytes memory penalties
    ) external pure returns (bytes32) {
        return FlowTree.sweptLeaf(requestLeaf, shortfalls, penalties);
    }

    function octetAt(bytes calldata octets, uint256 index) external pure returns (uint256, Amounts) {
        return Octets.at(octets, index);
    }

    function postingAt(bytes calldata postings, uint256 index) external pure returns (uint32, int64) {
        Posting posting = PostingsLibrary.at(postings, index);
        return (posting.account(), posting.amount());
    }
}
