// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {EpochRows} from "../../../contracts/libraries/EpochRows.sol";
import {Settlement} from "../../../contracts/libraries/Settlement.sol";
import {OCTET_BYTES, Octets} from "../../../contracts/types/Octets.sol";
import {Penalties} from "../../../contracts/types/Penalties.sol";
import {Check} from "../Check.sol";
import {Row, Rows} from "../Rows.sol";

/// @title EpochRows, in assembly, against the rules row by row.
contract EpochRowsTest is Check {
    uint16 private constant SHARE_BPS = 500;
    uint32 private constant FLOOR_WH = 10;
    uint16 private constant PENALTY_BPS = 5_000;

    struct Outcome {
        bool settled;
        uint256 paid;
        bytes octets;
        bytes dues;
    }

    /// @dev Fleets with and without gaps, whose accounts start anywhere in a word.
    function testFuzzAnEpochIsSettledAsRowByRow(uint256 seed, uint256 rowCount) external view {
        Row[] memory rows = _fleet(seed, _within(rowCount, 1, 40));
        Outcome memory expected = _plain(rows);
        Outcome memory received = this.settle(Rows.requests(rows), Rows.shortfalls(rows), rows.length);
        _true(received.settled, "settled");
        _equal(expected.paid, received.paid, "paid");
        _same(keccak256(expected.octets), keccak256(received.octets), "octets");
        _same(keccak256(expected.dues), keccak256(received.dues), "dues");
    }

    function testFuzzMoreMissingThanAskedIsLeftToThePlainWay(
        uint256 seed,
        uint256 rowCount,
        uint32 more
    ) external view {
        Row[] memory rows = _fleet(seed, _within(rowCount, 1, 40));
        Row memory row = rows[seed % rows.length];
        row.shortfallWh[0] = row.requestedWh[0] + 1 + (more % 2 ** 31);
        _true(!this.settle(Rows.requests(rows), Rows.shortfalls(rows), rows.length).settled, "refused");
    }

    function settle(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 rowCount
    ) external pure returns (Outcome memory outcome) {
        outcome.octets = Octets.open(rowCount);
        outcome.dues = Penalties.open(rowCount);
        (outcome.settled, outcome.paid) = EpochRows.settle(
            rows,
            shortfalls,
            SHARE_BPS,
            FLOOR_WH,
            PENALTY_BPS,
            outcome.octets,
            outcome.dues
        );
    }

    function _plain(Row[] memory rows) private pure returns (Outcome memory outcome) {
        uint32[8] memory amounts;
        uint256 octetCount;
        for (uint256 i; i < rows.length; ++i) {
            (uint256 asked, uint256 short) = (rows[i].requestedWh[0], rows[i].shortfallWh[0]);
            uint256 payment = Settlement.payment(asked - short, rows[i].price);
            outcome.paid += payment;
            amounts[rows[i].account % 8] = uint32(payment);
            uint256 excess = Settlement.excess(asked, short, SHARE_BPS, FLOOR_WH);
            uint256 due = Settlement.penalty(excess, rows[i].price, PENALTY_BPS);
            if (due > 0) {
                bytes memory entry = bytes.concat(
                    bytes4(uint32(i)),
                    bytes4(uint32(octetCount * OCTET_BYTES)),
                    bytes8(uint64(due))
                );
                outcome.dues = bytes.concat(outcome.dues, entry);
            }
            if (i + 1 < rows.length && rows[i + 1].account / 8 == rows[i].account / 8) continue;
            outcome.octets = bytes.concat(outcome.octets, bytes4(rows[i].account / 8));
            for (uint256 lane = 8; lane > 0; --lane) {
                outcome.octets = bytes.concat(outcome.octets, bytes4(amounts[lane - 1]));
            }
            delete amounts;
            ++octetCount;
        }
    }

    function _fleet(uint256 seed, uint256 rowCount) private pure returns (Row[] memory rows) {
        rows = new Row[](rowCount);
        uint32 account = uint32(seed % 20);
        for (uint256 i; i < rowCount; ++i) {
            uint256 dice = _random(seed, i);
            bool gaps = seed % 3 != 0;
            account += gaps && dice % 4 == 0 ? 2 + uint32((dice >> 8) % 12) : 1;
            uint32[] memory asked = new uint32[](1);
            uint32[] memory short = new uint32[](1);
            asked[0] = uint32((dice >> 16) % 25_000);
            if (dice % 5 == 0) short[0] = uint32(_within(dice >> 48, 0, asked[0]));
            // Within the tolerance, at its edge, all.
            if (dice % 5 == 1) short[0] = uint32(_within(dice >> 48, 0, asked[0] / 20));
            if (dice % 25 == 2) short[0] = asked[0];
            // At the most, a payment of just less than 2^31 units.
            uint32 price = uint32((dice >> 96) % 85_899_345);
            rows[i] = Row(account, price, uint32(dice >> 128), asked, short);
        }
    }
}
