// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIA} from "../../../contracts/interfaces/IARIA.sol";
import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {IVault} from "../../../contracts/interfaces/IVault.sol";
import {Notes} from "../Notes.sol";
import {Row} from "../Rows.sol";
import {Cast} from "./Cast.sol";

/// @title Journal: what the play has seen happen, kept apart from the contracts and computed in the plainest way.
abstract contract Journal is Cast, Notes {
    /// @dev What an action may change the state of.
    enum Act {
        Other,
        Join,
        Commission,
        Depart,
        Request,
        Sweep,
        Release,
        Raise,
        Resolve,
        Default
    }

    /// @dev What came and went for one request, in units.
    struct Ledger {
        uint256 escrowed;
        uint256 penalties;
        uint256 paid;
        uint256 fee;
        uint256 awarded;
        uint256 refunded;
        uint256 released;
    }

    /// @dev One DER and one epoch, in Wh.
    struct Energy {
        uint256 requested;
        uint256 credited;
        uint256 awarded;
        uint256 capacity;
        uint256 timesRequested;
    }

    /// @dev What is needed to prove things of a request later. Lists are kept encoded.
    struct Play {
        uint32 firstEpoch;
        uint16 count;
        bool swept;
        bytes32 flowRoot;
        /// @dev Row[]
        bytes rows;
        /// @dev uint64[], units taken from each row
        bytes taken;
        /// @dev FlowLeaf[], row by row, epoch by epoch
        bytes flow;
    }

    IVault public immutable VAULT;
    IARIA public immutable TARGET;

    mapping(uint256 requestId => Ledger) internal _ledgers;
    mapping(uint256 requestId => Play) internal _plays;
    mapping(uint256 key => Energy) internal _energy;
    /// @dev Every DER and epoch requested: account * 2^32 + epoch.
    uint256[] internal _keys;
    uint32 public requestCount;
    uint256[] internal _disputeIds;
    /// @dev Refunds of penalties so far, of a request and row.
    mapping(bytes32 row => uint256) internal _refunds;

    /// @notice Units put into ARIA's own account by strangers.
    uint256 public donated;
    /// @notice Coins forced into the Vault past its books, in the smallest part.
    uint256 public forced;

    mapping(uint256 account => IARIATypes.AgreementStatus) private _agreementStatus;
    mapping(uint256 requestId => IARIATypes.RequestStatus) private _requestStatus;
    mapping(uint256 disputeId => IARIATypes.DisputeStatus) private _disputeStatus;
    mapping(bytes32 transition => bool) private _allowed;

    constructor(IVault vault, IARIA target) {
        (VAULT, TARGET) = (vault, target);
        _allow();
    }

    /// @dev After each action: nothing changed state but what the action is there to change.
    modifier watched(Act act) {
        _;
        _compare(act);
    }

    function ledgerOf(uint256 requestId) external view returns (Ledger memory) {
        return _ledgers[requestId];
    }

    function energyOf(uint256 key) external view returns (Energy memory) {
        return _energy[key];
    }

    function keys() external view returns (uint256[] memory) {
        return _keys;
    }

    function disputeIds() external view returns (uint256[] memory) {
        return _disputeIds;
    }

    function takenOf(uint256 requestId) external view returns (uint64[] memory) {
        return abi.decode(_plays[requestId].taken, (uint64[]));
    }

    // --------------------------------------------------------------------------------------------------- What is known

    function _rowsOf(uint256 requestId) internal view returns (Row[] memory) {
        return abi.decode(_plays[requestId].rows, (Row[]));
    }

    function _key(uint256 account, uint256 epoch) internal pure returns (uint256) {
        return (account << 32) | epoch;
    }

    // ------------------------------------------------------------------------------------------------- State machines

    /// @dev Every transition there is, and the action it belongs to. Suspended counts as Active: it is a matter of money.
    function _allow() private {
        _agreementMay(Act.Join, IARIATypes.AgreementStatus.None, IARIATypes.AgreementStatus.Prospective);
        _agreementMay(Act.Join, IARIATypes.AgreementStatus.Closed, IARIATypes.AgreementStatus.Prospective);
        _agreementMay(
            Act.Commission,
            IARIATypes.AgreementStatus.Prospective,
            IARIATypes.AgreementStatus.Active
        );
        _agreementMay(
            Act.Commission,
            IARIATypes.AgreementStatus.Prospective,
            IARIATypes.AgreementStatus.Closed
        );
        _agreementMay(Act.Depart, IARIATypes.AgreementStatus.Prospective, IARIATypes.AgreementStatus.Closed);
        _agreementMay(Act.Depart, IARIATypes.AgreementStatus.Active, IARIATypes.AgreementStatus.Leaving);
        _agreementMay(Act.Depart, IARIATypes.AgreementStatus.Leaving, IARIATypes.AgreementStatus.Closed);
        _requestMay(Act.Request, IARIATypes.RequestStatus.None, IARIATypes.RequestStatus.Requested);
        _requestMay(Act.Sweep, IARIATypes.RequestStatus.Requested, IARIATypes.RequestStatus.Swept);
        _requestMay(Act.Release, IARIATypes.RequestStatus.Requested, IARIATypes.RequestStatus.Released);
        _requestMay(Act.Release, IARIATypes.RequestStatus.Swept, IARIATypes.RequestStatus.Released);
        _disputeMay(Act.Raise, IARIATypes.DisputeStatus.None, IARIATypes.DisputeStatus.Open);
        _disputeMay(Act.Resolve, IARIATypes.DisputeStatus.Open, IARIATypes.DisputeStatus.Ruled);
        _disputeMay(Act.Default, IARIATypes.DisputeStatus.Open, IARIATypes.DisputeStatus.Defaulted);
    }

    function _agreementMay(Act act, IARIATypes.AgreementStatus from, IARIATypes.AgreementStatus to) private {
        _allowed[keccak256(abi.encode("agreement", act, from, to))] = true;
    }

    function _requestMay(Act act, IARIATypes.RequestStatus from, IARIATypes.RequestStatus to) private {
        _allowed[keccak256(abi.encode("request", act, from, to))] = true;
    }

    function _disputeMay(Act act, IARIATypes.DisputeStatus from, IARIATypes.DisputeStatus to) private {
        _allowed[keccak256(abi.encode("dispute", act, from, to))] = true;
    }

    function _compare(Act act) private {
        uint256 accounts = VAULT.accountCount();
        for (uint32 account = 1; account <= accounts; ++account) {
            IARIATypes.AgreementStatus to = TARGET.agreementOf(account).status;
            if (to == IARIATypes.AgreementStatus.Suspended) to = IARIATypes.AgreementStatus.Active;
            IARIATypes.AgreementStatus from = _agreementStatus[account];
            if (from == to) continue;
            _note(_allowed[keccak256(abi.encode("agreement", act, from, to))], "I6: agreement's transition");
            _agreementStatus[account] = to;
        }
        // One beyond the last known: a request can only come from the action that requests.
        for (uint32 id = 1; id <= requestCount + 1; ++id) {
            (IARIATypes.RequestStatus from, IARIATypes.RequestStatus to) = (
                _requestStatus[id],
                TARGET.requestOf(id).status
            );
            if (from == to) continue;
            _note(_allowed[keccak256(abi.encode("request", act, from, to))], "I6: request's transition");
            _requestStatus[id] = to;
        }
        for (uint256 i; i < _keys.length; ++i) {
            (IARIATypes.DisputeStatus from, IARIATypes.DisputeStatus to) = (
                _disputeStatus[_keys[i]],
                TARGET.disputeOf(_keys[i]).status
            );
            if (from == to) continue;
            _note(_allowed[keccak256(abi.encode("dispute", act, from, to))], "I6: dispute's transition");
            _disputeStatus[_keys[i]] = to;
        }
    }
}
