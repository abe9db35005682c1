// SPDX-License-Identifier: MIT
// solhint-disable one-contract-per-file
pragma solidity 0.8.34;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title TestToken: a well-behaved token that anyone may mint.
contract TestToken is ERC20 {
    uint8 private immutable _decimals;

    constructor(uint8 decimals_) ERC20("Test token", "TEST") {
        _decimals = decimals_;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function decimals() public view override returns (uint8) {
        return _decimals;
    }
}

/// @title FeeToken: burns one part in a hundred of what is transferred.
contract FeeToken is TestToken {
    constructor() TestToken(6) {}

    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0) || to == address(0)) return super._update(from, to, value);
        super._update(from, address(0), value / 100);
        super._update(from, to, value - value / 100);
    }
}

/// @title RefusingToken: answers false, and moves nothing, where others revert.
contract RefusingToken is TestToken {
    bool private _refusing;

    constructor() TestToken(6) {}

    function refuse(bool refusing) external {
        _refusing = refusing;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return _refusing ? false : super.transfer(to, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return _refusing ? false : super.transferFrom(from, to, value);
    }
}

/// @title SilentToken: its transfers answer nothing at all, as those of the oldest tokens.
contract SilentToken is TestToken {
    constructor() TestToken(6) {}

    function transfer(address to, uint256 value) public override returns (bool) {
        super.transfer(to, value);
        assembly ("memory-safe") {
            return(0, 0)
        }
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        super.transferFrom(from, to, value);
        assembly ("memory-safe") {
            return(0, 0)
        }
    }
}

/// @title ReenteringToken: calls back into another contract, once, in the middle of a transfer.
contract ReenteringToken is TestToken {
    address private _target;
    bytes private _data;

    constructor() TestToken(6) {}

    /// @notice What to call during the next transfer, before the money moves.
    function reenter(address target, bytes calldata data) external {
        (_target, _data) = (target, data);
    }

    /// @notice Calls `target` as this token: so that it can be a party itself.
    function perform(address target, bytes calldata data) external {
        Address.functionCall(target, data);
    }

    function _update(address from, address to, uint256 value) internal override {
        address target = _target;
        _target = address(0);
        if (target != address(0)) Address.functionCall(target, _data);
        super._update(from, to, value);
    }
}
