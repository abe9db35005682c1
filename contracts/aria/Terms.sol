// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

import {IARIATypes} from "../interfaces/IARIATypes.sol";
import {IService} from "../interfaces/IService.sol";
import {IVault} from "../interfaces/IVault.sol";
import {PostingsLibrary} from "../types/Postings.sol";
import {Settlement} from "../libraries/Settlement.sol";

/// @title Terms: who the parties are and the parameters they agreed on, fixed for the life of an ARIA.
/// @dev Immutables: a sweep reads them for next to nothing. To change one, a new ARIA takes over.
abstract contract Terms is IService, IARIATypes, AccessControl {
    /// @notice Orders, commissions and rules. Given to the Operator's address; it may pass the role on to another key.
    bytes32 public constant OPERATOR_ROLE = keccak256("OPERATOR_ROLE");
    /// @notice Requests and sweeps. Given to the Aggregator's address; it may pass the role on to another key.
    bytes32 public constant AGGREGATOR_ROLE = keccak256("AGGREGATOR_ROLE");
    /// @notice May pause joining and requesting.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");

    // ------------------------------------------------------------------------------------------------------ Parties

    /// @dev The parties' accounts in the Vault.
    struct Accounts {
        uint32 operator;
        uint32 aggregator;
        uint32 escrow;
        /// @dev whose account the Aggregator's is, whoever may have the role now
        address aggregatorOwner;
    }

    IVault private immutable _vault;
    uint256 private immutable _unit;
    address internal immutable AGGREGATOR;
    uint32 internal immutable OPERATOR_ACCOUNT;
    uint32 internal immutable AGGREGATOR_ACCOUNT;
    uint32 internal immutable ESCROW_ACCOUNT;

    // ----------------------------------------------------------------------------------------------------- Criteria

    uint32 internal immutable MIN_POWER_W;
    uint32 internal immutable MAX_POWER_W;
    uint32 internal immutable MAX_PRICE;
    uint64 internal immutable DEPOSIT_PER_KW;
    uint16 internal immutable DEPOSIT_FLOOR_BPS;
    uint16 internal immutable MAX_PROSPECTIVE;

    // -------------------------------------------------------------------------------------------------------- Rules

    uint32 internal immutable EPOCH_SECONDS;
    uint32 internal immutable SWEEP_WINDOW_SECONDS;
    uint32 internal immutable DISPUTE_WINDOW_SECONDS;
    uint32 internal immutable RULING_WINDOW_SECONDS;
    uint16 internal immutable DELIVERY_TOLERANCE_BPS;
    uint16 internal immutable METER_TOLERANCE_BPS;
    uint32 internal immutable TOLERANCE_FLOOR_WH;
    uint16 internal immutable PENALTY_BPS;
    uint16 internal immutable FEE_BPS;
    uint64 internal immutable AGGREGATOR_BOND;
    uint64 internal immutable DISPUTE_BOND;
    uint64 internal immutable MISREPORT_FINE;

    // -------------------------------------------------------------------------------------------------- Constructor

    constructor(IVault vault_, Accounts memory accounts, Criteria memory criteria_, Rules memory rules_) {
        _vault = vault_;
        _unit = vault_.unit();
        AGGREGATOR = accounts.aggregatorOwner;
        OPERATOR_ACCOUNT = accounts.operator;
        AGGREGATOR_ACCOUNT = accounts.aggregator;
        ESCROW_ACCOUNT = accounts.escrow;
        MIN_POWER_W = criteria_.minPowerW;
        MAX_POWER_W = criteria_.maxPowerW;
        MAX_PRICE = criteria_.maxPrice;
        DEPOSIT_PER_KW = criteria_.depositPerKw;
        DEPOSIT_FLOOR_BPS = criteria_.depositFloorBps;
        MAX_PROSPECTIVE = criteria_.maxProspective;
        EPOCH_SECONDS = rules_.epochSeconds;
        SWEEP_WINDOW_SECONDS = rules_.sweepWindowSeconds;
        DISPUTE_WINDOW_SECONDS = rules_.disputeWindowSeconds;
        RULING_WINDOW_SECONDS = rules_.rulingWindowSeconds;
        DELIVERY_TOLERANCE_BPS = rules_.deliveryToleranceBps;
        METER_TOLERANCE_BPS = rules_.meterToleranceBps;
        TOLERANCE_FLOOR_WH = rules_.toleranceFloorWh;
        PENALTY_BPS = rules_.penaltyBps;
        FEE_BPS = rules_.feeBps;
        AGGREGATOR_BOND = rules_.aggregatorBond;
        DISPUTE_BOND = rules_.disputeBond;
        MISREPORT_FINE = rules_.misreportFine;
    }

    /// @inheritdoc IService
    function vault() public view returns (IVault) {
        return _vault;
    }

    // ----------------------------------------------------------------------------------------- Shared by the layers

    /// @dev The epoch that holds the block's time.
    function _currentEpoch() internal view returns (uint32) {
        return uint32(block.timestamp / EPOCH_SECONDS);
    }

    /// @dev When an epoch starts, in unix seconds.
    function _startOf(uint256 epoch) internal view returns (uint256) {
        return epoch * EPOCH_SECONDS;
    }

    /// @dev That all epochs before this one are over.
    function _requireOver(uint256 untilEpoch) internal view {
        uint256 end = _startOf(untilEpoch);
        if (block.timestamp < end) revert EpochNotOver(end, block.timestamp);
    }

    /// @dev The deposit for a power, in units.
    function _depositFor(uint256 powerW) internal view returns (uint256) {
        return Settlement.depositFor(powerW, DEPOSIT_PER_KW);
    }

    /// @dev The floor of a deposit, in units, rounded up: what must stand for the agreement to be in force.
    function _floorOf(uint256 deposit) internal view returns (uint256) {
        return (deposit * DEPOSIT_FLOOR_BPS + Settlement.BPS - 1) / Settlement.BPS;
    }

    function _lesser(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    /// @dev Deposits the coins of this call in the account of `party`.
    function _depositValue(address party) internal returns (uint32 account, uint64 amount) {
        amount = uint64(msg.value / _unit);
        account = vault().deposit{value: msg.value}(party, amount);
    }

    /// @dev Moves units from one account to another.
    function _move(uint32 from, uint32 to, uint256 amount) internal {
        if (amount == 0) return;
        bytes memory postings = PostingsLibrary.open(2);
        PostingsLibrary.put(postings, from, -int256(amount));
        PostingsLibrary.put(postings, to, int256(amount));
        vault().settle(postings, "");
    }
}
