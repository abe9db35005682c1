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
/// @dev What a row of 20 bytes looks like in a word (see FlowRows):
///
///      255     224 223     192 191         128 127      96 95       0
///     +-----------+-----------+---------------+-----------+----------+
///     |  account  |   price   |    deposit    |    Wh     | next row |
///     +-----------+-----------+---------------+-----------+----------+
library EpochRows {
    uint256 private constant ROW_BYTES = 20;
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
            function payFor(row) -> payment {
                payment := div(mul(and(shr(192, row), 0xffffffff), and(shr(96, row), 0xffffffff)), 1000)
            }
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
                // Rows are sorted. So if the eighth has the last account of the word, and this the first, none is left out.
                switch and(
                    eq(xor(shr(224, calldataload(add(at, 140))), account), 7),
                    and(iszero(and(account, 7)), lt(add(at, 159), end))
                )
                case 1 {
                    amounts := payFor(calldataload(at))
                    amounts := or(amounts, shl(32, payFor(calldataload(add(at, 20)))))
                    amounts := or(amounts, shl(64, payFor(calldataload(add(at, 40)))))
                    amounts := or(amounts, shl(96, payFor(calldataload(add(at, 60)))))
                    amounts := or(amounts, shl(128, payFor(calldataload(add(at, 80)))))
                    amounts := or(amounts, shl(160, payFor(calldataload(add(at, 100)))))
                    amounts := or(amounts, shl(192, payFor(calldataload(add(at, 120)))))
                    amounts := or(amounts, shl(224, payFor(calldataload(add(at, 140)))))
                    at := add(at, 160)
                }
                default {
                    // Those of the word that there are.
                    for {
                        let row := calldataload(at)
                    } eq(shr(227, row), shr(3, account)) {
                        row := calldataload(at)
                    } {
                        amounts := or(amounts, shl(and(shr(219, row), 0xe0), payFor(row)))
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
                    let index := shr(5, clz(missing))
                    let short := and(shr(sub(224, shl(5, index)), missing), 0xffffffff)
                    missing := xor(missing, shl(sub(224, shl(5, index)), short))
                    let row := calldataload(add(first, mul(index, ROW_BYTES)))
                    let wh := and(shr(96, row), 0xffffffff)
                    if gt(short, wh) {
                        settled := 0
                        break
                    }
                    // In the row's lane, a payment for all becomes one for what was delivered of it.
                    let lane := and(shr(219, row), 0xe0)
                    let unpaid := sub(and(shr(lane, amounts), 0xffffffff), payFor(sub(row, shl(96, short))))
                    amounts := sub(amounts, shl(lane, unpaid))
                    let allowed := div(mul(wh, toleranceBps), 10000)
                    if lt(allowed, toleranceFloorWh) {
                        allowed := toleranceFloorWh
                    }
                    if gt(short, allowed) {
                        let price := and(shr(192, row), 0xffffffff)
                        let due := div(mul(mul(sub(short, allowed), price), penaltyBps), 10000000)
                        if due {
                            index := add(index, shr(2, sub(missingAt, shortfalls.offset)))
                            let octet := div(sub(to, add(octets, 32)), OCTET_BYTES)
                            mstore(dueTo, shl(128, or(or(shl(96, index), shl(64, octet)), due)))
                            dueTo := add(dueTo, DUE_BYTES)
                        }
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
