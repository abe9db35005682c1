// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Posting, PostingsLibrary} from "../../../contracts/types/Postings.sol";
import {Check} from "../Check.sol";
import {VM} from "../Vm.sol";

/// @title Postings: what is put into a list is what the Vault reads from it.
contract PostingsTest is Check {
    function testFuzzRoundTrip(uint32[] memory accounts, int64 first, uint256 seed) external view {
        uint256 count = accounts.length;
        _soil();
        bytes memory postings = PostingsLibrary.open(count);
        // An object right behind the list in memory, to see that the last `put` does not reach it.
        bytes memory next = hex"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";
        bytes memory plain;
        for (uint256 i; i < count; ++i) {
            int64 amount = i == 0 ? first : int64(uint64(_random(seed, i)));
            PostingsLibrary.put(postings, accounts[i], amount);
            plain = bytes.concat(plain, bytes4(accounts[i]), bytes8(uint64(amount)));
        }
        _same(keccak256(plain), keccak256(postings), "12 bytes each");
        _equal(0xa5, uint8(next[0]), "what lies behind the list");
        for (uint256 i; i < count; ++i) {
            (uint32 account, int64 amount) = this.at(postings, i);
            _equal(accounts[i], account, "account");
            _true(amount == (i == 0 ? first : int64(uint64(_random(seed, i)))), "amount");
        }
    }

    function testTheLargestAndSmallestAmount() external view {
        bytes memory postings = PostingsLibrary.open(2);
        PostingsLibrary.put(postings, type(uint32).max, type(int64).max);
        PostingsLibrary.put(postings, 1, type(int64).min);
        (uint32 account, int64 amount) = this.at(postings, 0);
        _true(account == type(uint32).max && amount == type(int64).max, "largest");
        (account, amount) = this.at(postings, 1);
        _true(account == 1 && amount == type(int64).min, "smallest");
    }

    function testFuzzAnAmountBeyond64BitsIsRefused(uint32 account, int256 amount) external {
        VM.assume(amount > type(int64).max || amount < type(int64).min);
        VM.expectRevert(abi.encodeWithSelector(PostingsLibrary.PostingOverflow.selector, account, amount));
        this.put(account, amount);
    }

    function at(bytes calldata postings, uint256 index) external pure returns (uint32, int64) {
        Posting posting = PostingsLibrary.at(postings, index);
        return (posting.account(), posting.amount());
    }

    function put(uint32 account, int256 amount) external pure {
        PostingsLibrary.put(PostingsLibrary.open(1), account, amount);
    }
}
