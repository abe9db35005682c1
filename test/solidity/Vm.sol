// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @title Vm: the cheatcodes these tests use, out of those the runner answers at a fixed address.
/// @notice Written out here so that no test library is needed. Source: Hardhat's list of Solidity test cheatcodes.
interface Vm {
    /// @notice The next call comes from `sender`.
    function prank(address sender) external;
    /// @notice The next call must revert with exactly this data.
    function expectRevert(bytes calldata revertData) external;
    function warp(uint256 timestamp) external;
    function roll(uint256 blockNumber) external;
    function setBlockhash(uint256 blockNumber, bytes32 blockHash) external;
    function deal(address account, uint256 balance) external;
    /// @notice An artifact's creation code.
    function getCode(string calldata artifact) external view returns (bytes memory creationCode);
    function etch(address target, bytes calldata code) external;
    function load(address target, bytes32 slot) external view returns (bytes32);
    function addr(uint256 privateKey) external pure returns (address);
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    /// @notice Drops this input of a fuzz test.
    function assume(bool condition) external pure;
    /// @notice An environment variable's value, or this one if it is not set.
    function envOr(string calldata name, uint256 defaultValue) external view returns (uint256 value);
    function getBlockNumber() external view returns (uint256);
    function getBlockTimestamp() external view returns (uint256);
    /// @notice A file's text; `test.solidity.fsPermissions` in hardhat.config.ts says which may be read.
    function readFile(string calldata path) external view returns (string memory text);
    function toString(uint256 value) external pure returns (string memory text);
    function keyExistsJson(string calldata json, string calldata path) external view returns (bool exists);
    function parseJsonUint(string calldata json, string calldata path) external pure returns (uint256);
    function parseJsonUintArray(
        string calldata json,
        string calldata path
    ) external pure returns (uint256[] memory);
    function parseJsonInt(string calldata json, string calldata path) external pure returns (int256);
    function parseJsonAddress(string calldata json, string calldata path) external pure returns (address);
    function parseJsonBytes(string calldata json, string calldata path) external pure returns (bytes memory);
    function parseJsonString(
        string calldata json,
        string calldata path
    ) external pure returns (string memory);
    function parseJsonBytes32(string calldata json, string calldata path) external pure returns (bytes32);
    function parseJsonBytes32Array(
        string calldata json,
        string calldata path
    ) external pure returns (bytes32[] memory);
}

/// @dev keccak256("hevm cheat code"), cut to an address.
Vm constant VM = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
