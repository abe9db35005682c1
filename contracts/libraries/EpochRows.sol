// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

// used in assembly: solhint does not look there
// solhint-disable-next-line no-unused-import
import {OCTET_BYTES} from "../types/Octets.sol";
// used in assembly: solhint does not look there
// solhint-disable-next-line no-unused-import
import {DUE_BYTES} from "../types/Penalties.sol";

/// @title EpochRows: the settlement of a request of a single epoch, eight accounts at a time.
/// @notice ARIA settles any request row by row, in Solidity. For one epoch that would be most of what a sweep costs: this loop
/// does the same in assembly for a sixth of it. It leaves a mistaken shortfall to the other. The tests hold both against each
/// other.
/// @dev What a row of 16 bytes looks like in a word (see FlowRows):
///
///      255     224 223     192 191     160 159     128 127      0
///     +-----------+-----------+-----------+-----------+----------+
///     |  account  |   price   |   power   |    Wh     | next row |
///     +-----------+-----------+-----------+-----------+----------+
library EpochRows {
    uint256 private constant ROW_BYTES = 16;
    uint256 private constant LANE = 0xffffffff;
    uint256 private constant EVENS = 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
    uint256 private constant ONES = 0x0000000000000001000000000000000100000000000000010000000000000001;

    /// @param rows sorted by account, as they were requested; none may come to a payment of 2^31 units or more. @param shortfalls as many.
    /// @param octets an empty list with room for one octet for each word of accounts; gets the payments.
    /// @param dues an empty list with room for one of each row; gets the penalties due.
    /// @return settled whether it is done; if not, nothing else is of use.
    /// @return paid the sum of all payments, in units.
    // solhint-disable-next-line function-max-lines
    function settle(
        bytes calldata rows,
        bytes calldata shortfalls,
        uint256 toleranceBps,
        uint256 toleranceFloorWh,
        uint256 penaltyBps,
        bytes memory octets,
        bytes memory dues
    ) internal pure returns (bool settled, uint256 paid) {
        assembly ("memory-safe") {
            let at := rows.offset
            let missingAt := shortfalls.offset
            let to := add(octets, 32)
            let dueTo := add(dues, 32)
            settled := 1
            for {
                let end := add(at, rows.length)
            } lt(at, end) {} {
                let first := at
                let account := shr(224, calldataload(at))
                let amounts
                let unused
                // Rows are sorted. So if the eighth has the last account of the word, this has the first, and none is left out.
                switch and(eq(shr(224, calldataload(add(at, 112))), or(account, 7)), lt(add(at, 127), end))
                case 1 {
                    let two := calldataload(at)
                    amounts := div(mul(and(shr(192, two), LANE), and(shr(128, two), LANE)), 1000)
                    amounts := or(amounts, shl(32, div(mul(and(shr(64, two), LANE), and(two, LANE)), 1000)))
                    two := calldataload(add(at, 32))
                    amounts := or(
                        amounts,
                        shl(64, div(mul(and(shr(192, two), LANE), and(shr(128, two), LANE)), 1000))
                    )
                    amounts := or(amounts, shl(96, div(mul(and(shr(64, two), LANE), and(two, LANE)), 1000)))
                    two := calldataload(add(at, 64))
                    amounts := or(
                        amounts,
                        shl(128, div(mul(and(shr(192, two), LANE), and(shr(128, two), LANE)), 1000))
                    )
                    amounts := or(amounts, shl(160, div(mul(and(shr(64, two), LANE), and(two, LANE)), 1000)))
                    two := calldataload(add(at, 96))
                    amounts := or(
                        amounts,
                        shl(192, div(mul(and(shr(192, two), LANE), and(shr(128, two), LANE)), 1000))
                    )
                    amounts := or(amounts, shl(224, div(mul(and(shr(64, two), LANE), and(two, LANE)), 1000)))
                    at := add(at, 128)
                }
                default {
                    // Those of the word that there are.
                    for {
                        let row := calldataload(at)
                    } eq(shr(227, row), shr(3, account)) {
                        row := calldataload(at)
                    } {
                        let payment := div(mul(and(shr(192, row), LANE), and(shr(128, row), LANE)), 1000)
                        amounts := or(amounts, shl(and(shr(219, row), 0xe0), payment))
                        at := add(at, ROW_BYTES)
                        if eq(at, end) {
                            break
                        }
                    }
                    unused := sub(256, shl(5, div(sub(at, first), ROW_BYTES)))
                }
                // The few rows with something missing, one by one.
                for {
                    let missing := shl(unused, shr(unused, calldataload(missingAt)))
                } missing {} {
                    let shift := and(not(clz(missing)), 0xe0)
                    let short := shr(shift, missing)
                    missing := xor(missing, shl(shift, short))
                    let index := sub(7, shr(5, shift))
                    let row := calldataload(add(first, mul(index, ROW_BYTES)))
                    let price := and(shr(192, row), LANE)
                    let wh := and(shr(128, row), LANE)
                    if gt(short, wh) {
                        settled := 0
                        break
                    }
                    // In the row's lane, a payment for all becomes one for what was delivered of it.
                    let unpaid := sub(div(mul(wh, price), 1000), div(mul(sub(wh, short), price), 1000))
                    amounts := sub(amounts, shl(and(shr(219, row), 0xe0), unpaid))
                    let allowed := div(mul(wh, toleranceBps), 10000)
                    if lt(allowed, toleranceFloorWh) {
                        allowed := toleranceFloorWh
                    }
                    if gt(short, allowed) {
                        index := add(index, shr(2, sub(missingAt, shortfalls.offset)))
                        let octetAt := sub(to, add(octets, 32))
                        let due := div(mul(mul(sub(short, allowed), price), penaltyBps), 10000000)
                        // Written in any case, and kept if it is not zero.
                        mstore(dueTo, shl(128, or(or(shl(96, index), shl(64, octetAt)), due)))
                        dueTo := add(dueTo, mul(DUE_BYTES, iszero(iszero(due))))
                    }
                }
                missingAt := add(missingAt, sub(32, shr(3, unused)))
                paid := add(paid, add(and(shr(32, amounts), EVENS), and(amounts, EVENS)))
                mstore(to, shl(224, shr(3, account)))
                mstore(add(to, 4), amounts)
                to := add(to, OCTET_BYTES)
            }
            mstore(octets, sub(to, add(octets, 32)))
            mstore(dues, sub(dueTo, add(dues, 32)))
            paid := shr(192, mul(paid, ONES))
        }
    }
}
