// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIA} from "../../../contracts/interfaces/IARIA.sol";
import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {Check} from "../Check.sol";
import {Deployed} from "../Deployed.sol";
import {VM} from "../Vm.sol";

/// @title Cast: who plays, for how much, and by which rules.
/// @notice Small numbers, so that tolerances, caps and a bond that is used up all come about in short plays.
abstract contract Cast is Check {
    uint256 internal constant UNIT = 1 gwei;
    uint256 internal constant START = 1_780_000_200; // the start of an epoch
    address internal constant OWNER = address(0x0a11);
    address internal constant OPERATOR = address(0x0b22);
    address internal constant AGGREGATOR = address(0x0c33);
    address internal constant OUTSIDER = address(0x0d44);
    address internal constant GUARDIAN = address(0x0e55);
    uint256 internal constant DERS = 6;

    uint32 internal constant EPOCH_SECONDS = 900;
    uint64 internal constant AGGREGATOR_BOND = 1_000_000;
    uint64 internal constant DISPUTE_BOND = 10_000;
    uint64 internal constant MISREPORT_FINE = 300_000;
    uint16 internal constant FEE_BPS = 500;
    uint16 internal constant PENALTY_BPS = 15_000;
    uint64 internal constant DEPOSIT_PER_KW = 60_001;
    uint16 internal constant TOLERANCE_BPS = 300;
    uint32 internal constant TOLERANCE_FLOOR_WH = 10;
    uint16 internal constant MAX_PROSPECTIVE = 2;

    function _deployVault() internal returns (IVault vault) {
        VM.warp(START);
        VM.roll(10_000);
        vault = Deployed.vault(OWNER, address(0), UNIT, 1 days);
    }

    function _deployARIA(IVault vault) internal returns (IARIA aria) {
        aria = Deployed.aria(vault, OPERATOR, AGGREGATOR, GUARDIAN, _criteria(), _rules());
        VM.prank(OWNER);
        vault.announceHandOver(address(aria));
        VM.prank(OWNER);
        vault.handOver();
    }

    function _criteria() internal pure returns (IARIATypes.Criteria memory) {
        return
            IARIATypes.Criteria({
                minPowerW: 1_000,
                maxPowerW: 10_000,
                maxPrice: 300_000,
                depositPerKw: DEPOSIT_PER_KW,
                depositFloorBps: 5_000,
                maxProspective: MAX_PROSPECTIVE
            });
    }

    function _rules() internal pure returns (IARIATypes.Rules memory) {
        return
            IARIATypes.Rules({
                epochSeconds: EPOCH_SECONDS,
                sweepWindowSeconds: 4 * EPOCH_SECONDS,
                disputeWindowSeconds: 8 * EPOCH_SECONDS,
                rulingWindowSeconds: 5 * EPOCH_SECONDS,
                deliveryToleranceBps: TOLERANCE_BPS,
                meterToleranceBps: 200,
                toleranceFloorWh: TOLERANCE_FLOOR_WH,
                penaltyBps: PENALTY_BPS,
                feeBps: FEE_BPS,
                aggregatorBond: AGGREGATOR_BOND,
                disputeBond: DISPUTE_BOND,
                misreportFine: MISREPORT_FINE
            });
    }

    /// @dev The time now. The opcode itself may be read only once a call by the optimiser, whatever is warped between.
    function _now() internal view returns (uint256) {
        return VM.getBlockTimestamp();
    }

    /// @dev Forward in time, never back, with blocks of twelve seconds.
    function _warpTo(uint256 time) internal {
        uint256 present = _now();
        if (time <= present) return;
        VM.warp(time);
        VM.roll(VM.getBlockNumber() + (time - present + 11) / 12);
    }
}
