// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIA} from "../../../contracts/interfaces/IARIA.sol";
import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {Deployed} from "../Deployed.sol";
import {VM} from "../Vm.sol";
import {Handler} from "./Handler.sol";
import {Journal} from "./Journal.sol";
import {Play} from "./Play.sol";

/// @title Invariants: what must hold after each action, whoever did what in whichever order.
abstract contract Invariants is Play {
    IVault internal _vault;
    IARIA internal _aria;
    Handler internal _handler;

    /// @dev A world in which four DERs are in force and the Aggregator's bond stands.
    function _open() internal {
        _vault = _deployVault();
        _aria = _deployARIA(_vault);
        _handler = Handler(
            Deployed.create("test/solidity/system/Handler.sol:Handler", abi.encode(_vault, _aria))
        );
        VM.deal(OPERATOR, 1e9 * UNIT);
        VM.prank(OPERATOR);
        _vault.deposit{value: 1e9 * UNIT}(OPERATOR, 1e9);
        for (uint256 i; i < 4; ++i) {
            _handler.join(_seedFor(i, DERS));
            _handler.commission(i * 8 + 1);
        }
        _handler.bond(1);
        _equal(4, _handler.reached("commissioning"), "DERs to start with");
    }

    /// @dev A number that picks the `index`-th DER and no special case.
    function _seedFor(uint256 index, uint256 ders) private pure returns (uint256 seed) {
        for (seed = index; seed % 9 == 0 || seed < 100;) seed += ders;
    }

    /// @dev I1: the Vault holds what its accounts add up to: no more but coins forced into it, and never less.
    function _assetsCoverTheBooks() internal view {
        _equal(_sumOfAccounts(_vault) * UNIT + _handler.forced(), address(_vault).balance, "I1: coins held");
    }

    /// @dev I2: ARIA's own account is the escrow of all requests and the bonds of all open disputes, and what
    /// strangers paid into it: anybody may pay into any account.
    function _escrowIsWhatIsOwed() internal view {
        uint256 owed = _handler.donated();
        for (uint32 id = 1; id <= _handler.requestCount(); ++id) owed += _aria.requestOf(id).escrow;
        uint256[] memory disputeIds = _handler.disputeIds();
        for (uint256 i; i < disputeIds.length; ++i) {
            if (_isOpen(disputeIds[i])) owed += DISPUTE_BOND;
        }
        _equal(owed, _vault.balanceOf(_aria.escrowAccount()), "I2: ARIA's account");
    }

    /// @dev I3: of a request's money nothing is created or lost: what came in went out, or is still there.
    function _requestsBalance() internal view {
        for (uint32 id = 1; id <= _handler.requestCount(); ++id) {
            Journal.Ledger memory ledger = _handler.ledgerOf(id);
            uint256 gone = ledger.paid + ledger.fee + ledger.awarded + ledger.released;
            _equal(
                ledger.escrowed + ledger.penalties - ledger.refunded,
                gone + _aria.requestOf(id).escrow,
                "I3: a request's money"
            );
        }
        _holds();
    }

    /// @dev I4: nobody is paid twice for one kWh: a DER is asked once for an epoch, for no more than its power can give,
    /// and credits and awards together never exceed what was asked.
    function _noEnergyIsPaidTwice() internal view {
        uint256[] memory keys = _handler.keys();
        for (uint256 i; i < keys.length; ++i) {
            Journal.Energy memory energy = _handler.energyOf(keys[i]);
            _equal(1, energy.timesRequested, "I4: requests of an epoch");
            _atMost(energy.capacity, energy.requested, "I4: energy requested");
            _atMost(energy.requested, energy.credited + energy.awarded, "I4: energy paid for");
        }
    }

    /// @dev I5 and I6: no settlement takes more from a DER than its deposit standing, and no state changes but by the
    /// action that is there for it. The handler sees both as they happen, with the other rules of single actions.
    function _holds() internal view {
        string memory broken = _handler.broken();
        if (bytes(broken).length > 0) revert NotTrue(broken);
    }

    /// @dev I7.
    function _whatIsFreeCanBeWithdrawn() internal {
        for (uint256 i; i < DERS + 3; ++i) _freeCanBeWithdrawn(_vault, _handler.partyAt(i));
    }

    /// @dev I8: the counters of what is open are the true counts.
    function _countersAreTrue() internal view {
        uint256 open;
        for (uint32 id = 1; id <= _handler.requestCount(); ++id) {
            IARIATypes.FlowRequest memory request = _aria.requestOf(id);
            bool isOpen =
                request.status == IARIATypes.RequestStatus.Requested ||
                    request.status == IARIATypes.RequestStatus.Swept;
            if (isOpen) ++open;
            _equal(_openDisputesOf(id), request.openDisputes, "I8: open disputes of a request");
        }
        _equal(open, _aria.openRequests(), "I8: open requests");
        // ARIA does not tell how many wait: its second storage slot holds the number, next to the highest byte.
        uint256 progress = uint256(VM.load(address(_aria), bytes32(uint256(1))));
        _equal(_handler.prospectiveCount(), uint16(progress >> 224), "I8: prospective");
    }

    function _openDisputesOf(uint32 id) private view returns (uint256 open) {
        uint256[] memory disputeIds = _handler.disputeIds();
        for (uint256 i; i < disputeIds.length; ++i) {
            if (_isOpen(disputeIds[i]) && _aria.disputeOf(disputeIds[i]).requestId == id) ++open;
        }
    }

    function _isOpen(uint256 disputeId) internal view returns (bool) {
        return _aria.disputeOf(disputeId).status == IARIATypes.DisputeStatus.Open;
    }
}
