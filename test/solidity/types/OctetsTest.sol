// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Amounts, OCTET_BYTES, Octets} from "../../../contracts/types/Octets.sol";
import {Check} from "../Check.sol";

/// @title Octets: what is put into a list is what the Vault reads from it, and the sum of all.
contract OctetsTest is Check {
    function testFuzzRoundTrip(uint32[] memory words, int32[8] memory first, uint256 seed) external view {
        uint256 count = words.length;
        _soil();
        bytes memory octets = Octets.open(count);
        // An object right behind the list in memory, to see that the last `put` does not reach it.
        bytes memory next = hex"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";
        bytes memory plain;
        int256 sum;
        for (uint256 i; i < count; ++i) {
            Amounts amounts;
            plain = bytes.concat(plain, bytes4(words[i]));
            for (uint256 above = 8; above > 0; --above) {
                uint256 lane = above - 1;
                int32 amount = _amount(first, seed, i, lane);
                amounts = amounts.with(lane, amount);
                plain = bytes.concat(plain, bytes4(uint32(amount)));
                sum += amount;
            }
            Octets.put(octets, words[i], amounts);
        }
        _same(keccak256(plain), keccak256(octets), "36 bytes each");
        _equal(0xa5, uint8(next[0]), "what lies behind the list");
        uint256 sums;
        for (uint256 i; i < count; ++i) {
            (uint256 word, Amounts amounts) = this.at(octets, i);
            _equal(words[i], word, "word");
            for (uint256 lane; lane < 8; ++lane)
                _true(amounts.amount(lane) == _amount(first, seed, i, lane), "amount");
            sums = Octets.addTo(sums, amounts);
        }
        _true(Octets.sumOf(sums, count) == sum, "the sum");
    }

    function testFuzzAddChangesOneAmountOnly(
        int32[8] memory first,
        uint256 seed,
        int32 change
    ) external view {
        bytes memory octets = Octets.open(3);
        for (uint256 i; i < 3; ++i) {
            Amounts amounts;
            for (uint256 lane; lane < 8; ++lane) amounts = amounts.with(lane, _amount(first, seed, i, lane));
            Octets.put(octets, i, amounts);
        }
        _equal(3 * OCTET_BYTES, octets.length, "bytes");
        uint256 chosen = seed % 8;
        uint256 octet = seed % 3;
        int256 result = int256(_amount(first, seed, octet, chosen)) + change;
        if (result != int32(result)) return;
        Octets.add(octets, octet * OCTET_BYTES, chosen, change);
        for (uint256 i; i < 3; ++i) {
            (, Amounts amounts) = this.at(octets, i);
            for (uint256 lane; lane < 8; ++lane) {
                int256 expected =
                    i == octet && lane == chosen ? result : int256(_amount(first, seed, i, lane));
                _true(amounts.amount(lane) == expected, "amount");
            }
        }
    }

    function testFuzzBeyondALaneIsWhatLiesAbove(int32[8] memory first, uint256 lane) external pure {
        lane = _within(lane, 0, 7);
        Amounts amounts;
        bool any;
        for (uint256 i; i < 8; ++i) {
            if (i % 2 == 0 && first[0] % 2 == 0) first[i] = 0;
            amounts = amounts.with(i, first[i]);
            if (i > lane && first[i] != 0) any = true;
        }
        _true((amounts.beyond(lane) != 0) == any, "whether there is one");
    }

    function at(bytes calldata octets, uint256 index) external pure returns (uint256, Amounts) {
        return Octets.at(octets, index);
    }

    function _amount(
        int32[8] memory first,
        uint256 seed,
        uint256 index,
        uint256 lane
    ) private pure returns (int32) {
        return index == 0 ? first[lane] : int32(uint32(_random(seed, 8 * index + lane)));
    }
}
