// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IARIATypes} from "../../../contracts/interfaces/IARIATypes.sol";
import {Merkle} from "../Merkle.sol";
import {Row, Rows} from "../Rows.sol";
import {VM} from "../Vm.sol";
import {Market} from "./Market.sol";

/// @title Claims: DERs dispute with what their meters signed, the Operator rules or does not, and escrow is released.
abstract contract Claims is Market {
    /// @dev Account and epoch, packed as a dispute's number -> whether the Aggregator was fined for them.
    mapping(uint256 disputeId => bool) private _fined;

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant STATEMENT_TYPEHASH = keccak256(
        "FlowStatement(address der,uint32 epoch,uint64 energyWh,bytes32 readingsRoot,"
        "uint64 firstBlock,bytes32 firstBlockHash,uint64 lastBlock,bytes32 lastBlockHash)"
    );

    /// @dev One row and epoch of a request.
    struct Spot {
        uint32 id;
        uint256 row;
        uint256 epoch;
    }

    // -------------------------------------------------------------------------------------------------------- Raise

    /// @notice A DER claims what it was not credited, with its meter's signature or, rarely, a forged one.
    function raise(uint256 seed) external watched(Act.Raise) {
        (Spot memory spot, bool found) = _spot(seed);
        if (!found) return;
        Row memory row = _rowsOf(spot.id)[spot.row];
        uint256 asked = row.requestedWh[spot.epoch];
        uint256 credited = _plays[spot.id].swept ? asked - row.shortfallWh[spot.epoch] : 0;
        IARIATypes.FlowStatement memory statement = _statement(seed, row.account, spot);
        statement.energyWh = uint64(_within(_random(seed, 1), credited, asked + asked / 2));
        bytes memory signature = _signed(seed, row.account, statement);
        uint64 before = VAULT.balanceOf(row.account);

        VM.prank(statement.der);
        try TARGET.raiseDisputeEvent(statement, signature, _proofOf(spot)) returns (uint256 disputeId) {
            _disputeIds.push(disputeId);
            _note(disputeId == _key(row.account, statement.epoch), "number of a dispute");
            uint256 entitled = statement.energyWh < asked ? statement.energyWh : asked;
            _note(TARGET.disputeOf(disputeId).claimWh == entitled - credited, "claim");
            _note(before - VAULT.balanceOf(row.account) == DISPUTE_BOND, "dispute bond");
            _note(!_forged(seed), "claimed with a signature that is not the meter's for this ARIA");
            _count(_plays[spot.id].swept ? "dispute of a sweep" : "dispute of what was not swept");
            if (Merkle.rootOf(_leavesOf(spot.id)) != _leavesOf(spot.id)[0]) _count("dispute with a proof");
        } catch {
            _count("dispute refused");
        }
    }

    /// @dev A row and epoch that can be disputed now, or after the sweep window, with energy missing if there is any.
    function _spot(uint256 seed) private returns (Spot memory spot, bool found) {
        IARIATypes.RequestStatus status =
            seed % 4 == 0 ? IARIATypes.RequestStatus.Requested : IARIATypes.RequestStatus.Swept;
        spot.id = _disputable(seed, status);
        if (spot.id == 0) return (spot, false);
        Play storage play = _plays[spot.id];
        if (status == IARIATypes.RequestStatus.Requested && seed % 8 == 0) {
            uint256 end = (uint256(play.firstEpoch) + play.count) * EPOCH_SECONDS;
            _warpTo(end + _rules().sweepWindowSeconds + 1 + (_random(seed, 2) % EPOCH_SECONDS));
        }
        Row[] memory rows = _rowsOf(spot.id);
        uint256 spots = rows.length * play.count;
        for (uint256 i; i < spots; ++i) {
            uint256 at = addmod(seed, i, spots);
            (spot.row, spot.epoch) = (at / play.count, at % play.count);
            if (!play.swept || rows[spot.row].shortfallWh[spot.epoch] > 20) break;
        }
        return (spot, true);
    }

    /// @dev A request of this status with its dispute window not over, if there is one; else any of the status, or 0.
    function _disputable(uint256 seed, IARIATypes.RequestStatus status) private view returns (uint32 id) {
        for (uint32 i; i < requestCount; ++i) {
            id = uint32(1 + addmod(seed, i, requestCount));
            (uint256 closes, ) = _closes(id);
            if (TARGET.requestOf(id).status == status && _now() <= closes) return id;
        }
        return _startingWithRequest(seed, status);
    }

    function _statement(
        uint256 seed,
        uint32 account,
        Spot memory spot
    ) private view returns (IARIATypes.FlowStatement memory statement) {
        for (uint256 i; i < DERS; ++i) {
            if (VAULT.accountOf(_der(i)) == account) statement.der = _der(i);
        }
        statement.epoch = uint32(_plays[spot.id].firstEpoch + spot.epoch);
        statement.readingsRoot = bytes32(seed);
        // Blocks the chain may know, or not any more; then nothing but their order is checked.
        uint64 present = uint64(VM.getBlockNumber());
        statement.lastBlock = present - 1 - uint64(_random(seed, 3) % 300);
        statement.firstBlock = statement.lastBlock - uint64(_random(seed, 4) % 300);
        statement.lastBlockHash = blockhash(statement.lastBlock);
        statement.firstBlockHash = blockhash(statement.firstBlock);
    }

    function _signed(
        uint256 seed,
        uint32 account,
        IARIATypes.FlowStatement memory statement
    ) private view returns (bytes memory) {
        // A forged one is another key's, or for another chain, or for another ARIA.
        uint256 forgery = _forged(seed) ? 1 + (_random(seed, 6) % 3) : 0;
        bytes32 domain = keccak256(
            abi.encode(
                DOMAIN_TYPEHASH,
                keccak256("Proof of Flow"),
                keccak256("1"),
                forgery == 2 ? block.chainid + 1 : block.chainid,
                forgery == 3 ? address(VAULT) : address(TARGET)
            )
        );
        bytes32 structHash = keccak256(abi.encode(STATEMENT_TYPEHASH, statement));
        uint256 key = _keyOfMeter[TARGET.meterOf(account, statement.epoch)];
        if (forgery == 1) key = uint256(keccak256("another"));
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(
            key,
            keccak256(bytes.concat(hex"1901", domain, structHash))
        );
        return bytes.concat(r, s, bytes1(v));
    }

    /// @dev One signature in sixteen is not the meter's for this ARIA.
    function _forged(uint256 seed) private pure returns (bool) {
        return _random(seed, 5) % 16 == 0;
    }

    // --------------------------------------------------------------------------------------------------------- Proof

    function _proofOf(Spot memory spot) private view returns (IARIATypes.SettledRow memory proof) {
        Play storage play = _plays[spot.id];
        Row[] memory rows = _rowsOf(spot.id);
        (uint256 leaf, uint256 first, uint256 end) = _leafOf(rows.length, play.count, spot.row);
        proof.requestId = spot.id;
        proof.requests = Rows.requests(rows, first, end);
        proof.rowInLeaf = uint8(spot.row - first);
        proof.proof = Merkle.proofOf(_leavesOf(spot.id), leaf);
        if (!play.swept) return proof;
        proof.shortfalls = Rows.shortfalls(rows, first, end);
        proof.penalties = _penalties(spot.id, first, end);
        proof.flowRoot = play.flowRoot;
    }

    function _leavesOf(uint32 id) private view returns (bytes32[] memory leaves) {
        Row[] memory rows = _rowsOf(id);
        (uint256 last, , ) = _leafOf(rows.length, _plays[id].count, rows.length - 1);
        leaves = new bytes32[](last + 1);
        uint256 perLeaf = _rowsPerLeaf(_plays[id].count);
        for (uint256 i; i < leaves.length; ++i) {
            (, uint256 first, uint256 end) = _leafOf(rows.length, _plays[id].count, i * perLeaf);
            leaves[i] = keccak256(bytes.concat(hex"01", Rows.requests(rows, first, end)));
            if (!_plays[id].swept) continue;
            bytes memory shortfalls = Rows.shortfalls(rows, first, end);
            leaves[i] = keccak256(bytes.concat(hex"02", leaves[i], shortfalls, _penalties(id, first, end)));
        }
    }

    /// @return leaf the leaf of a row. @return first its first row. @return end the row after its last.
    function _leafOf(
        uint256 rowCount,
        uint256 count,
        uint256 row
    ) private pure returns (uint256 leaf, uint256 first, uint256 end) {
        uint256 perLeaf = _rowsPerLeaf(count);
        leaf = row / perLeaf;
        first = leaf * perLeaf;
        end = first + perLeaf < rowCount ? first + perLeaf : rowCount;
    }

    function _rowsPerLeaf(uint256 count) private pure returns (uint256) {
        return count > 32 ? 1 : 32 / count;
    }

    function _penalties(uint32 id, uint256 first, uint256 end) private view returns (bytes memory wire) {
        uint64[] memory taken = abi.decode(_plays[id].taken, (uint64[]));
        for (uint256 i = first; i < end; ++i) wire = bytes.concat(wire, bytes8(taken[i]));
    }

    // ------------------------------------------------------------------------------------------------------ Outcome

    /// @notice The Operator rules, for any award and fault; rarely too late or for more than is claimed.
    function resolve(uint256 seed) external watched(Act.Resolve) {
        (uint256 disputeId, bool found) = _openDispute(seed);
        if (!found) return;
        IARIATypes.Dispute memory dispute = TARGET.disputeOf(disputeId);
        IARIATypes.Fault fault = IARIATypes.Fault(_random(seed, 1) % 3);
        uint256 award = fault == IARIATypes.Fault.DER ? 0 : _within(_random(seed, 2), 0, dispute.claimWh);
        if (seed % 4 == 0 && fault != IARIATypes.Fault.DER) award = dispute.claimWh;
        if (_random(seed, 3) % 8 == 0) award = uint256(dispute.claimWh) + 1;
        uint64[4] memory before = _stakes(disputeId);
        VM.prank(OPERATOR);
        try TARGET.resolveDispute(disputeId, uint32(award), fault, keccak256("evidence")) {
            _note(_now() <= dispute.raisedAt + _rules().rulingWindowSeconds, "ruled too late");
            _outcome(disputeId, dispute, award, fault, before);
            _count(fault == IARIATypes.Fault.DER ? "ruling against the DER" : "ruling");
        } catch {
            _count("ruling refused");
        }
    }

    /// @notice Anybody has a claim paid that nobody ruled on.
    function settleByDefault(uint256 seed) external watched(Act.Default) {
        (uint256 disputeId, bool found) = _openDispute(seed);
        if (!found) return;
        IARIATypes.Dispute memory dispute = TARGET.disputeOf(disputeId);
        uint256 deadline = dispute.raisedAt + _rules().rulingWindowSeconds;
        if (seed % 3 == 0) _warpTo(deadline + (seed % 2));
        uint64[4] memory before = _stakes(disputeId);
        VM.prank(OUTSIDER);
        try TARGET.settleByDefault(disputeId) {
            _note(_now() > deadline, "defaulted too early");
            _outcome(disputeId, dispute, dispute.claimWh, IARIATypes.Fault.None, before);
            _count("default");
        } catch {
            _note(_now() <= deadline, "a claim not ruled on could not be paid");
        }
    }

    /// @dev The balances a dispute's end touches: the DER's, the Aggregator's, ARIA's, the Operator's.
    function _stakes(uint256 disputeId) private view returns (uint64[4] memory) {
        return
            [
                VAULT.balanceOf(uint32(disputeId >> 32)),
                VAULT.balanceOf(TARGET.aggregatorAccount()),
                VAULT.balanceOf(TARGET.escrowAccount()),
                VAULT.balanceOf(TARGET.operatorAccount())
            ];
    }

    function _outcome(
        uint256 disputeId,
        IARIATypes.Dispute memory dispute,
        uint256 awardedWh,
        IARIATypes.Fault fault,
        uint64[4] memory before
    ) private {
        uint64[4] memory afterwards = _stakes(disputeId);
        uint256 award = (awardedWh * dispute.price) / 1000;
        uint256 refund = uint256(before[2]) - afterwards[2] - DISPUTE_BOND - award;
        uint256 fine = fault != IARIATypes.Fault.Aggregator ? 0 : _fineOn(disputeId, before[1]);
        bool forfeited = fault == IARIATypes.Fault.DER;
        uint256 toDer = award + refund + fine + (forfeited ? 0 : DISPUTE_BOND);
        _note(afterwards[0] == before[0] + toDer, "what the DER gets");
        _note(afterwards[1] + fine == before[1] + (forfeited ? DISPUTE_BOND : 0), "the Aggregator's part");
        _note(afterwards[3] == before[3], "the Operator's account in a dispute");
        if (fault == IARIATypes.Fault.Aggregator) _fined[disputeId] = true;

        _ledgers[dispute.requestId].awarded += award;
        _ledgers[dispute.requestId].refunded += refund;
        _energy[disputeId].awarded += awardedWh;
        if (refund > 0) _count("penalty given back");
        bytes32 row = keccak256(abi.encode(dispute.requestId, disputeId >> 32));
        _refunds[row] += refund;
        _note(refund <= dispute.penalty, "I3: more given back than was taken for the epoch");
        _note(
            _refunds[row] <= _takenOf(dispute.requestId, uint32(disputeId >> 32)),
            "I3: more given back than was taken"
        );
    }

    /// @dev The penalty taken of a DER at the sweep of a request.
    function _takenOf(uint32 id, uint32 account) private view returns (uint64) {
        if (!_plays[id].swept) return 0;
        Row[] memory rows = _rowsOf(id);
        uint256 row;
        while (rows[row].account != account) ++row;
        return abi.decode(_plays[id].taken, (uint64[]))[row];
    }

    /// @dev The Aggregator is fined once for an account and epoch, and only while its bond is posted.
    function _fineOn(uint256 disputeId, uint64 balance) private view returns (uint256) {
        if (_fined[disputeId] || VAULT.lockOf(AGGREGATOR) == 0) return 0;
        return balance < MISREPORT_FINE ? balance : MISREPORT_FINE;
    }

    function _openDispute(uint256 seed) private view returns (uint256 disputeId, bool found) {
        uint256 count = _disputeIds.length;
        for (uint256 i; i < count; ++i) {
            disputeId = _disputeIds[addmod(seed, i, count)];
            if (TARGET.disputeOf(disputeId).status == IARIATypes.DisputeStatus.Open) return (disputeId, true);
        }
    }

    // ------------------------------------------------------------------------------------------------- Contradiction

    /// @notice Anybody proves that the Aggregator swept another figure than its own meter gave, or tries to.
    function contradict(uint256 seed) external watched(Act.Other) {
        if (requestCount == 0) return;
        uint32 id = _startingWithRequest(seed, IARIATypes.RequestStatus.Swept);
        if (id == 0 || _random(seed, 1) % 4 == 0) id = uint32(1 + (seed % requestCount)); // released, perhaps
        if (!_plays[id].swept) return;
        IARIATypes.FlowLeaf[] memory leaves = abi.decode(_plays[id].flow, (IARIATypes.FlowLeaf[]));
        uint256 at;
        for (uint256 i; i < leaves.length; ++i) {
            at = addmod(seed, i, leaves.length);
            if (seed % 8 == 0 || _contradicts(leaves[at])) break;
        }
        IARIATypes.SettledRow memory row = _proofOf(Spot(id, at / _plays[id].count, at % _plays[id].count));
        bytes32[] memory proof = Merkle.proofOf(_hashesOf(leaves), at);
        uint64 before = VAULT.balanceOf(TARGET.operatorAccount());
        uint256 disputeId = _key(leaves[at].account, leaves[at].epoch);
        uint256 fine = _fineOn(disputeId, VAULT.balanceOf(TARGET.aggregatorAccount()));
        VM.prank(OUTSIDER);
        try TARGET.proveContradiction(row, leaves[at], proof) {
            _note(_contradicts(leaves[at]), "contradiction where there is none");
            _note(!_fined[disputeId], "fined twice for an account and epoch");
            _fined[disputeId] = true;
            uint64 afterwards = VAULT.balanceOf(TARGET.operatorAccount());
            _note(afterwards == before + fine, "the fine goes to the Operator");
            _count("contradiction");
        } catch {
            _count("contradiction refused");
        }
    }

    /// @dev Whether a leaf differs from what was credited at the sweep, awards not counted.
    function _contradicts(IARIATypes.FlowLeaf memory leaf) private view returns (bool) {
        return leaf.energyWh != _energy[_key(leaf.account, leaf.epoch)].credited;
    }

    // ------------------------------------------------------------------------------------------------------ Release

    /// @notice Anybody has what is left in escrow returned to the Operator, of one request or two.
    function release(uint256 seed) external watched(Act.Release) {
        uint32[] memory ids = new uint32[](1 + (seed % 2));
        for (uint256 i; i < ids.length; ++i) {
            IARIATypes.RequestStatus status =
                (seed >> (8 + i)) % 3 == 0
                    ? IARIATypes.RequestStatus.Requested
                    : IARIATypes.RequestStatus.Swept;
            ids[i] = _startingWithRequest(_random(seed, i), status);
        }
        (uint256 closes, ) = _closes(ids[0]);
        if (ids[0] != 0 && seed % 5 == 0) _warpTo(closes + ((seed >> 16) % 3));
        uint256[] memory escrows = new uint256[](ids.length);
        bool due = true;
        for (uint256 i; i < ids.length; ++i) {
            IARIATypes.FlowRequest memory request = TARGET.requestOf(ids[i]);
            (uint256 at, bool known) = _closes(ids[i]);
            due = due && known && _now() > at && request.openDisputes == 0;
            escrows[i] = request.escrow;
        }
        due = due && (ids.length == 1 || ids[0] != ids[1]);
        uint64 before = VAULT.balanceOf(TARGET.operatorAccount());
        VM.prank(OUTSIDER);
        try TARGET.releaseEscrow(ids) {
            _note(due, "released before its time");
            for (uint256 i; i < ids.length; ++i) {
                _ledgers[ids[i]].released += escrows[i];
                before += uint64(escrows[i]);
            }
            _note(VAULT.balanceOf(TARGET.operatorAccount()) == before, "what the Operator gets back");
            _count("release");
        } catch {
            _note(!due, "what is due could not be released");
        }
    }

    /// @return closes the last second of a request's dispute window. @return known whether there is such a request.
    function _closes(uint32 id) private view returns (uint256 closes, bool known) {
        IARIATypes.FlowRequest memory request = TARGET.requestOf(id);
        uint256 end = (uint256(request.firstEpoch) + request.count) * EPOCH_SECONDS;
        bool swept = request.status == IARIATypes.RequestStatus.Swept;
        uint256 opens = swept ? request.sweptAt : end + _rules().sweepWindowSeconds + 1;
        return (opens + _rules().disputeWindowSeconds, id != 0);
    }
}
