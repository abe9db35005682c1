// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {EnergyLanes, EnergyLanesLibrary} from "../../../contracts/types/EnergyLanes.sol";
import {Check} from "../Check.sol";

/// @title EnergyLanes: each figure is read from, and written to, its own place.
contract EnergyLanesTest is Check {
    function testFuzzEachLaneHoldsItsEpoch(uint32[8] memory wh) external pure {
        EnergyLanes lanes = _packed(wh);
        for (uint256 i; i < 8; ++i) _equal(wh[i], lanes.lane(i), "lane");
    }

    function testFuzzLoadTakesNoMoreThanItsLanes(
        uint32[] memory wh,
        uint256 first,
        uint256 lanes
    ) external view {
        first = _within(first, 0, wh.length);
        lanes = _within(lanes, 0, wh.length - first);
        bytes memory data;
        for (uint256 i; i < wh.length; ++i) data = bytes.concat(data, bytes4(wh[i]));
        // What follows the list in calldata must not get into a lane: here, ones.
        EnergyLanes loaded = this.load(data, first * 4, lanes, type(uint256).max);
        for (uint256 i; i < 8; ++i) _equal(i < lanes ? wh[first + i] : 0, loaded.lane(i), "loaded lane");
    }

    function testFuzzWriteChangesItsLanesOnly(
        uint32[] memory wh,
        uint256 first,
        uint256 lanes,
        uint32[8] memory values
    ) external pure {
        if (wh.length == 0) return;
        first = _within(first, 0, wh.length - 1);
        lanes = _within(lanes, 1, wh.length - first);
        bytes memory list;
        for (uint256 i; i < wh.length; ++i) list = bytes.concat(list, bytes4(wh[i]));
        bytes memory next = hex"a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";
        bytes32 nextBefore = keccak256(next);
        for (uint256 i = lanes; i < 8; ++i) values[i] = 0;

        EnergyLanesLibrary.write(list, first, lanes, _packed(values));

        for (uint256 i; i < wh.length; ++i) {
            bool written = i >= first && i < first + (lanes < 8 ? lanes : 8);
            EnergyLanes entry = EnergyLanesLibrary.read(list, i, 1);
            _equal(written ? values[i - first] : wh[i], entry.lane(0), "entry");
        }
        EnergyLanes back = EnergyLanesLibrary.read(list, first, lanes);
        _equal(EnergyLanes.unwrap(_packed(values)), EnergyLanes.unwrap(back), "read back at once");
        _equal(wh.length * 4, list.length, "length");
        _same(nextBefore, keccak256(next), "what lies behind the list in memory");
    }

    /// @dev An external function, because `load` reads calldata. @param tail lies behind the list in calldata.
    function load(
        bytes calldata data,
        uint256 offset,
        uint256 lanes,
        uint256 tail
    ) external pure returns (EnergyLanes) {
        _equal(type(uint256).max, tail, "tail");
        return EnergyLanesLibrary.load(data, offset, lanes);
    }

    function _packed(uint32[8] memory wh) private pure returns (EnergyLanes) {
        uint256 word;
        for (uint256 i; i < 8; ++i) word = (word << 32) | wh[i];
        return EnergyLanes.wrap(word);
    }
}
