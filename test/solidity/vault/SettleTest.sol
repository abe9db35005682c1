// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {VM} from "../Vm.sol";
import {Fixture} from "./Fixture.sol";

/// @title Vault.settle against a model: an array of balances, one posting after the other.
contract SettleTest is Fixture {
    struct Line {
        uint256 account;
        int64 amount;
    }

    /// @dev Lists of all sorts: balanced or not, of known and unknown accounts, sorted or not, covered or not.
    function testFuzzI9AnyListPassesOrFailsAsTheModel(uint256 seed) external {
        _fund(seed);
        Line[] memory lines = _lines(seed);
        bytes memory postings = _wire(lines);
        // Now and then some bytes too few or too many.
        if (_random(seed, 1) % 16 == 0)
            postings = bytes.concat(postings, new bytes(1 + (_random(seed, 2) % 11)));
        _settleAsModel(postings, "", lines);
    }

    /// @dev The same with octets after the postings: of words that are all open, in part or not at all.
    function testFuzzI9OctetsPassOrFailAsTheModel(uint256 seed) external {
        _fund(seed);
        (bytes memory octets, Line[] memory inOctets) = _octets(seed);
        Line[] memory lines = new Line[](inOctets.length + 1);
        int256 sum;
        for (uint256 i; i < inOctets.length; ++i) {
            lines[i + 1] = inOctets[i];
            sum += inOctets[i].amount;
        }
        // In three of four the one posting makes up for them.
        if (seed % 4 == 0) sum += int32(uint32(seed >> 8));
        lines[0] = Line(uint32(2 + (_random(seed, 6) % PARTIES)), int64(-sum));
        Line[] memory posted = new Line[](1);
        posted[0] = lines[0];
        if (_random(seed, 1) % 16 == 0) octets = bytes.concat(octets, new bytes(1 + (_random(seed, 2) % 35)));
        _settleAsModel(_wire(posted), octets, lines);
    }

    /// @dev Lists that a service would make: what one gives, others get.
    function testFuzzATransferAmongManyPasses(uint256 seed) external {
        _fund(seed);
        uint64[] memory expected = _balances();
        uint32 payer = uint32(2 + (_random(seed, 100) % PARTIES));
        Line[] memory lines = new Line[](PARTIES + 1);
        uint64 given;
        for (uint32 i; i < PARTIES; ++i) {
            uint64 room = type(uint64).max - expected[i + 1];
            uint256 most = (expected[payer - 1] - given) / 2;
            if (room < most) most = room;
            if (most > uint64(type(int64).max) / PARTIES) most = uint64(type(int64).max) / PARTIES;
            uint64 part = i + 2 == payer ? 0 : uint64(_within(_random(seed, i), 0, most));
            lines[i + 1] = Line(i + 2, int64(part));
            expected[i + 1] += part;
            given += part;
        }
        lines[0] = Line(payer, -int64(given));
        expected[payer - 1] -= given;

        VM.prank(_service);
        _vault.settle(_wire(lines), "");
        _allEqual(expected, _balances(), "balance");
    }

    function testFuzzI11OnlyTheServiceSettlesAndLocks(address stranger, uint64 amount) external {
        VM.assume(stranger != _service);
        bytes memory refusal = abi.encodeWithSelector(IVault.NotService.selector, _service, stranger);
        VM.expectRevert(refusal);
        VM.prank(stranger);
        _vault.settle("", "");
        VM.expectRevert(refusal);
        VM.prank(stranger);
        _vault.setLock(_party(2), amount);
    }

    function testTheLargestAmountsNeitherWrapNorOverflow() external {
        _give(2, type(uint64).max);
        Line[] memory lines = new Line[](4);
        lines[0] = Line(2, type(int64).min); // 2^63 units at once
        lines[1] = Line(3, type(int64).max);
        lines[2] = Line(4, 1);
        lines[3] = Line(2, 0);
        VM.prank(_service);
        _vault.settle(_wire(lines), "");
        _equal(uint64(type(int64).max), _vault.balanceOf(2), "giver");
        _equal(uint64(type(int64).max), _vault.balanceOf(3), "taker");
        _equal(1, _vault.balanceOf(4), "last unit");
    }

    // ------------------------------------------------------------------------------------------------------- Model

    function _settleAsModel(bytes memory postings, bytes memory octets, Line[] memory lines) private {
        uint64[] memory before = _balances();
        (uint64[] memory expected, bytes memory refusal) = _modelled(postings.length, before, lines);
        if (octets.length % 36 != 0) {
            // The postings come first, and what is wrong with them is found first.
            Line[] memory posted = new Line[](1);
            posted[0] = lines[0];
            (, refusal) = _modelled(postings.length, before, posted);
            if (bytes4(refusal) == IVault.NotZeroSum.selector || refusal.length == 0)
                refusal = abi.encodeWithSelector(IVault.MalformedOctets.selector, octets.length);
        }
        bool refused = refusal.length > 0;
        if (refused) VM.expectRevert(refusal);
        VM.prank(_service);
        _vault.settle(postings, octets);
        _allEqual(refused ? before : expected, _balances(), refused ? "balance, refused" : "balance");
        _allEqual(new uint64[](ACCOUNTS), _locks(), "lock");
    }

    /// @return balances after the postings. @return refusal the error they must fail with; empty if they must pass.
    function _modelled(
        uint256 length,
        uint64[] memory before,
        Line[] memory lines
    ) private pure returns (uint64[] memory balances, bytes memory refusal) {
        if (length % 12 != 0)
            return (before, abi.encodeWithSelector(IVault.MalformedPostings.selector, length));
        balances = new uint64[](ACCOUNTS);
        for (uint256 i; i < ACCOUNTS; ++i) balances[i] = before[i];
        int256 sum;
        for (uint256 i; i < lines.length; ++i) {
            uint256 account = lines[i].account;
            if (account == 0 || account > ACCOUNTS) {
                return (balances, abi.encodeWithSelector(IVault.UnknownAccount.selector, uint256(account)));
            }
            uint64 balance = balances[account - 1];
            int256 result = int256(uint256(balance)) + lines[i].amount;
            if (result < 0) {
                uint256 taken = uint256(-int256(lines[i].amount));
                bytes4 selector = IVault.InsufficientBalance.selector;
                return (balances, abi.encodeWithSelector(selector, account, taken, uint256(balance)));
            }
            if (uint256(result) > type(uint64).max) {
                return (
                    balances,
                    abi.encodeWithSelector(IVault.BalanceOverflow.selector, account, uint256(result))
                );
            }
            balances[account - 1] = uint64(uint256(result));
            sum += lines[i].amount;
        }
        if (sum != 0) refusal = abi.encodeWithSelector(IVault.NotZeroSum.selector, sum);
    }

    // -------------------------------------------------------------------------------------------------------- Input

    /// @dev Nothing, a little, much, or all a lane can hold, in each account.
    function _fund(uint256 seed) private {
        for (uint32 account = 2; account <= ACCOUNTS; ++account) {
            uint256 dice = _random(seed, 1000 + account);
            if (dice % 8 == 0) _give(account, type(uint64).max - uint64((dice >> 8) % 3));
            else if (dice % 8 < 6) _give(account, uint64((dice >> 8) % 1e6));
        }
    }

    function _lines(uint256 seed) private view returns (Line[] memory lines) {
        uint256 count = _random(seed, 3) % 13;
        bool tame = _random(seed, 4) % 4 != 0; // only what each account can bear
        lines = new Line[](count);
        int256 sum;
        for (uint256 i; i < count; ++i) {
            uint256 dice = _random(seed, 10 + i);
            uint32 account = uint32(2 + (dice % PARTIES));
            if (!tame && dice % 32 == 0) account = dice % 64 == 0 ? 0 : uint32(dice >> 64);
            int64 amount = int64(uint64((dice >> 16) % 1e5));
            if ((dice >> 8) % 2 == 0)
                amount = -int64(uint64((dice >> 16) % (_vault.balanceOf(account) / 4 + 1)) >> 1);
            if (!tame && (dice >> 9) % 16 == 0) amount = int64(uint64(dice >> 128));
            lines[i] = Line(account, amount);
            sum += amount;
        }
        // In three of four lists the last line makes up for the others, if it can.
        bool fits = -sum >= type(int64).min && -sum <= type(int64).max;
        if (count > 0 && fits && _random(seed, 5) % 4 != 0) {
            int256 last = int256(lines[count - 1].amount) - sum;
            if (last >= type(int64).min && last <= type(int64).max) lines[count - 1].amount = int64(last);
        }
    }

    /// @return octets of words 0 to 3 and beyond. @return lines the same account by account, without those of zero.
    function _octets(uint256 seed) private view returns (bytes memory octets, Line[] memory lines) {
        uint256 count = 1 + (_random(seed, 7) % 3);
        lines = new Line[](8 * count);
        uint256 used;
        for (uint256 i; i < count; ++i) {
            uint256 dice = _random(seed, 100 + i);
            uint32 word = dice % 32 == 0 ? uint32(dice >> 32) : uint32(dice % 16 < 12 ? 1 : (dice >> 8) % 3);
            bytes memory amounts;
            for (uint256 lane; lane < 8; ++lane) {
                uint256 account = 8 * uint256(word) + lane;
                int32 amount = _laneAmount(_random(dice, lane), account);
                amounts = bytes.concat(bytes4(uint32(amount)), amounts);
                if (amount != 0) lines[used++] = Line(account, amount);
            }
            octets = bytes.concat(octets, bytes4(word), amounts);
        }
        assembly ("memory-safe") {
            mstore(lines, used)
        }
    }

    /// @dev Mostly what the account bears; rarely anything, also for an account that is not open.
    function _laneAmount(uint256 dice, uint256 account) private view returns (int32) {
        bool open = account > 1 && account <= ACCOUNTS;
        if (dice % 64 == 0) return int32(uint32(dice >> 8));
        if (!open || dice % 4 == 0) return 0;
        if (dice % 4 == 1) return int32(uint32((dice >> 8) % 2 ** 31));
        uint256 most = _vault.balanceOf(uint32(account)) / 4;
        return -int32(uint32((dice >> 8) % ((most < 2 ** 31 ? most : 2 ** 31 - 1) + 1)));
    }

    function _wire(Line[] memory lines) private pure returns (bytes memory postings) {
        for (uint256 i; i < lines.length; ++i) {
            postings = bytes.concat(
                postings,
                bytes4(uint32(lines[i].account)),
                bytes8(uint64(lines[i].amount))
            );
        }
    }
}
