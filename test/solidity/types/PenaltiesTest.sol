// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Due, Penalties} from "../../../contracts/types/Penalties.sol";
import {Check} from "../Check.sol";

/// @title Penalties: what is noted as due, or as taken, is what is read.
contract PenaltiesTest is Check {
    function testFuzzDuesRoundTrip(uint32[] memory rows, uint32[] memory octets, uint256 seed) external pure {
        uint256 count = rows.length < octets.length ? rows.length : octets.length;
        _soil();
        bytes memory dues = Penalties.open(count);
        // An object right behind the list in memory, to see that the last `put` does not reach it.
        bytes memory next = hex"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";
        for (uint256 i; i < count; ++i) Penalties.put(dues, rows[i], octets[i], uint64(_random(seed, i)));
        _equal(0xa5, uint8(next[0]), "what lies behind the list");
        _equal(count, Penalties.countOf(dues), "count");
        for (uint256 i; i < count; ++i) {
            Due due = Penalties.at(dues, i);
            _equal(rows[i], due.row(), "row");
            _equal(octets[i], due.octetAt(), "octet");
            _equal(uint64(_random(seed, i)), due.units(), "units");
        }
    }
}
