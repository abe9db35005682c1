// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {EnergyRows} from "../../../contracts/libraries/EnergyRows.sol";
import {Settlement} from "../../../contracts/libraries/Settlement.sol";
import {Check} from "../Check.sol";
import {Row, Rows} from "../Rows.sol";
import {VM} from "../Vm.sol";

/// @title Settlement: what must hold of the roundings, whatever the figures.
contract SettlementTest is Check {
    function testFuzzPartsNeverCostMoreThanTheWhole(uint64 a, uint64 b, uint32 price) external pure {
        uint256 parts = Settlement.payment(a, price) + Settlement.payment(b, price);
        uint256 whole = Settlement.payment(uint256(a) + b, price);
        _atMost(whole, parts, "paid for two parts");
        _atMost(parts + 1, whole, "what rounding takes"); // two parts lose less than two units
    }

    /// @dev One row: some of it paid at the sweep, the rest awarded in up to three disputes.
    function testFuzzEscrowCoversAnySplit(
        uint64 requested,
        uint32 price,
        uint16 bps,
        uint256 split
    ) external pure {
        (uint256 left, uint256 feeBps) = (requested, _within(bps, 0, Settlement.BPS));
        uint256 escrow = Settlement.escrow(requested, price, feeBps);
        uint256 credited = _within(split, 0, left);
        uint256 paid = Settlement.payment(credited, price);
        uint256 spent = paid + Settlement.fee(paid, feeBps);
        left -= credited;
        for (uint256 i; i < 3; ++i) {
            uint256 awarded = _within(_random(split, i), 0, left);
            left -= awarded;
            spent += Settlement.payment(awarded, price);
        }
        _atMost(escrow, spent, "payment, fee and awards");
    }

    /// @dev Several rows: the fee is taken on the sum of the payments, the escrow row by row.
    function testFuzzEscrowCoversTheFeeOfManyRows(
        uint32[5] memory wh,
        uint32 price,
        uint16 bps
    ) external pure {
        uint256 feeBps = _within(bps, 0, Settlement.BPS);
        (uint256 escrow, uint256 paid) = (0, 0);
        for (uint256 i; i < wh.length; ++i) {
            escrow += Settlement.escrow(wh[i], price, feeBps);
            paid += Settlement.payment(wh[i], price);
        }
        _atMost(escrow, paid + Settlement.fee(paid, feeBps), "payments and fee");
    }

    function testFuzzEscrowIsLessThanAUnitTooMuch(uint64 wh, uint32 price, uint16 bps) external pure {
        uint256 scaled = uint256(wh) * price * (Settlement.BPS + bps);
        uint256 escrow = Settlement.escrow(wh, price, bps);
        uint256 scale = Settlement.WH_PER_KWH * Settlement.BPS;
        _true(escrow * scale >= scaled && escrow * scale < scaled + scale, "rounded up, by less than one");
    }

    /// @dev A penalty taken, perhaps capped, for the excess of several epochs; each forgiven in part or whole.
    function testFuzzRefundsNeverExceedThePenalty(
        uint64 taken,
        uint32[4] memory excess,
        uint256 seed
    ) external pure {
        (uint256 penalised, uint256 refunds, uint256 forgivenInAll) = (0, 0, 0);
        for (uint256 i; i < excess.length; ++i) penalised += excess[i];
        for (uint256 i; i < excess.length; ++i) {
            uint256 forgiven = seed % 3 == 0 ? excess[i] : _within(_random(seed, i), 0, excess[i]);
            refunds += Settlement.refund(taken, penalised, forgiven);
            forgivenInAll += forgiven;
        }
        _atMost(taken, refunds, "refunds");
        // All forgiven, no more than a unit an epoch is lost to rounding.
        if (penalised > 0 && forgivenInAll == penalised) _atMost(refunds + 3, taken, "penalty kept");
    }

    function testFuzzExcessGrowsWithTheShortfall(
        uint32 requested,
        uint32 shortfall,
        uint32 more,
        uint16 bps,
        uint32 floor
    ) external pure {
        uint256 share = _within(bps, 0, Settlement.BPS);
        uint256 first = Settlement.excess(requested, shortfall, share, floor);
        uint256 second = Settlement.excess(requested, uint256(shortfall) + more, share, floor);
        _atMost(second, first, "a smaller shortfall's excess");
        _atMost(first + more, second, "what the excess grows by"); // no cliff
        _atMost(shortfall, first, "excess");
    }

    function testFuzzToleranceIsAtLeastItsFloor(uint64 wh, uint16 bps, uint32 floor) external pure {
        uint256 share = _within(bps, 0, Settlement.BPS);
        uint256 tolerance = Settlement.tolerance(wh, share, floor);
        _true(tolerance >= floor, "floor");
        _true(tolerance * Settlement.BPS + Settlement.BPS > uint256(wh) * share, "share, rounded down");
        _atMost(wh > floor ? wh : floor, tolerance, "tolerance");
        _equal(0, Settlement.excess(wh, tolerance, share, floor), "excess at the edge");
        _equal(1, Settlement.excess(wh, tolerance + 1, share, floor), "excess just beyond it");
    }

    function testFuzzPenaltyIsInProportion(uint32 excess, uint32 price, uint16 bps) external pure {
        uint256 scale = Settlement.WH_PER_KWH * Settlement.BPS;
        uint256 scaled = uint256(excess) * price * bps;
        uint256 penalty = Settlement.penalty(excess, price, bps);
        _true(penalty * scale <= scaled && scaled < (penalty + 1) * scale, "rounded down, by less than one");
    }

    function testFuzzCapacityRefusesNoFullPowerHour(uint32 power, uint32 epochSeconds) external pure {
        uint256 capacity = Settlement.capacityWh(power, epochSeconds);
        uint256 wattSeconds = uint256(power) * epochSeconds;
        _true(capacity * 3600 >= wattSeconds, "all that can be delivered");
        _true(capacity * 3600 < wattSeconds + 3600, "less than 1 Wh more");
    }

    /// @dev EnergyRows.delivery, eight figures at a time in assembly, against the rules figure by figure.
    function testFuzzDeliveryIsThatOfALoop(
        uint32[19] memory asked,
        uint256 seed,
        uint256 count
    ) external view {
        count = _within(count, 1, asked.length);
        (uint256 share, uint256 floor) = (_within(_random(seed, 98), 0, Settlement.BPS), uint32(seed));
        if (seed % 2 == 0) floor %= 1000;
        (uint256 credited, uint256 excess) = (0, 0);
        uint32[] memory requested = new uint32[](count);
        uint32[] memory missing = new uint32[](count);
        for (uint256 i; i < count; ++i) {
            requested[i] = asked[i];
            // Nothing, a little or anything is missing, so that whole words without a shortfall occur.
            uint256 dice = _random(seed, i);
            uint256 allowed = Settlement.tolerance(asked[i], share, floor);
            if (dice % 4 == 0) missing[i] = uint32(_within(dice >> 8, 0, asked[i]));
            // At the edge of the tolerance, and just beyond it.
            if (dice % 8 == 1 && allowed < asked[i]) missing[i] = uint32(allowed + ((dice >> 8) % 2));
            credited += asked[i] - missing[i];
            excess += Settlement.excess(asked[i], missing[i], share, floor);
        }
        (uint256 creditedWh, uint256 excessWh) = _deliveryOf(requested, missing, share, floor);
        _equal(credited, creditedWh, "credited");
        _equal(excess, excessWh, "excess");
    }

    function testFuzzAShortfallBeyondTheRequestIsRefused(
        uint32 asked,
        uint32 missing,
        uint256 epoch
    ) external {
        VM.assume(missing > asked);
        epoch = _within(epoch, 0, 10);
        (uint32[] memory requested, uint32[] memory short) = (new uint32[](11), new uint32[](11));
        (requested[epoch], short[epoch]) = (asked, missing);
        bytes4 refusal = IARIATypes.ShortfallExceedsRequest.selector;
        VM.expectRevert(abi.encodeWithSelector(refusal, uint32(7), epoch, uint256(asked), uint256(missing)));
        Row[] memory rows = _second(requested, short);
        this.deliveryOf(Rows.requests(rows), Rows.shortfalls(rows), 300, 10);
    }

    /// @dev EnergyRows.draw, for two rows that ask for the same, against single figures.
    function testFuzzWhatIsDrawnIsThatOfALoop(
        uint32[19] memory asked,
        uint256 seed,
        uint256 offset,
        uint256 count
    ) external view {
        count = _within(count, 1, asked.length);
        offset = _within(offset, 0, 11);
        uint256 limit = seed % 4 == 0 ? 2 ** 23 : uint32(_random(seed, 1)) % 2 ** 24;
        uint32[] memory requested = new uint32[](count);
        uint32[] memory baseline = new uint32[](offset + count + (seed % 3));
        for (uint256 i; i < baseline.length; ++i) baseline[i] = uint32(_random(seed, i)) % 2 ** 31;
        (uint256 sum, bool above, bool enough) = (0, false, true);
        for (uint256 i; i < count; ++i) {
            requested[i] = seed % 16 == 1 ? asked[i] : asked[i] % uint32(limit + 2);
            if (seed % 3 == 0) baseline[offset + i] = 2 * (requested[i] % 2 ** 30); // just enough
            if (_random(seed, i) % 64 == 0) baseline[offset + i] = (2 * (requested[i] % 2 ** 30)) | 1;
            sum += 2 * uint256(requested[i]);
            above = above || requested[i] > limit;
            enough = enough && 2 * uint256(requested[i]) <= baseline[offset + i];
        }
        Row[] memory rows = _second(requested, requested);
        Drawn memory drawn = this.drawTwice(
            Rows.requests(rows),
            count,
            limit,
            Rows.figuresOf(baseline),
            offset
        );
        _true(drawn.beyondLimit == above, "above the limit");
        if (above) return;
        _equal(sum, drawn.energyWh, "sum");
        _true(drawn.enough == enough, "whether it was enough");
        if (!enough) return;
        for (uint256 i; i < count; ++i) baseline[offset + i] -= 2 * requested[i];
        _same(keccak256(Rows.figuresOf(baseline)), keccak256(drawn.left), "what is left, and around it");
    }

    struct Drawn {
        uint256 energyWh;
        bool beyondLimit;
        bool enough;
        bytes left;
    }

    function drawTwice(
        bytes calldata rows,
        uint256 count,
        uint256 limit,
        bytes memory baseline,
        uint256 offset
    ) external pure returns (Drawn memory result) {
        uint256[] memory left = EnergyRows.open(baseline, offset, count);
        for (uint256 row; row < 2; ++row) {
            (uint256 energyWh, bool beyondLimit) = EnergyRows.draw(left, rows, row, count, limit);
            result.energyWh += energyWh;
            if (beyondLimit) result.beyondLimit = true;
        }
        result.enough = EnergyRows.close(left, baseline, offset, count);
        result.left = baseline;
    }

    function testFuzzModestFiguresHave31Bits(uint32[] memory wh, uint256 chosen) external view {
        for (uint256 i; i < wh.length; ++i) wh[i] %= 2 ** 31;
        _true(this.areModest(Rows.figuresOf(wh)), "all of 31 bits");
        if (wh.length == 0) return;
        wh[chosen % wh.length] |= 2 ** 31;
        _true(!this.areModest(Rows.figuresOf(wh)), "one of 32");
    }

    /// @dev Reads calldata, behind which other bytes follow.
    function areModest(bytes calldata list) external pure returns (bool) {
        return EnergyRows.areModest(list);
    }

    function deliveryOf(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 share,
        uint256 floor
    ) external pure returns (uint256 creditedWh, uint256 excessWh) {
        uint256 count = shortfalls.length / 8; // two rows
        return Settlement.deliveryOf(rows, shortfalls, 1, count, share, floor);
    }

    function _deliveryOf(
        uint32[] memory requested,
        uint32[] memory missing,
        uint256 share,
        uint256 floor
    ) private view returns (uint256 creditedWh, uint256 excessWh) {
        Row[] memory rows = _second(requested, missing);
        return this.deliveryOf(Rows.requests(rows), Rows.shortfalls(rows), share, floor);
    }

    /// @dev Two rows, of which the second is looked at: the first must not count.
    function _second(
        uint32[] memory requested,
        uint32[] memory missing
    ) private pure returns (Row[] memory rows) {
        rows = new Row[](2);
        rows[0] = Row(3, 1, 1, requested, requested);
        rows[1] = Row(7, 2, 2, requested, missing);
    }
}
