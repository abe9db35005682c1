// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Lanes, LanesLibrary} from "../../../contracts/types/Lanes.sol";
import {Amounts} from "../../../contracts/types/Octets.sol";
import {Check} from "../Check.sol";

/// @title Lanes: eight accounts share a word, and none touches another.
contract LanesTest is Check {
    function testFuzzSetChangesOneLaneOnly(uint256 word, uint32 account, uint64 balance) external pure {
        Lanes lanes = Lanes.wrap(word);
        Lanes changed = lanes.set(account, balance);
        (uint256 low, bool more) = changed.get(account);
        _equal(balance % 2 ** 31, low, "the account's own");
        _true(more == (balance >= 2 ** 31), "whether there is more");
        uint32 firstOfWord = account - (account % 8);
        for (uint32 i; i < 8; ++i) {
            uint32 neighbour = firstOfWord + i;
            if (neighbour != account)
                _same(_lane(lanes, neighbour), _lane(changed, neighbour), "a neighbour's");
        }
        // Setting back what was there gives the very word that was there.
        (low, more) = lanes.get(account);
        _equal(word, Lanes.unwrap(changed.set(account, more ? low + 2 ** 31 : low)), "the word");
    }

    function testFuzzAccountsOfAWord(uint32 account) external pure {
        _equal(account / 8, LanesLibrary.wordOf(account), "word");
        _true(LanesLibrary.wordOf(account) < 2 ** 29, "within the array");
    }

    function testLaneZeroIsTheLowest() external pure {
        Lanes lanes = Lanes.wrap((uint256(0x80000008) << 224) | (3 << 64) | (2 << 32) | 1);
        for (uint32 i; i < 3; ++i) {
            (uint256 low, bool more) = lanes.get(8 + i);
            _true(low == i + 1 && !more, "lane");
        }
        (uint256 highest, bool moreOfIt) = lanes.get(15);
        _true(highest == 8 && moreOfIt, "highest lane");
    }

    /// @dev Against one addition after the other. Amounts are small, large, or just at the edge of what fits.
    function testFuzzAllAtOnceIsOneByOne(uint256 word, uint256 seed) external pure {
        uint256 amounts;
        uint256 expected;
        bool allFit = true;
        for (uint256 i; i < 8; ++i) {
            int256 low = int256((word >> (32 * i)) & 0x7fffffff);
            uint256 dice = _random(seed, i);
            int256 amount = int256(int32(uint32(dice)));
            if (seed % 4 != 0 || dice % 16 != 0) amount = int256((dice >> 32) % (2 ** 31)) - low; // fits
            if ((dice >> 8) % 8 == 0) amount = -low;
            if ((dice >> 8) % 8 == 1) amount = 2 ** 31 - 1 - low;
            if (seed % 4 == 1 && (dice >> 16) % 16 == 0) amount = -low - 1;
            if (seed % 4 == 1 && (dice >> 16) % 16 == 1) amount = 2 ** 31 - low;
            if (amount > type(int32).max || amount < type(int32).min) amount = 0;
            amounts |= uint256(uint32(int32(amount))) << (32 * i);
            if (low + amount < 0 || low + amount >= 2 ** 31) allFit = false;
            else expected |= (uint256(low + amount) | ((word >> (32 * i)) & 0x80000000)) << (32 * i);
        }
        (Lanes sums, bool fits) = Lanes.wrap(word).plus(Amounts.wrap(amounts));
        _true(fits == allFit, "whether all fit");
        if (fits) _equal(expected, Lanes.unwrap(sums), "the sums, and what is above them left as it was");
    }

    function _lane(Lanes lanes, uint32 account) private pure returns (bytes32) {
        (uint256 low, bool more) = lanes.get(account);
        return keccak256(abi.encode(low, more));
    }
}
