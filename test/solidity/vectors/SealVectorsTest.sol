// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {VM} from "../Vm.sol";
import {Vectors} from "./Vectors.sol";

/// @title Seals: a contract could check them too, by the same domain as statements.
contract SealVectorsTest is Vectors {
    bytes32 private constant SEAL = keccak256("Seal(bytes32 bundleHash)");
    /// @dev `,"seal":"0x` and 65 bytes in hex, `"}`: what the text of a bundle ends with.
    uint256 private constant SEAL_LENGTH = 143;

    function testSealsAreOverTheTextAndTheirSignerIsRecovered() external view {
        string memory json = _file("seals.json");
        bytes32 domain = _word(_file("statements.json"), "", ".domainSeparator");
        address signer = _address(json, "", ".signer");
        uint256 count = _count(json, ".bundles");
        _true(count > 1, "seals to try");
        for (uint256 i; i < count; ++i) {
            string memory at = _entry(".bundles", i);
            bytes32 bundleHash = _word(json, at, ".bundleHash");
            _same(bundleHash, keccak256(_unsealed(json, at)), "bundle hash");
            bytes32 hashed = keccak256(abi.encode(SEAL, bundleHash));
            _same(_word(json, at, ".structHash"), hashed, "struct hash");
            bytes32 digest = MessageHashUtils.toTypedDataHash(domain, hashed);
            _same(_word(json, at, ".digest"), digest, "digest");
            _true(ECDSA.recover(digest, _bytes(json, at, ".seal")) == signer, "signer");
        }
    }

    /// @dev The text of the bundle as it is without its seal.
    function _unsealed(string memory json, string memory at) private pure returns (bytes memory text) {
        text = bytes(VM.parseJsonString(json, string.concat(at, ".text")));
        uint256 length = text.length - SEAL_LENGTH;
        assembly ("memory-safe") {
            mstore(text, length)
        }
        return bytes.concat(text, "}");
    }
}
