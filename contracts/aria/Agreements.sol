// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {IAgreements} from "../interfaces/IAgreements.sol";
import {Agreement, AgreementLibrary} from "../types/Agreement.sol";
import {State} from "./State.sol";

/// @title Agreements: how a DER joins, is commissioned, tops up, leaves; and how an ARIA retires.
abstract contract Agreements is State, IAgreements {
    /// @dev Epochs between the call of `leave` and its effect. Two, so that a request for the next epoch that is
    /// already on its way to the chain cannot be made invalid by it.
    uint32 private constant LEAVE_NOTICE_EPOCHS = 2;

    // ------------------------------------------------------------------------------------------------- For the DER

    /// @inheritdoc IAgreements
    function join(uint32 powerW, uint32 price, address meter) external payable returns (uint32 account) {
        _requireNotPaused();
        _requireNotRetiring();
        if (powerW < MIN_POWER_W) revert PowerTooLow(MIN_POWER_W, powerW);
        if (powerW > MAX_POWER_W) revert PowerTooHigh(MAX_POWER_W, powerW);
        if (price > MAX_PRICE) revert PriceTooHigh(MAX_PRICE, price);
        if (meter == address(0)) revert MeterMissing();
        if (_progress.prospective >= MAX_PROSPECTIVE) revert TooManyProspective(MAX_PROSPECTIVE);
        if (msg.value > 0) (account, ) = _depositValue(msg.sender);
        else account = vault().openAccount(msg.sender);
        if (account == OPERATOR_ACCOUNT || account == AGGREGATOR_ACCOUNT) revert PartyHasARole(msg.sender);
        AgreementStatus status = _agreements[account].status();
        if (status != AgreementStatus.None && status != AgreementStatus.Closed) {
            revert WrongAgreementStatus(account, AgreementStatus.None, status);
        }
        uint64 deposit = uint64(_depositFor(powerW));
        uint64 balance = vault().balanceOf(account);
        if (balance < deposit) revert DepositTooLow(deposit, balance);

        _agreements[account] = AgreementLibrary.create(price, powerW);
        ++_progress.prospective;
        emit Joined(account, msg.sender, powerW, price, deposit, meter);
        vault().setLock(msg.sender, deposit);
    }

    /// @inheritdoc IAgreements
    function topUp() external payable {
        (uint32 account, Agreement agreement) = _agreementOfCaller();
        AgreementStatus status = agreement.status();
        if (status == AgreementStatus.None || status == AgreementStatus.Closed) {
            revert WrongAgreementStatus(account, AgreementStatus.Active, status);
        }
        (, uint64 amount) = _depositValue(msg.sender);
        emit ToppedUp(account, amount, vault().balanceOf(account));
    }

    /// @inheritdoc IAgreements
    function leave() external returns (uint32 untilEpoch) {
        (uint32 account, Agreement agreement) = _agreementOfCaller();
        AgreementStatus status = agreement.status();
        if (status == AgreementStatus.Prospective) {
            _turnAway(msg.sender, account, agreement);
            return _currentEpoch();
        }
        if (status != AgreementStatus.Active)
            revert WrongAgreementStatus(account, AgreementStatus.Active, status);

        untilEpoch = _currentEpoch() + 1 + LEAVE_NOTICE_EPOCHS;
        if (_progress.requestedUntil > untilEpoch) untilEpoch = _progress.requestedUntil;
        _agreements[account] = agreement.leaving(untilEpoch);
        emit LeavingAnnounced(account, untilEpoch);
    }

    /// @inheritdoc IAgreements
    function close() external {
        (uint32 account, Agreement agreement) = _agreementOfCaller();
        AgreementStatus status = agreement.status();
        if (status != AgreementStatus.Leaving)
            revert WrongAgreementStatus(account, AgreementStatus.Leaving, status);
        uint256 notBefore = _startOf(agreement.until()) + SWEEP_WINDOW_SECONDS + 1;
        if (block.timestamp < notBefore) revert ClosingTooEarly(notBefore, block.timestamp);
        _close(msg.sender, account, agreement);
    }

    // ------------------------------------------------------------------------------------------------ For the Operator

    /// @inheritdoc IAgreements
    function commission(Commissioning[] calldata commissionings) external onlyRole(OPERATOR_ROLE) {
        uint32 fromEpoch = _currentEpoch() + 1;
        uint16 commissioned;
        for (uint256 i; i < commissionings.length; ++i) {
            if (commissionings[i].meter == address(0)) revert MeterMissing();
            (uint32 account, Agreement agreement) = _agreementOfParty(commissionings[i].der);
            AgreementStatus status = agreement.status();
            if (status == AgreementStatus.Prospective) {
                _agreements[account] = agreement.activated(fromEpoch);
                ++commissioned;
            } else if (status != AgreementStatus.Active && status != AgreementStatus.Leaving) {
                revert WrongAgreementStatus(account, AgreementStatus.Prospective, status);
            }
            _setMeter(account, commissionings[i].meter, fromEpoch);
            emit Commissioned(account, commissionings[i].meter, fromEpoch);
        }
        _progress.prospective -= commissioned;
    }

    /// @inheritdoc IAgreements
    function reject(address der) external onlyRole(OPERATOR_ROLE) {
        (uint32 account, Agreement agreement) = _agreementOfParty(der);
        AgreementStatus status = agreement.status();
        if (status != AgreementStatus.Prospective) {
            revert WrongAgreementStatus(account, AgreementStatus.Prospective, status);
        }
        _turnAway(der, account, agreement);
    }

    // ------------------------------------------------------------------------------------------------- For the owner

    /// @inheritdoc IAgreements
    function retire(uint32 lastEpoch_) external {
        address owner = Ownable(address(vault())).owner();
        if (msg.sender != owner) revert NotVaultOwner(owner, msg.sender);
        Progress storage progress = _progress;
        if (progress.lastEpoch != type(uint32).max) revert AlreadyRetiring(progress.lastEpoch);
        if (uint256(lastEpoch_) + 1 < progress.requestedUntil) {
            revert LastEpochTooEarly(progress.requestedUntil - 1, lastEpoch_);
        }
        if (lastEpoch_ == type(uint32).max) revert ParameterOutOfRange("lastEpoch", lastEpoch_);
        progress.lastEpoch = lastEpoch_;
        emit RetirementAnnounced(lastEpoch_);
    }

    // ---------------------------------------------------------------------------------------------- For the guardian

    /// @inheritdoc IAgreements
    function setPaused(bool paused_) external onlyRole(GUARDIAN_ROLE) {
        _progress.paused = paused_;
        emit PausedSet(paused_);
    }

    // ------------------------------------------------------------------------------------------------------ Private

    function _requireNotRetiring() private view {
        uint32 last = _progress.lastEpoch;
        if (last != type(uint32).max) revert Retiring(last);
    }

    function _agreementOfCaller() private view returns (uint32 account, Agreement agreement) {
        return _agreementOfParty(msg.sender);
    }

    function _agreementOfParty(address party) private view returns (uint32 account, Agreement agreement) {
        account = vault().accountOf(party);
        agreement = _agreements[account];
    }

    /// @dev Adds a meter's key, in place of one for the same epoch.
    function _setMeter(uint32 account, address key, uint32 fromEpoch) private {
        MeterKey[] storage meters = _meters[account];
        uint256 count = meters.length;
        if (count > 0 && meters[count - 1].fromEpoch == fromEpoch) meters.pop();
        meters.push(MeterKey(key, fromEpoch));
    }

    function _turnAway(address der, uint32 account, Agreement agreement) private {
        --_progress.prospective;
        _close(der, account, agreement);
    }

    function _close(address der, uint32 account, Agreement agreement) private {
        _agreements[account] = agreement.closed();
        emit AgreementClosed(account);
        vault().setLock(der, 0);
    }
}
