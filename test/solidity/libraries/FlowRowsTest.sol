// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {FlowRows} from "../../../contracts/libraries/FlowRows.sol";
import {Check} from "../Check.sol";
import {Row, Rows} from "../Rows.sol";

/// @title FlowRows: each field is read from where the interface says it lies.
contract FlowRowsTest is Check {
    function testFuzzEveryFieldIsFound(uint256 seed, uint256 rowCount, uint256 count) external view {
        (rowCount, count) = (_within(rowCount, 1, 4), _within(count, 1, 20));
        Row[] memory rows = new Row[](rowCount);
        for (uint256 i; i < rowCount; ++i) rows[i] = _row(_random(seed, i), count);
        (bytes memory requests, bytes memory shortfalls) = (Rows.requests(rows), Rows.shortfalls(rows));
        _equal(rowCount * FlowRows.rowBytes(count), requests.length, "bytes");

        for (uint256 i; i < rowCount; ++i) {
            (uint32 account, uint32 price, uint32 powerW) = this.termsAt(requests, i, count);
            _equal(rows[i].account, account, "account");
            _equal(rows[i].price, price, "price");
            _equal(rows[i].powerW, powerW, "power");
            for (uint256 epoch; epoch < count; ++epoch) {
                (uint256 requestedWh, uint256 shortfallWh) = this.figuresAt(
                    requests,
                    shortfalls,
                    i,
                    epoch,
                    count
                );
                _equal(rows[i].requestedWh[epoch], requestedWh, "requested");
                _equal(rows[i].shortfallWh[epoch], shortfallWh, "missing");
            }
        }
    }

    function testFuzzWordsHoldAllEpochs(uint16 count) external pure {
        uint256 words = FlowRows.wordCount(count);
        _true(words * 8 >= count, "enough");
        _true(words * 8 < uint256(count) + 8, "none in vain");
    }

    function termsAt(
        bytes calldata rows,
        uint256 row,
        uint256 count
    ) external pure returns (uint32 account, uint32 price, uint32 powerW) {
        uint96 terms = FlowRows.terms(rows, row, count);
        return (FlowRows.accountOf(terms), FlowRows.priceOf(terms), FlowRows.powerOf(terms));
    }

    function figuresAt(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 row,
        uint256 epoch,
        uint256 count
    ) external pure returns (uint256 requestedWh, uint256 shortfallWh) {
        requestedWh = FlowRows.requestedIn(rows, row, epoch, count);
        shortfallWh = FlowRows.missingIn(shortfalls, row, epoch, count);
    }

    function _row(uint256 dice, uint256 count) private pure returns (Row memory) {
        (uint32[] memory requested, uint32[] memory missing) = (new uint32[](count), new uint32[](count));
        for (uint256 i; i < count; ++i) {
            (requested[i], missing[i]) = (uint32(_random(dice, i)), uint32(_random(dice, i) >> 32));
        }
        return Row(uint32(dice), uint32(dice >> 32), uint32(dice >> 64), requested, missing);
    }
}
