// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {VM} from "../Vm.sol";
import {Fixture, Service} from "./Fixture.sol";

/// @title The Vault's locks and withdrawals: what is free can always be taken, by its owner, and no unit more.
contract LocksTest is Fixture {
    function testFuzzI7OnlyWhatIsFreeCanBeWithdrawn(
        uint64[16] memory given,
        uint64[16] memory locked,
        uint256 seed
    ) external {
        for (uint32 i; i < PARTIES; ++i) {
            _give(i + 2, given[i]);
            // Above the balance, under it, or at it.
            if (_random(seed, i) % 2 == 0) locked[i] = uint64(_within(locked[i], 0, given[i]));
            VM.prank(_service);
            _vault.setLock(_party(i + 2), locked[i]);
        }
        for (uint32 i; i < PARTIES; ++i) {
            uint64 free = given[i] > locked[i] ? given[i] - locked[i] : 0;
            _equal(free, _vault.freeOf(_party(i + 2)), "free");
            _equal(locked[i], _vault.lockOf(_party(i + 2)), "lock");
            _tooMuchIsRefused(i + 2, free);
            uint64 part = uint64(_within(_random(seed, 50 + i), 0, free));
            _withdraw(i + 2, part);
            _withdraw(i + 2, free - part);
            _equal(given[i] - free, _vault.balanceOf(i + 2), "what stays");
        }
    }

    function testFuzzALockOrWithdrawalTouchesNoNeighbour(uint256 seed, uint64 amount) external {
        for (uint32 account = 2; account <= ACCOUNTS; ++account) {
            _give(account, uint64(_random(seed, account)));
            VM.prank(_service);
            _vault.setLock(_party(account), uint64(_random(seed, account) >> 64));
        }
        uint32 chosen = uint32(2 + (seed % PARTIES));
        (uint64[] memory balances, uint64[] memory locks) = (_balances(), _locks());

        VM.prank(_service);
        _vault.setLock(_party(chosen), amount);
        locks[chosen - 1] = amount;
        _allEqual(balances, _balances(), "balance after a lock");
        _allEqual(locks, _locks(), "lock after a lock");

        uint64 free = _vault.freeOf(_party(chosen));
        _withdraw(chosen, free);
        balances[chosen - 1] -= free;
        _allEqual(balances, _balances(), "balance after a withdrawal");
        _allEqual(locks, _locks(), "lock after a withdrawal");
    }

    function testFuzzI12LocksEndWithTheServiceThatSetThem(uint64 given, uint64 locked) external {
        _give(5, given);
        VM.prank(_service);
        _vault.setLock(_party(5), locked);
        address next = address(new Service(_vault));
        _vault.announceHandOver(next);
        VM.warp(VM.getBlockTimestamp() + EXIT_WINDOW);
        _vault.handOver();
        _equal(0, _vault.lockOf(_party(5)), "lock");
        _equal(given, _vault.freeOf(_party(5)), "free");
    }

    function testFuzzWhoHasNoAccountCannotBeLocked(address stranger, uint64 amount) external {
        VM.assume(_vault.accountOf(stranger) == 0);
        VM.expectRevert(abi.encodeWithSelector(IVault.NoAccount.selector, stranger));
        VM.prank(_service);
        _vault.setLock(stranger, amount);
    }

    function testFuzzWhoHasNoAccountWithdrawsNothing(address stranger, uint64 amount) external {
        VM.assume(stranger != address(0) && stranger != address(_vault));
        VM.assume(amount > 0 && _vault.accountOf(stranger) == 0);
        VM.expectRevert(abi.encodeWithSelector(IVault.NoAccount.selector, stranger));
        VM.prank(stranger);
        _vault.withdraw(amount, payable(stranger));
    }

    function _tooMuchIsRefused(uint32 account, uint64 free) private {
        if (free == type(uint64).max) return;
        bytes4 refusal = IVault.InsufficientFree.selector;
        VM.expectRevert(abi.encodeWithSelector(refusal, account, uint256(free) + 1, uint256(free)));
        VM.prank(_party(account));
        _vault.withdraw(free + 1, payable(_party(account)));
    }

    function _withdraw(uint32 account, uint64 amount) private {
        if (amount == 0) return;
        address payable to = payable(address(uint160(0xbeef0000) + account));
        uint256 before = to.balance;
        VM.prank(_party(account));
        _vault.withdraw(amount, to);
        _equal(before + uint256(amount) * UNIT, to.balance, "received");
    }
}
