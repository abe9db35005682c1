// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Lanes, LanesLibrary} from "../../../contracts/types/Lanes.sol";
import {Check} from "../Check.sol";

/// @title Lanes: four accounts share a word, and none touches another.
contract LanesTest is Check {
    function testFuzzSetChangesOneLaneOnly(uint256 word, uint32 account, uint64 amount) external pure {
        Lanes lanes = Lanes.wrap(word);
        Lanes changed = lanes.set(account, amount);
        _equal(amount, changed.get(account), "the account's own");
        uint32 firstOfWord = account - (account % 4);
        for (uint32 i; i < 4; ++i) {
            uint32 neighbour = firstOfWord + i;
            if (neighbour == account) continue;
            _equal(lanes.get(neighbour), changed.get(neighbour), "a neighbour's");
        }
        // Setting back what was there gives the very word that was there.
        _equal(word, Lanes.unwrap(changed.set(account, lanes.get(account))), "the word");
    }

    function testFuzzAccountsOfAWord(uint32 account) external pure {
        _equal(account / 4, LanesLibrary.wordOf(account), "word");
        _true(LanesLibrary.wordOf(account) < 2 ** 30, "within the array");
    }

    function testLaneZeroIsTheLowest() external pure {
        Lanes lanes = Lanes.wrap((uint256(4) << 192) | (3 << 128) | (2 << 64) | 1);
        for (uint32 i; i < 4; ++i) _equal(i + 1, lanes.get(8 + i), "lane");
    }
}
