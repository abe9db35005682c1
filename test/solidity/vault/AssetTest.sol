// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {Check} from "../Check.sol";
import {Deployed} from "../Deployed.sol";
import {VM} from "../Vm.sol";

/// @title The Vault's asset: what comes in is what is credited, coins or tokens, whatever a token or receiver does.
contract AssetTest is Check {
    uint256 private constant UNIT = 1e12; // of a token of 18 decimals: 1e-6

    /// @dev What this contract does when coins reach it: withdraws again.
    IVault private _reentered;
    bool private _putsBack;

    function testFuzzCoinsMustBeExactlyTheAmount(uint64 amount, uint128 sent) external {
        VM.assume(amount > 0);
        IVault vault = Deployed.vault(address(this), address(0), 1 gwei, 0);
        VM.deal(address(this), type(uint256).max);
        uint256 due = uint256(amount) * 1 gwei;
        if (sent != due) {
            VM.expectRevert(abi.encodeWithSelector(IVault.WrongValue.selector, due, uint256(sent)));
            vault.deposit{value: sent}(address(this), amount);
        }
        vault.deposit{value: due}(address(this), amount);
        _equal(amount, vault.balanceOf(1), "credited");
        _equal(due, address(vault).balance, "held");
    }

    function testFuzzDepositsBeyondALaneAreRefused(uint64 first, uint64 second) external {
        VM.assume(first > 0);
        second = uint64(_within(second, uint256(type(uint64).max) - first + 1, type(uint64).max));
        IVault vault = Deployed.vault(address(this), address(0), 1, 0);
        VM.deal(address(this), 2 ** 65);
        vault.deposit{value: first}(address(this), first);
        bytes4 refusal = IVault.BalanceOverflow.selector;
        VM.expectRevert(abi.encodeWithSelector(refusal, uint32(1), uint256(first) + second));
        vault.deposit{value: second}(address(this), second);
    }

    function testFuzzTokensComeAndGoUnitByUnit(uint64 amount, uint64 back) external {
        VM.assume(amount > 0);
        back = uint64(_within(back, 1, amount));
        (IVault vault, Token token) = _tokenVault(0, amount);
        vault.deposit(address(this), amount);
        _equal(uint256(amount) * UNIT, token.balanceOf(address(vault)), "held");
        vault.withdraw(back, payable(address(0xbeef)));
        _equal(uint256(back) * UNIT, token.balanceOf(address(0xbeef)), "received");
        _equal(uint256(vault.balanceOf(1)) * UNIT, token.balanceOf(address(vault)), "held after");
    }

    function testFuzzATokenThatKeepsAFeeIsRefused(uint64 amount, uint256 fee) external {
        VM.assume(amount > 0);
        uint256 due = uint256(amount) * UNIT;
        fee = _within(fee, 1, due);
        (IVault vault, ) = _tokenVault(fee, amount);
        VM.expectRevert(abi.encodeWithSelector(IVault.WrongValue.selector, due, due - fee));
        vault.deposit(address(this), amount);
    }

    function testCoinsSentToATokenVaultAreRefused() external {
        (IVault vault, ) = _tokenVault(0, 5);
        VM.deal(address(this), 1);
        VM.expectRevert(abi.encodeWithSelector(IVault.WrongValue.selector, 0, 1));
        vault.deposit{value: 1}(address(this), 5);
    }

    /// @dev The token's hook withdraws what was credited before the tokens came, and pays in again or does not.
    function testATokensHookCannotPartBooksAndAsset() external {
        (IVault vault, Token token) = _tokenVault(0, 100);
        token.mint(address(this), 1000 * UNIT);
        token.approve(address(vault), type(uint256).max);
        vault.deposit(address(1), 500); // somebody else's money
        token.arm();
        VM.expectRevert(abi.encodeWithSelector(IVault.WrongValue.selector, 100 * UNIT, 0));
        vault.deposit(address(this), 100);
        token.arm();
        _putsBack = true;
        vault.deposit(address(this), 100);
        _equal(600 * UNIT, token.balanceOf(address(vault)), "held");
        _equal(100, vault.balanceOf(vault.accountOf(address(this))), "credited");
    }

    function testAReceiverCannotWithdrawTwice() external {
        IVault vault = Deployed.vault(address(this), address(0), 1, 0);
        VM.deal(address(this), 300);
        vault.deposit{value: 200}(address(1), 200);
        vault.deposit{value: 100}(address(this), 100);
        _reentered = vault;
        VM.expectRevert(abi.encodeWithSelector(IVault.InsufficientFree.selector, uint32(2), 100, 0));
        vault.withdraw(100, payable(address(this)));
    }

    /// @dev What the token calls before it moves anything.
    function tokensToSend(IVault vault) external {
        vault.withdraw(100, payable(address(this)));
        if (_putsBack) vault.deposit(address(this), 100);
    }

    receive() external payable {
        if (address(_reentered) != address(0)) _reentered.withdraw(100, payable(address(this)));
    }

    function _tokenVault(uint256 fee, uint64 amount) private returns (IVault vault, Token token) {
        token = new Token(fee);
        vault = Deployed.vault(address(this), address(token), UNIT, 0);
        token.mint(address(this), uint256(amount) * UNIT);
        token.approve(address(vault), uint256(amount) * UNIT);
    }
}

/// @dev A token that keeps a fee of each transfer, and tells the one it takes from before it does, once.
contract Token is ERC20("Token", "T") {
    uint256 private immutable FEE;
    bool private _armed;

    constructor(uint256 fee) {
        FEE = fee;
    }

    function mint(address to, uint256 amount) external {
        super._update(address(0), to, amount);
    }

    function arm() external {
        _armed = true;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (_armed && from != address(0)) {
            _armed = false;
            AssetTest(payable(from)).tokensToSend(IVault(msg.sender));
        }
        super._update(from, to, amount);
        if (FEE > 0) super._update(to, address(this), FEE);
    }
}
