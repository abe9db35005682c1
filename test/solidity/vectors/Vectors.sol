// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Check} from "../Check.sol";
import {VM} from "../Vm.sol";

/// @title Vectors: reads vectors/*.json, the same files that the agents' tests reproduce.
abstract contract Vectors is Check {
    function _file(string memory name) internal view returns (string memory json) {
        return VM.readFile(string.concat("vectors/", name));
    }

    /// @dev How many entries a list has.
    function _count(string memory json, string memory list) internal view returns (uint256 count) {
        while (VM.keyExistsJson(json, _entry(list, count))) ++count;
    }

    function _entry(string memory list, uint256 i) internal pure returns (string memory path) {
        return string.concat(list, "[", VM.toString(i), "]");
    }

    function _uint(string memory json, string memory at, string memory name) internal pure returns (uint256) {
        return VM.parseJsonUint(json, string.concat(at, name));
    }

    function _uints(
        string memory json,
        string memory at,
        string memory name
    ) internal pure returns (uint256[] memory) {
        return VM.parseJsonUintArray(json, string.concat(at, name));
    }

    function _word(string memory json, string memory at, string memory name) internal pure returns (bytes32) {
        return VM.parseJsonBytes32(json, string.concat(at, name));
    }

    function _words(
        string memory json,
        string memory at,
        string memory name
    ) internal pure returns (bytes32[] memory) {
        return VM.parseJsonBytes32Array(json, string.concat(at, name));
    }

    function _bytes(
        string memory json,
        string memory at,
        string memory name
    ) internal pure returns (bytes memory) {
        return VM.parseJsonBytes(json, string.concat(at, name));
    }

    function _address(
        string memory json,
        string memory at,
        string memory name
    ) internal pure returns (address) {
        return VM.parseJsonAddress(json, string.concat(at, name));
    }
}
